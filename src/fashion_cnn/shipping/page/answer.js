// An answer in words that follow its probabilities, and in bars.

import { at, element, percent } from "./dom.js";

const SURE = 0.9;
const CLOSE = 0.2; // the second class is so near the first that neither is the answer
const POSSIBLE = 0.05;

let model = null; // what /v1/model says

export function setModel(found) {
  model = found;
}

/** The one line that answers. */
export function headline({ top, accepted, doubtful }) {
  const [one, two] = top;
  const close = isClose(top);
  const which = close ? `${one.label} or ${two.label}` : one.label;
  if (doubtful) return `A guess: ${which}`;
  if (!accepted) return `Not sure enough to answer. Perhaps ${which}`;
  if (close) return `${which}, a close call`;
  return `${one.probability < SURE ? "Probably " : ""}${one.label}, ${percent(one.probability)}`;
}

function isClose([one, two]) {
  return Boolean(two) && one.probability - two.probability < CLOSE;
}

/** What else it may be. */
export function others({ top, doubtful, may_be: mayBe }) {
  if (doubtful) return "The bars share out 100 % among the classes that the model knows, whatever the picture shows.";
  const rest = top.slice(isClose(top) ? 2 : 1);
  const possible = rest.filter((one) => one.probability >= POSSIBLE);
  const set = mayBe.length > 1 ? ` At ${coverage()} coverage it may be ${mayBe.join(" or ")}.` : "";
  if (!possible.length) return rest.length ? `No other class has more than ${percent(rest[0].probability)}.${set}` : "";
  return `Also possible: ${possible.map((one) => `${one.label}, ${percent(one.probability)}`).join("; ")}.${set}`;
}

function coverage() {
  return percent(model?.calibration?.conformal?.coverage ?? 0.95).replace(".0", "");
}

/** "recipe balanced, 94.90 % of 10,000 test images of Fashion-MNIST right". */
export function figures({ recipe, measured: { accuracy, n, split }, data }) {
  return `recipe ${recipe.name}, ${(100 * accuracy).toFixed(2)} % of ${n.toLocaleString("en")} ${split} images of ${data} right`;
}

function answeredBy({ recipe }) {
  if (!model) return "";
  const photos = model.for_photos?.recipe.name === recipe;
  const who = photos ? "the model for pictures on an uneven background" : "the model";
  return `Answered by ${who}: ${figures(photos ? model.for_photos : model)}${photos ? "; of photos fewer are right" : ""}.`;
}

/** Show an answer; `label`: what is known to be on the picture, if anything is. */
export function present(answer, { label = null, inOrder = false } = {}) {
  at("seen").src = `data:image/png;base64,${answer.seen_png}`;
  at("headline").textContent = headline(answer);
  at("headline").classList.toggle("doubtful", answer.doubtful || !answer.accepted);
  const right = label === answer.label;
  at("truth").textContent = label ? `Its label is ${label}: ${right ? "right" : `${answer.label} is wrong`}.` : "";
  at("truth").classList.toggle("wrong", !right);
  at("warnings").replaceChildren(...answer.warnings.map((text) => element("li", {}, text)));
  bars(answer, inOrder);
  at("others").textContent = others(answer);
  at("answered-by").textContent = answeredBy(answer);
}

/** What a screen reader is told of the answer that is shown. */
export function inWords() {
  return [at("headline"), at("truth"), at("others")].map((part) => part.textContent).filter(Boolean).join(". ").replaceAll("..", ".");
}

// Rows are kept, so that a bar moves from where it was.
function bars(answer, inOrder) {
  const list = at("bars");
  const known = new Map([...list.children].map((row) => [row.dataset.label, row]));
  const names = inOrder && model ? model.class_names : answer.top.map((one) => one.label);
  const shares = new Map(answer.top.map((one) => [one.label, one.probability]));
  const rows = names.filter((name) => shares.has(name)).map((name) => known.get(name) ?? row(name));
  if (rows.some((one, place) => list.children[place] !== one) || list.children.length !== rows.length) {
    list.replaceChildren(...rows);
    list.getBoundingClientRect(); // laid out, or a new bar would not grow from nothing
  }
  for (const one of rows) {
    const share = shares.get(one.dataset.label);
    one.classList.toggle("in", answer.may_be.includes(one.dataset.label));
    one.querySelector(".fill").style.width = `${100 * share}%`;
    one.querySelector(".number").textContent = percent(share);
  }
}

function row(name) {
  return element("li", { "data-label": name },
    element("span", {}, name),
    element("span", { class: "track" }, element("span", { class: "fill" })),
    element("span", { class: "number" }));
}
