// How each stroke moved the probabilities: a line a class over the strokes.

import { at, element, percent } from "./dom.js";

const LONGEST = 40; // strokes
const NAMED = 3; // classes
const [WIDE, HIGH] = [300, 110];
const SVG = "http://www.w3.org/2000/svg";

let steps = []; // {number, name, shares: Map from a label to its probability, of the first ten}

/** Add what a stroke led to. */
export function addStep(name, answer) {
  const shares = new Map(answer.top.map((one) => [one.label, one.probability]));
  steps.push({ number: (steps.at(-1)?.number ?? 0) + 1, name, shares });
  steps = steps.slice(-LONGEST);
  draw();
}

export function clearSteps() {
  steps = [];
  draw();
}

function svg(tag, attributes) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}

const share = ({ shares }, label) => shares.get(label) ?? 0;

function draw() {
  at("trace").hidden = !steps.length;
  if (!steps.length) return;
  const labels = [...new Set(steps.flatMap(({ shares }) => [...shares.keys()]))];
  const highest = (label) => Math.max(...steps.map((step) => share(step, label)));
  const now = (label) => share(steps.at(-1), label);
  // The first class now, and those that have been highest: one that has fallen is worth a name.
  const first = labels.reduce((best, label) => now(label) > now(best) ? label : best);
  const others = labels.filter((label) => label !== first).sort((a, b) => highest(b) - highest(a));
  const named = [first, ...others].slice(0, NAMED).sort((a, b) => now(b) - now(a));
  const x = (place) => (steps.length > 1 ? (WIDE * place) / (steps.length - 1) : WIDE / 2);
  const parts = labels.filter((label) => highest(label) >= 0.05 || named.includes(label)).map((label) => {
    const rank = named.indexOf(label);
    const points = steps.map((step, place) => `${x(place).toFixed(1)},${(HIGH * (1 - share(step, label))).toFixed(1)}`);
    return svg("polyline", { points: points.join(" "), class: rank < 0 ? "line" : `line line-${rank}` });
  });
  const dots = named.map((label, rank) =>
    svg("circle", { cx: x(steps.length - 1), cy: HIGH * (1 - now(label)), r: 3.5, class: `dot-${rank}` }));
  const chart = at("trace-chart");
  chart.setAttribute("viewBox", `-6 -6 ${WIDE + 12} ${HIGH + 18}`);
  chart.replaceChildren(...[0, 0.5, 1].map((height) =>
    svg("line", { x1: 0, x2: WIDE, y1: HIGH * height, y2: HIGH * height, class: "rule" })), ...parts, ...dots, axis(0), axis(1));
  at("trace-key").replaceChildren(...named.map((label, rank) => element("li", { class: `key-${rank}` }, `${label} ${percent(now(label))}`)));
  at("trace-words").textContent = change();
}

function axis(height) {
  const text = svg("text", { x: 0, y: height ? -2 : HIGH + 9, class: "axis" });
  text.textContent = `${100 * height} %`;
  return text;
}

/** "Step 4, eraser: Shirt 62.1 % (+20.3 points)": the class that moved most. */
function change() {
  const now = steps.at(-1), before = steps.at(-2);
  const moved = (label) => share(now, label) - (before ? share(before, label) : 0);
  const [most] = [...now.shares.keys()].sort((a, b) => Math.abs(moved(b)) - Math.abs(moved(a)));
  const points = before ? ` (${moved(most) < 0 ? "−" : "+"}${Math.abs(100 * moved(most)).toFixed(1)} points)` : "";
  return `Step ${now.number}, ${now.name}: ${most} ${percent(share(now, most))}${points}`;
}
