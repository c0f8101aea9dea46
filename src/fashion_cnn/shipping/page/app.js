"use strict";

const MOST_BYTES = 8 * 2 ** 20; // the server's own limit
const LONGEST_EDGE = 2048;
const TRIES_WHEN_BUSY = 3;

const at = (id) => document.getElementById(id);
// Of a token's characters a browser writes these alone otherwise; any other % is the token's own.
const token = location.hash.slice(1).replace(/%(20|22|3c|3e|60)/gi, decodeURIComponent);
let last = null; // what "try again" sends once more
let asking = null; // the request under way: a newer picture ends it

function headers() {
  return token ? { Authorization: `Bearer ${token}` } : {};
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

function show({ status = "", error = "", result = false }) {
  at("status").textContent = status;
  at("error").hidden = !error;
  at("error").querySelector("p").textContent = error;
  at("result").hidden = !result;
}

// A phone's photo may be larger than the server takes.
async function shrink(picture) {
  if (picture.size <= MOST_BYTES) return picture;
  const bitmap = await createImageBitmap(picture);
  const scale = Math.min(1, LONGEST_EDGE / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(scale * bitmap.width));
  canvas.height = Math.max(1, Math.round(scale * bitmap.height));
  canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((done) => canvas.toBlob(done, "image/jpeg", 0.92));
}

async function ask(body, signal) {
  for (let count = 1; ; count += 1) {
    const response = await fetch("v1/predict", { method: "POST", body, headers: headers(), signal });
    if (response.status !== 503 || count === TRIES_WHEN_BUSY) return response;
    const seconds = Number(response.headers.get("Retry-After")) || 1;
    await new Promise((done) => setTimeout(done, 1000 * seconds));
  }
}

async function classify(picture, name) {
  last = [picture, name];
  asking?.abort();
  const mine = (asking = new AbortController());
  show({ status: "Looking …" });
  let response;
  let answer;
  try {
    response = await ask(await shrink(picture), mine.signal);
    answer = await response.json();
  } catch (fault) {
    if (mine.signal.aborted) return;
    const unreadable = fault instanceof DOMException && fault.name !== "AbortError";
    show({ error: unreadable ? "This is not a picture that the browser can read." : "The server does not answer." });
    return;
  }
  if (mine.signal.aborted) return;
  if (response.ok) {
    present(answer, picture, name);
  } else {
    const reason = typeof answer.detail === "string" ? answer.detail : "it is not understood";
    show({ error: response.status === 422 ? `This picture cannot be used: ${reason}.` : `The server says: ${reason}.` });
  }
}

function present(answer, picture, name) {
  const given = at("given");
  if (given.src) URL.revokeObjectURL(given.src);
  given.src = URL.createObjectURL(picture);
  given.alt = name;
  given.onload = () => given.classList.toggle("tiny", given.naturalWidth < 100);
  at("seen").src = `data:image/png;base64,${answer.seen_png}`;
  const sure = `${answer.label}, ${percent(answer.probability)}`;
  at("headline").textContent = answer.accepted ? sure : `Not sure enough to answer. Perhaps ${sure}`;
  at("warnings").replaceChildren(...answer.warnings.map((text) => element("li", text)));
  at("bars").replaceChildren(...answer.top.map((one) => bar(one, answer.may_be.includes(one.label))));
  at("may-be").textContent =
    answer.may_be.length > 1
      ? `It may well be any of these: ${answer.may_be.join(", ")}.`
      : "No other class is likely, if the picture is one like those the model knows.";
  show({ result: true });
  at("result").scrollIntoView({ block: "nearest" }); // on a phone it is below
}

function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  made.className = name;
  return made;
}

function bar({ label, probability }, isIn) {
  const row = element("li", "", isIn ? "in" : "");
  const track = element("span", "", "track");
  const fill = element("span", "", "fill");
  track.append(fill);
  row.append(element("span", label), track, element("span", percent(probability), "number"));
  requestAnimationFrame(() => requestAnimationFrame(() => (fill.style.width = `${100 * probability}%`)));
  return row;
}

function first(files) {
  if (files.length) classify(files[0], files[0].name || "Your picture");
  return files.length > 0;
}

for (const id of ["file", "camera"]) {
  at(id).addEventListener("change", (event) => {
    first(event.target.files);
    event.target.value = ""; // so that the same file can be chosen again
  });
}

document.addEventListener("dragover", (event) => {
  event.preventDefault();
  at("drop").classList.add("over");
});
document.addEventListener("dragleave", (event) => {
  if (!event.relatedTarget) at("drop").classList.remove("over");
});
document.addEventListener("drop", (event) => {
  event.preventDefault();
  at("drop").classList.remove("over");
  if (!first(event.dataTransfer.files)) show({ error: "That was not a file. Save the picture, then drop it here." });
});
document.addEventListener("paste", (event) => {
  if (!first(event.clipboardData.files)) show({ error: "There is no picture to paste." });
});

at("samples").addEventListener("click", async (event) => {
  const image = event.target.closest("button")?.querySelector("img");
  if (!image) return;
  try {
    const picture = await (await fetch(image.src)).blob();
    classify(picture, `Sample: ${image.alt}`);
  } catch {
    show({ error: "The server does not answer." });
  }
});

at("again").addEventListener("click", () => {
  if (last) classify(...last);
});

fetch("v1/model", { headers: headers() })
  .then(async (response) => {
    const model = await response.json();
    if (!response.ok) {
      show({ error: `The server says: ${model.detail}. The page takes it behind a # in its address.` });
      return;
    }
    const { accuracy, n, split } = model.measured;
    const second = model.for_photos ? `; pictures on uneven ground are answered by another, ${model.for_photos.recipe.name}` : "";
    at("model").textContent =
      `Model: recipe ${model.recipe.name}, ${(100 * accuracy).toFixed(2)} % of ${n.toLocaleString("en")} ` +
      `${split} images of ${model.data} right${second}. It knows ${model.class_names.length} classes and says one of them of anything.`;
    const samples = [...at("samples").children];
    for (const sample of samples) sample.hidden = !model.class_names.includes(sample.querySelector("img").alt);
    at("samples-title").hidden = samples.every((sample) => sample.hidden);
  })
  .catch(() => {});
