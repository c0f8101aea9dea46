/* Pictures out of the page's sheets, and one of them enlarged. */
const data = JSON.parse(document.getElementById("data").textContent);
const { names, columns, answers, heat } = data;

const make = (tag, text, style) => {
  const element = document.createElement(tag);
  if (text) element.textContent = text;
  if (style) element.className = style;
  return element;
};
/* As the page's own figures: nothing but a certainty is 100 %. */
const percent = share => {
  const whole = Math.round(100 * share);
  return `${whole >= 100 ? Math.min(Math.floor(1000 * share) / 10, 99.9).toFixed(1) : whole}\u00a0%`;
};
const percentOf = share => `${(share < 1 ? Math.min(99.9, 100 * share) : 100).toFixed(1)}\u00a0%`;
/* A matrix of many classes is wider than its place, and scrolls. */
const roomy = (table, cell) => {
  if (names.length <= 12) return;
  table.style.minWidth = `${cell * names.length + 7}rem`;
  table.style.maxWidth = "none";
};
const at = (element, place, x = "--x", y = "--y") => {
  element.style.setProperty(x, place % columns);
  element.style.setProperty(y, Math.floor(place / columns));
  return element;
};
const spoken = ([index, label, predicted]) => `image ${index}: ${names[label]}${predicted === null ? "" : `, called ${names[predicted]}`}`;
/* The picture at a place of the sheet, as a button that enlarges it. */
const thumbnail = place => {
  const button = at(make("button", "", "px"), place);
  button.type = "button";
  button.dataset.place = place;
  button.setAttribute("aria-label", `${spoken(answers[place])}; enlarge`);
  return button;
};
const heated = place => {
  if (!heat || !(place in heat)) return null;
  const picture = at(at(make("span", "", "px heat"), place), heat[place], "--hx", "--hy");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", "where the evidence is");
  return picture;
};
/* What the colours of evidence stand for, on all of the page. */
const scaleOfHeat = () => {
  const said = make("p", "Where the evidence is: covering a place adds ", "fine"), points = `${data.points.toFixed(0)} points`;
  said.append(`${points} `, make("span", "", "scale"), ` takes ${points}`);
  return said;
};
const barsOf = ([, label, predicted, shares]) => {
  const list = make("ul", "", "bars");
  for (let place = 0; place < shares.length; place += 2) {
    const [one, share] = [shares[place], shares[place + 1] / 1000];
    const item = make("li", "", [one === label && "is", one === predicted && one !== label && "wrong"].filter(Boolean).join(" "));
    const bar = make("span", "", "bar");
    bar.style.width = `${100 * share}%`;
    const track = make("span");
    track.append(bar);
    item.append(make("span", names[one]), track, make("span", percentOf(share)));
    list.append(item);
  }
  return list;
};

const large = document.getElementById("large");
let siblings = [];
const enlarge = place => {
  const answer = answers[place], [index, label, predicted, shares] = answer;
  const said = predicted === label ? ", and called so" : predicted === null ? "" : ` called ${names[predicted]}`;
  const head = make("h3", names[label] + said);
  head.id = "large-title";
  const picture = at(make("span", "", "px"), place), parts = make("div", "", "large");
  picture.setAttribute("role", "img");
  picture.setAttribute("aria-label", spoken(answer));
  const evidence = heated(place);
  parts.append(picture, ...[evidence].filter(Boolean), barsOf(answer));
  const more = [...(evidence ? [scaleOfHeat()] : []), ...(window.alsoLarge ? window.alsoLarge(place) : [])];
  const close = make("button", "Close", "button close");
  close.type = "button";
  close.addEventListener("click", () => large.close());
  large.dataset.place = place;
  large.replaceChildren(head, make("p", `image ${index}.${shares.length ? " Bold: the label." : ""}${siblings.length > 1 ? " Arrow keys: the next." : ""}`, "fine"), parts, ...more, close);
  if (!large.open) large.showModal();
};
document.addEventListener("click", event => {
  const button = event.target.closest("button.px[data-place]");
  if (button) {
    const list = button.closest("ul");
    siblings = list ? [...list.querySelectorAll("button.px[data-place]")].map(one => Number(one.dataset.place)) : [];
    enlarge(Number(button.dataset.place));
  } else if (event.target === large) large.close();
});
large.addEventListener("keydown", event => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], now = siblings.indexOf(Number(large.dataset.place));
  if (!step || now < 0 || !(now + step in siblings)) return;
  event.preventDefault();
  enlarge(siblings[now + step]);
  large.querySelector(".close").focus();
});
/* A printed page has nobody to unfold it. */
addEventListener("beforeprint", () => { for (const one of document.querySelectorAll("details")) one.open = true; });

/* Arrow keys walk the cells of a matrix. */
const walked = matrix => matrix.addEventListener("keydown", event => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const from = event.target.dataset.cell;
  if (!step || !from) return;
  event.preventDefault();
  let [a, b] = from.split("-").map(Number);
  for (;;) {
    a += step[0]; b += step[1];
    if (a < 0 || b < 0 || a >= names.length || b >= names.length) return;
    const button = matrix.querySelector(`[data-cell="${a}-${b}"]`);
    if (button) return button.focus();
  }
});
