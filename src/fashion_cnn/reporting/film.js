/* The film of a training: a frame an epoch. */
const film = JSON.parse(document.getElementById("film-data").textContent);
const bytes = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const shares = bytes(film.probabilities), weights = bytes(film.filters), classes = names.length;
const frames = film.epochs.length, images = film.labels.length;
const slider = document.getElementById("film-at"), play = document.getElementById("film-play");

const sharesOf = (frame, image) => shares.subarray((frame * images + image) * classes, (frame * images + image + 1) * classes);
const answerOf = (frame, image) => sharesOf(frame, image).reduce((best, share, label, all) => share > all[best] ? label : best, 0);
const courses = film.labels.map((label, image) => film.epochs.map((_, frame) => answerOf(frame, image) === label));
const changes = course => course.reduce((sum, right, frame) => sum + (frame > 0 && right !== course[frame - 1]), 0);
const inWords = course => {
  const said = [];
  course.forEach((right, frame) => {
    if (frame ? right === course[frame - 1] : !right) return;
    said.push(`${right ? "learned" : "forgotten"} at ${said.length ? "" : "epoch "}${film.epochs[frame]}`);
  });
  return said.length ? said.join(", ") : "never learned";
};

const table = document.getElementById("film-matrix"), cellAt = [];
{
  const head = make("tr"), body = make("tbody"), top = make("thead"), group = make("colgroup");
  group.append(make("col", "", "names"), ...names.map(() => make("col")));
  head.append(make("td"), ...names.map(name => Object.assign(make("th", name), { scope: "col" })));
  top.append(head);
  names.forEach((name, a) => {
    const row = make("tr");
    row.append(Object.assign(make("th", name), { scope: "row" }));
    names.forEach((_, b) => {
      const cell = make("td", "", a === b ? "diagonal" : ""), count = make("span", "", "cell");
      count.dataset.cell = "";
      cell.append(count);
      row.append(cell);
      cellAt.push(count);
    });
    body.append(row);
  });
  table.append(group, top, body);
  roomy(table, 2.2);
}
const mistaken = (count, place) => Math.floor(place / classes) === place % classes ? 0 : count;
/* Not spread into arguments, of which browsers take some ten thousand. */
const most = film.confusion.reduce((most, counts) => counts.reduce((one, count, place) => Math.max(one, mistaken(count, place)), most), 1);
const drawMatrix = frame => film.confusion[frame].forEach((count, place) => {
  const a = Math.floor(place / classes), b = place % classes, cell = cellAt[place];
  const whole = film.confusion[frame].slice(a * classes, (a + 1) * classes).reduce((sum, one) => sum + one, 0);
  cell.textContent = count;
  cell.style.setProperty("--t", a === b ? (count / (whole || 1)) ** 2 : count / most);
});

const canvas = document.getElementById("film-filters"), across = Math.min(8, film.count);
const drawFilters = frame => {
  if (!canvas) return;
  const [high, wide] = film.sides, size = high * wide, scale = Math.max(2, Math.floor(40 / Math.max(high, wide)));
  const right = wide * scale + 4, down = high * scale + 4;
  canvas.width = across * right;
  canvas.height = Math.ceil(film.count / across) * down;
  const brush = canvas.getContext("2d");
  for (let place = 0; place < film.count * size; place++) {
    const filter = Math.floor(place / size), pixel = place % size;
    const weight = (weights[frame * film.count * size + place] - 128) / 127, strength = Math.abs(weight);
    const [r, g, b] = weight > 0 ? [255, 140, 40] : [70, 140, 255];
    brush.fillStyle = `rgb(${r * strength}, ${g * strength}, ${b * strength})`;
    brush.fillRect(filter % across * right + pixel % wide * scale, Math.floor(filter / across) * down + Math.floor(pixel / wide) * scale, scale, scale);
  }
};

const garments = document.getElementById("film-garments"), chosen = document.getElementById("film-chosen");
const order = film.labels.map((_, image) => image).sort((one, other) => changes(courses[other]) - changes(courses[one]) || one - other);
const picked = new Set(order.slice(0, 2));
for (const image of order.slice(0, 48)) {
  const item = make("li"), button = at(make("button", "", "px"), image);
  button.type = "button";
  button.dataset.image = image;
  button.setAttribute("aria-label", `${names[film.labels[image]]}: ${inWords(courses[image])}`);
  button.setAttribute("aria-pressed", String(picked.has(image)));
  item.append(button);
  garments.append(item);
}
const drawChosen = frame => chosen.replaceChildren(...[...picked].map(image => {
  const box = make("div"), label = film.labels[image], row = make("div", "", "large"), strip = make("div", "", "strip");
  courses[image].forEach((right, one) => strip.append(make("span", "", `${right ? "right" : "wrong"}${one === frame ? " now" : ""}`)));
  strip.setAttribute("aria-hidden", "true");
  row.append(at(make("span", "", "px"), image), barsOf([0, label, answerOf(frame, image), [...sharesOf(frame, image)].flatMap((share, one) => [one, 1000 * share / 255])]));
  box.append(make("h4", `${names[label]}: ${inWords(courses[image])}`), strip, row);
  return box;
}));
garments.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  const image = Number(button.dataset.image);
  if (!picked.delete(image)) picked.add(image);
  button.setAttribute("aria-pressed", String(picked.has(image)));
  drawChosen(Number(slider.value));
});

const shownFrame = frame => {
  const counts = film.confusion[frame], total = counts.reduce((sum, count) => sum + count, 0);
  const right = names.reduce((sum, _, label) => sum + counts[label * classes + label], 0);
  document.getElementById("film-said").textContent = `${film.epochs[frame]}: ${(100 * right / total).toFixed(2)}\u00a0% right`;
  slider.setAttribute("aria-valuetext", `epoch ${film.epochs[frame]}`);
  drawMatrix(frame);
  drawFilters(frame);
  drawChosen(frame);
};
let timer = 0;
const stop = () => {
  clearInterval(timer);
  timer = 0;
  play.textContent = "Play";
  play.setAttribute("aria-pressed", "false");
};
play.addEventListener("click", () => {
  if (timer) return stop();
  if (Number(slider.value) === frames - 1) slider.value = 0;
  play.textContent = "Pause";
  play.setAttribute("aria-pressed", "true");
  shownFrame(Number(slider.value));
  timer = setInterval(() => {
    if (Number(slider.value) === frames - 1) return stop();
    slider.value = Number(slider.value) + 1;
    shownFrame(Number(slider.value));
  }, Math.max(100, Math.min(800, 15000 / frames)));
});
slider.addEventListener("input", () => { stop(); shownFrame(Number(slider.value)); });
shownFrame(frames - 1);
