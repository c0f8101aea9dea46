/* The map of the images, and their neighbours among the training images. */
const mapped = JSON.parse(document.getElementById("map-data").textContent);
const numbers = text => new Uint16Array(Uint8Array.from(atob(text), letter => letter.charCodeAt(0)).buffer);
const [mapImages, mapPlaces, near, nearLabels] = [mapped.images, mapped.places, mapped.near, mapped.nearLabels].map(numbers);
const pointAt = new Map([...mapImages].map((place, point) => [place, point]));
const points = [...mapImages].map((place, point) => ({ place, x: mapPlaces[2 * point] / 65535, y: mapPlaces[2 * point + 1] / 65535 }));

/* Neighbours, in an enlarged picture and in the galleries. */
const neighbourRow = place => {
  const point = pointAt.get(place);
  if (point === undefined) return null;
  const row = make("span", "", "near"), counts = {};
  for (let n = point * mapped.of; n < (point + 1) * mapped.of; n++) {
    const name = names[nearLabels[n]];
    counts[nearLabels[n]] = (counts[nearLabels[n]] || 0) + 1;
    if (near[n] === mapped.pictures) continue;
    const picture = at(make("span", "", "px"), near[n]);
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `training image: ${name}`);
    picture.title = name;
    row.append(picture);
  }
  const said = Object.entries(counts).sort((one, other) => other[1] - one[1]).map(([one, count]) => `${count} ${names[one]}`).join(", ");
  return [row, make("span", `nearest: ${said}`, "fine")];
};
window.alsoLarge = place => {
  const found = neighbourRow(place);
  if (!found) return [];
  const box = make("div"), [row, said] = found;
  row.classList.add("named");
  for (const picture of row.children) {
    const one = make("span", "", "one");
    picture.replaceWith(one);
    one.append(picture, make("span", picture.title, "fine"));
  }
  box.append(make("h4", `The ${mapped.of} nearest training images${row.children.length ? "" : ", by label"}`), ...(row.children.length ? [row] : [said]));
  return [box];
};
for (const button of document.querySelectorAll("#galleries button.px[data-place]")) {
  const found = neighbourRow(Number(button.dataset.place));
  if (found) button.closest("li").append(...found);
}

