"use strict";

function element(tag, text, ...children) {
  const made = document.createElement(tag);
  made.textContent = text;
  made.append(...children);
  return made;
}

function describe(path, method, operation) {
  const rows = Object.entries(operation.responses).map(([code, { description }]) =>
    element("li", `${code}: ${description}`));
  const parameters = (operation.parameters ?? []).map(({ name, schema }) =>
    element("li", `?${name}=, ${schema.type} from ${schema.minimum} to ${schema.maximum}, else ${schema.default}`));
  const card = element("section", "",
    element("h2", `${method.toUpperCase()} ${path}`),
    element("p", operation.description ?? ""),
    element("ul", "", ...parameters, ...rows));
  card.className = "card";
  return card;
}

document.getElementById("example").textContent =
  `curl --data-binary @shoe.jpg ${location.origin}/v1/predict`;

fetch("openapi.json")
  .then((response) => response.json())
  .then(({ paths }) => {
    const cards = Object.entries(paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => describe(path, method, operation)));
    document.getElementById("paths").replaceChildren(...cards);
  });
