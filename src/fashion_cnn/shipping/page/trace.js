// How each stroke moved the probabilities: a line a class over the strokes.

import { at, element, percent } from "./dom.js";

const LONGEST = 40; // strokes
const NAMED = 3; // classes
const [WIDE, HIGH] = [300, 110];
const SVG = "http://www.w3.org/2000/svg";

let steps = []; // {name, shares: Map from a label to its probability}

/** Add what a stroke led to. */
export function addStep(name, answer) {
  steps.push({ name, shares: new Map(answer.top.map((one) => [one.label, one.probability])) });
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

function draw() {
  at("trace").hidden = !steps.length;
  if (!steps.length) return;
  const labels = [...steps[0].shares.keys()];
  const highest = (label) => Math.max(...steps.map(({ shares }) => shares.get(label)));
  const now = (label) => steps[steps.length - 1].shares.get(label);
  // The first class now, and those that have been highest: one that has fallen is worth a name.
  const first = labels.reduce((best, label) => now(label) > now(best) ? label : best);
  const others = labels.filter((label) => label !== first).sort((a, b) => highest(b) - highest(a));
  const named = [first, ...others].slice(0, NAMED).sort((a, b) => now(b) - now(a));
  const x = (place) => (steps.length > 1 ? (WIDE * place) / (steps.length - 1) : WIDE / 2);
  const parts = labels.filter((label) => highest(label) >= 0.05 || named.includes(label)).map((label) => {
    const rank = named.indexOf(label);
    const points = steps.map(({ shares }, place) => `${x(place).toFixed(1)},${(HIGH * (1 - shares.get(label))).toFixed(1)}`);
    return svg("polyline", { points: points.join(" "), class: rank < 0 ? "line" : `line line-${rank}` });
  });
  const dots = named.map((label, rank) =>
    svg("circle", { cx: x(steps.length - 1), cy: HIGH * (1 - now(label)), r: 3.5, class: `dot-${rank}` }));
  const chart = at("trace-chart");
  chart.setAttribute("viewBox", `-6 -6 ${WIDE + 12} ${HIGH + 18}`);
  chart.replaceChildren(...[0, 0.5, 1].map((share) =>
    svg("line", { x1: 0, x2: WIDE, y1: HIGH * share, y2: HIGH * share, class: "rule" })), ...parts, ...dots, axis(0), axis(1));
  at("trace-key").replaceChildren(...named.map((label, rank) => element("li", { class: `key-${rank}` }, `${label} ${percent(now(label))}`)));
  at("trace-words").textContent = change();
}

function axis(share) {
  const text = svg("text", { x: 0, y: share ? -2 : HIGH + 9, class: "axis" });
  text.textContent = `${100 * share} %`;
  return text;
}

/** "Step 4, eraser: Shirt 62.1 % (+20.3 points)": the class that moved most. */
function change() {
  const { name, shares } = steps[steps.length - 1];
  const before = steps.length > 1 ? steps[steps.length - 2].shares : null;
  const moved = (label) => (before ? shares.get(label) - before.get(label) : shares.get(label));
  const [most] = [...shares.keys()].sort((a, b) => Math.abs(moved(b)) - Math.abs(moved(a)));
  const points = before ? ` (${moved(most) < 0 ? "−" : "+"}${Math.abs(100 * moved(most)).toFixed(1)} points)` : "";
  return `Step ${steps.length}, ${name}: ${most} ${percent(shares.get(most))}${points}`;
}