const canvas2 = document.getElementById("map-canvas"), pen = canvas2.getContext("2d");
const tip = document.getElementById("map-tip"), colour = document.getElementById("map-colour");
const legend = document.getElementById("map-legend"), taken = document.getElementById("map-taken");
const csv = document.getElementById("map-csv"), lasso = document.getElementById("map-lasso"), mapSaid = document.getElementById("map-said");
const view = { x: .5, y: .5, zoom: 1 };
const palette = ["#4e8fcb", "#e8853c", "#4aa96c", "#d6564f", "#9a78c4", "#a87860", "#d874b4", "#8d8d8d", "#b5b13a", "#35b5c4"];
const shade = label => names.length <= palette.length ? palette[label] : `hsl(${label * 360 / names.length} 60% 55%)`;
const confidenceOf = place => answers[place][3][1] / 1000;
const colours = {
  label: ([, label]) => shade(label),
  answer: ([, , predicted]) => shade(predicted),
  mistake: ([, label, predicted]) => label === predicted ? "#4e8fcb" : "#e8853c",
  confidence: answer => `hsl(${Math.round(25 + 185 * Math.max(0, (answer[3][1] / 1000 - .3) / .7))} 65% 52%)`,
};
let selected = new Set(), loop = null, hovered = -1;
const size = () => [canvas2.clientWidth, canvas2.clientHeight];
const side = () => Math.min(...size()) * .94 * view.zoom;
const onScreen = ({ x, y }) => { const [w, h] = size(), s = side(); return [(x - view.x) * s + w / 2, (y - view.y) * s + h / 2]; };
const sprite = new Image();
const drawMap = () => {
  const [w, h] = size(), dense = devicePixelRatio || 1, style = getComputedStyle(document.body);
  if (canvas2.width !== Math.round(w * dense)) [canvas2.width, canvas2.height] = [Math.round(w * dense), Math.round(h * dense)];
  pen.setTransform(dense, 0, 0, dense, 0, 0);
  pen.clearRect(0, 0, w, h);
  pen.imageSmoothingEnabled = false;
  const radius = Math.min(6, 2.2 + view.zoom / 3), pictures = view.zoom >= 7 && sprite.complete;
  points.forEach((point, number) => {
    const [x, y] = onScreen(point);
    if (x < -30 || y < -30 || x > w + 30 || y > h + 30) return;
    const answer = answers[point.place];
    pen.fillStyle = pen.strokeStyle = colours[colour.value](answer);
    if (pictures) {
      pen.drawImage(sprite, point.place % columns * 28, Math.floor(point.place / columns) * 28, 28, 28, x - 14, y - 14, 28, 28);
      pen.lineWidth = 2;
      pen.strokeRect(x - 15, y - 15, 30, 30);
    } else {
      pen.beginPath();
      pen.arc(x, y, radius, 0, 7);
      pen.fill();
    }
    if (selected.has(number) || number === hovered) {
      pen.strokeStyle = style.color;
      pen.lineWidth = 1.5;
      pen.strokeRect(x - radius - 2, y - radius - 2, 2 * radius + 4, 2 * radius + 4);
    }
  });
  if (loop) {
    pen.strokeStyle = style.color;
    pen.lineWidth = 1.5;
    pen.beginPath();
    loop.forEach(([x, y]) => pen.lineTo(x, y));
    pen.stroke();
  }
};
const explain = () => {
  const parts = { mistake: [["right", "#4e8fcb"], ["wrong", "#e8853c"]], confidence: [["unsure", "hsl(25 65% 52%)"], ["half", "hsl(78 65% 52%)"], ["sure", "hsl(210 65% 52%)"]] }[colour.value]
    || names.map((name, label) => [name, shade(label)]);
  legend.replaceChildren(...parts.flatMap(([name, tone]) => {
    const dot = make("span", "", "dot");
    dot.style.background = tone;
    return [dot, `${name} `];
  }));
};
const closest = (x, y, within) => points.reduce((best, point, number) => {
  const [a, b] = onScreen(point), distance = Math.hypot(a - x, b - y);
  return distance < best[1] ? [number, distance] : best;
}, [-1, within])[0];
const zoomed = (factor, x, y) => {
  const [w, h] = size(), before = side();
  const [px, py] = [view.x + (x - w / 2) / before, view.y + (y - h / 2) / before];
  view.zoom = Math.max(.8, Math.min(60, view.zoom * factor));
  const after = side();
  view.x = px - (x - w / 2) / after;
  view.y = py - (y - h / 2) / after;
  drawMap();
};
const inMiddle = factor => { const [w, h] = size(); zoomed(factor, w / 2, h / 2); };
const open = number => { siblings = []; enlarge(points[number].place); };
const take = chosen => {
  selected = new Set(chosen);
  csv.disabled = taken.hidden = !selected.size;
  const wrong = [...selected].filter(number => { const [, label, predicted] = answers[points[number].place]; return label !== predicted; }).length;
  mapSaid.textContent = selected.size ? `${selected.size} images selected, ${wrong} of them wrong` : "";
  taken.replaceChildren(...[...selected].slice(0, 60).map(number => {
    const item = make("li"), [, label, predicted] = answers[points[number].place];
    item.append(thumbnail(points[number].place), make("span", label === predicted ? names[label] : `${names[label]} called ${names[predicted]}`, "fine"));
    return item;
  }));
  drawMap();
};
const inside = ([x, y], path) => path.reduce((odd, [x1, y1], place) => {
  const [x2, y2] = path[(place + 1) % path.length];
  return (y1 > y) !== (y2 > y) && x < (x2 - x1) * (y - y1) / (y2 - y1) + x1 ? !odd : odd;
}, false);

