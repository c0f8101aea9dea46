// The HTTP interface: what the server says of it, and answers of this very server as examples.

import { at, element } from "./dom.js";
import { ask } from "./server.js";

const SAMPLE = "samples/9-ankle-boot.png";
const LONGEST = 60; // characters of a text in an example
const MOST = 10; // entries of a list in it
const EXAMPLES = {
  "/v1/predict": async () => ask("v1/predict", { body: await (await fetch(SAMPLE)).blob() }),
  "/v1/layers": async () => ask("v1/layers", { body: await (await fetch(SAMPLE)).blob() }),
  "/v1/model": () => ask("v1/model"),
  "/healthz": () => ask("healthz"),
  "/readyz": () => ask("readyz"),
};

function curl(path, method) {
  const picture = method === "post" ? "--data-binary @shoe.jpg " : "";
  return `curl ${picture}${location.origin}${path}`;
}

function code(text, label) {
  // A scrolled text must be reachable by keyboard.
  return element("pre", { tabindex: "0", role: "region", "aria-label": label }, text);
}

function shortened(name, value) {
  if (Array.isArray(value) && value.length > MOST) return [...value.slice(0, MOST), "…"];
  return typeof value === "string" && value.length > LONGEST ? `${value.slice(0, LONGEST)}…` : value;
}

async function example(path, method, place) {
  try {
    const answer = await EXAMPLES[path]();
    place.replaceChildren(code(JSON.stringify(answer, shortened, 2), `An answer of ${path}`));
  } catch (fault) {
    place.replaceChildren(element("p", { class: "small" }, `No answer to show: ${fault.message}`));
  }
}

function describe(path, method, operation) {
  const rows = Object.entries(operation.responses).map(([status, { description }]) =>
    element("li", {}, `${status}: ${description}`));
  const parameters = (operation.parameters ?? []).map(({ name, schema }) =>
    element("li", {}, `?${name}=, ${schema.type} from ${schema.minimum} to ${schema.maximum}, else ${schema.default}`));
  const card = element("section", { class: "card" },
    element("h2", {}, `${method.toUpperCase()} ${path}`),
    element("p", {}, operation.description ?? ""),
    element("ul", {}, ...parameters, ...rows),
    element("h3", {}, "Request"),
    code(curl(path, method), `A request of ${path}`));
  if (EXAMPLES[path]) {
    const place = element("div", {}, element("p", { class: "small" }, "…"));
    card.append(element("h3", {}, method === "post" ? "Answer, to one of the page's samples" : "Answer, of this server"), place);
    example(path, method, place);
  }
  return card;
}

at("example").textContent = curl("/v1/predict", "post");

fetch("openapi.json")
  .then((response) => response.json())
  .then(({ paths }) => {
    const cards = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => describe(path, method, operation)));
    at("paths").replaceChildren(...cards);
  });
