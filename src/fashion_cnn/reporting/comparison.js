/* Two of the runs at a time: the difference of their confusion matrices, and its images. */
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const labels = bytes(data.labels), predicted = data.predicted.map(bytes), certain = data.sure.map(bytes);
const places = new Map(answers.map(([index], place) => [index, place]));
const matrix = document.getElementById("matrix"), shown = document.getElementById("shown");
const [first, second] = ["first", "second"].map(id => document.getElementById(id));
const said = (run, index) => `${names[predicted[run][index]]} ${percent(certain[run][index] / 200)}`;

const differing = () => {
  const [one, other] = [predicted[first.value], predicted[second.value]], cells = new Map();
  labels.forEach((label, index) => {
    if (one[index] === other[index]) return;
    for (const [answer, side] of [[one[index], 0], [other[index], 1]]) {
      const key = `${label}-${answer}`;
      if (!cells.has(key)) cells.set(key, [[], []]);
      cells.get(key)[side].push(index);
    }
  });
  return cells;
};
let cells = new Map();
const draw = () => {
  cells = differing();
  shown.replaceChildren();
  const changes = new Map([...cells].map(([key, [less, more]]) => [key, more.length - less.length]));
  const most = Math.max(1, ...[...changes.values()].map(Math.abs));
  const head = make("tr"), group = make("colgroup");
  group.append(make("col", "", "names"), ...names.map(() => make("col")));
  head.append(make("td"), ...names.map(name => Object.assign(make("th", name), { scope: "col" })));
  const rows = names.map((name, a) => {
    const row = make("tr");
    row.append(Object.assign(make("th", name), { scope: "row" }), ...names.map((called, b) => {
      const key = `${a}-${b}`, cell = make("td"), change = changes.get(key);
      if (change === undefined) {
        cell.append(make("span", "0", "cell"));
        return cell;
      }
      const button = make("button", change > 0 ? `+${change}` : String(change).replace("-", "\u2212"), change < 0 ? "cell less" : "cell");
      button.type = "button";
      button.dataset.cell = key;
      button.style.setProperty("--t", change ? Math.abs(change) / most : 0);
      button.setAttribute("aria-pressed", "false");
      button.setAttribute("aria-label", `${name} called ${called}: ${change} more; show the images`);
      cell.append(button);
      return cell;
    }));
    return row;
  });
  const body = make("tbody"), top = make("thead");
  top.append(head);
  body.append(...rows);
  matrix.replaceChildren(group, top, body);
  roomy(matrix, 3);
};
const gallery = (title, indices) => {
  const list = make("ul", "", "gallery"), held = indices.filter(index => places.has(index));
  list.tabIndex = 0;
  list.setAttribute("aria-label", title);
  for (const index of held) {
    const item = make("li");
    item.append(thumbnail(places.get(index)), make("span", `1: ${said(first.value, index)}`, "said"), make("span", `2: ${said(second.value, index)}`, "said"), make("span", `is ${names[labels[index]]}`, "fine"), make("span", `#${index}`, "fine"));
    list.append(item);
  }
  const absent = indices.length - held.length;
  return [make("h3", `${title}: ${indices.length}${absent ? `, of which ${absent} are not on this page` : ""}`), list];
};
const show = button => {
  for (const other of matrix.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-pressed", "true");
  const [a, b] = button.dataset.cell.split("-").map(Number), [less, more] = cells.get(button.dataset.cell);
  const what = `${names[a]} called ${names[b]}`;
  shown.replaceChildren(...(less.length ? gallery(`${what} by the first alone`, less) : []), ...(more.length ? gallery(`${what} by the second alone`, more) : []));
};
matrix.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  show(button);
  shown.scrollIntoView({ block: "nearest" });
});
walked(matrix);
window.alsoLarge = place => {
  const index = answers[place][0], table = make("table", "", "full"), body = make("tbody");
  data.runs.forEach((run, one) => {
    const row = make("tr"), right = predicted[one][index] === labels[index];
    row.append(Object.assign(make("th", run), { scope: "row" }), make("td", names[predicted[one][index]]), make("td", percent(certain[one][index] / 200)), make("td", right ? "right" : "wrong"));
    body.append(row);
  });
  table.append(body);
  return [table];
};
for (const select of [first, second]) {
  data.runs.forEach((run, place) => select.append(Object.assign(make("option", run), { value: place })));
  select.addEventListener("change", draw);
}
second.value = 1;
draw();