let dragged = null;
const where = event => { const box = canvas2.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
canvas2.addEventListener("pointerdown", event => {
  canvas2.setPointerCapture(event.pointerId);
  dragged = { from: where(event), x: view.x, y: view.y, moved: false };
  if (lasso.getAttribute("aria-pressed") === "true") loop = [dragged.from];
});
canvas2.addEventListener("pointermove", event => {
  const [x, y] = where(event);
  if (dragged) {
    dragged.moved ||= Math.hypot(x - dragged.from[0], y - dragged.from[1]) > 4;
    if (loop) loop.push([x, y]);
    else if (dragged.moved) [view.x, view.y] = [dragged.x - (x - dragged.from[0]) / side(), dragged.y - (y - dragged.from[1]) / side()];
    tip.hidden = true;
    return drawMap();
  }
  hovered = closest(x, y, 14);
  tip.hidden = hovered < 0;
  if (hovered >= 0) {
    const { place } = points[hovered], [index, label, predicted] = answers[place];
    tip.replaceChildren(at(make("span", "", "px"), place), make("span", label === predicted ? names[label] : `${names[label]} called ${names[predicted]}`), make("span", `${percent(confidenceOf(place))} · #${index}`, "fine"));
    tip.style.left = `${Math.min(x + 14, size()[0] - 130)}px`;
    tip.style.top = `${Math.max(0, y - 60)}px`;
  }
  drawMap();
});
canvas2.addEventListener("pointerup", event => {
  const [x, y] = where(event), { moved } = dragged || {};
  dragged = null;
  if (loop && moved) {
    const path = loop;
    loop = null;
    take(points.map((_, number) => number).filter(number => inside(onScreen(points[number]), path)));
  } else if (!moved) {
    const number = closest(x, y, 16);
    if (number >= 0) open(number);
  }
  loop = null;
  drawMap();
});
canvas2.addEventListener("pointerleave", () => { tip.hidden = true; hovered = -1; drawMap(); });
canvas2.addEventListener("wheel", event => {
  event.preventDefault();
  zoomed(event.deltaY < 0 ? 1.2 : 1 / 1.2, ...where(event));
}, { passive: false });
canvas2.addEventListener("keydown", event => {
  const step = { ArrowLeft: [-.1, 0], ArrowRight: [.1, 0], ArrowUp: [0, -.1], ArrowDown: [0, .1] }[event.key];
  const factor = { "+": 1.4, "=": 1.4, "-": 1 / 1.4 }[event.key];
  if (step) {
    view.x += step[0] / view.zoom;
    view.y += step[1] / view.zoom;
    drawMap();
  } else if (factor) inMiddle(factor);
  else if (event.key === "Enter") open(closest(...size().map(length => length / 2), Infinity));
  else return;
  event.preventDefault();
});
document.getElementById("map-in").addEventListener("click", () => inMiddle(1.5));
document.getElementById("map-out").addEventListener("click", () => inMiddle(1 / 1.5));
document.getElementById("map-all").addEventListener("click", () => { Object.assign(view, { x: .5, y: .5, zoom: 1 }); drawMap(); });
lasso.addEventListener("click", () => lasso.setAttribute("aria-pressed", String(lasso.getAttribute("aria-pressed") !== "true")));
document.getElementById("map-view").addEventListener("click", () => {
  const [w, h] = size();
  take(points.map((_, number) => number).filter(number => { const [x, y] = onScreen(points[number]); return x >= 0 && y >= 0 && x <= w && y <= h; }));
});
const quoted = text => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
csv.addEventListener("click", () => {
  const rows = [...selected].map(number => {
    const { place, x, y } = points[number], [index, label, predicted] = answers[place];
    return [index, quoted(names[label]), quoted(names[predicted]), confidenceOf(place).toFixed(4), x.toFixed(5), y.toFixed(5)].join(",");
  });
  const link = make("a");
  link.href = URL.createObjectURL(new Blob([["index,label,answer,confidence,x,y", ...rows, ""].join("\n")], { type: "text/csv" }));
  link.download = "images.csv";
  link.click();
});
colour.addEventListener("change", () => { explain(); drawMap(); });
new ResizeObserver(drawMap).observe(canvas2);
sprite.addEventListener("load", drawMap);
sprite.src = getComputedStyle(document.querySelector("#galleries .px, #shown .px")).backgroundImage.slice(5, -2);
explain();
drawMap();
