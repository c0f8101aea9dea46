// The page: pictures in by every way, one after the other to the server, answers out.

import { figures, inWords, present, setModel } from "./answer.js";
import { at, bringIntoView, element } from "./dom.js";
import { setUpDrawing } from "./draw.js";
import { lookInto } from "./look.js";
import { Fault, ask, keepToken, predict } from "./server.js";

const AT_ONCE = 2;

let pictures = []; // {name, label, load, file, url, state, answer, fault}; state: waiting, done or failed
let chosen = 0; // the one that is shown
let running = new AbortController(); // newer pictures end it

const drawing = setUpDrawing(showDrawn, (fault) => {
  forget();
  fail(fault, true);
});

/** Ask about pictures, in place of those before; each has a `name` and a `file`, or `load` for one. */
function classify(asked) {
  running.abort();
  drawing.stop();
  for (const { url } of pictures) if (url) URL.revokeObjectURL(url);
  pictures = asked.map((one) => ({ label: null, ...one, state: "waiting" }));
  chosen = 0;
  work();
}

async function work() {
  const mine = (running = new AbortController());
  const waiting = pictures.filter((one) => one.state === "waiting");
  show();
  bringIntoView(at("answer-card"));
  const worker = async () => {
    for (let one = waiting.shift(); one; one = waiting.shift()) {
      await answer(one, mine.signal);
      if (mine.signal.aborted) return;
      if (one === pictures[chosen]) show();
      else more();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

async function answer(one, signal) {
  try {
    one.file ??= await one.load(signal);
    one.url ??= URL.createObjectURL(one.file);
    if (one === pictures[chosen] && !signal.aborted) show(); // with its preview
    one.answer = await predict(one.file, signal);
    one.state = "done";
  } catch (fault) {
    one.fault = fault instanceof Fault ? fault : new Fault("The server does not answer.");
    one.state = "failed";
  }
}

function again() {
  if (!pictures.length) return drawing.repeat();
  for (const one of pictures) if (one.state === "failed") one.state = "waiting";
  return work();
}

function cancel() {
  running.abort();
  for (const one of pictures) {
    if (one.state === "waiting") Object.assign(one, { state: "failed", fault: new Fault("Cancelled.", "cancelled") });
  }
  show();
}

/** Show the chosen picture as far as it is. */
function show() {
  const one = pictures[chosen];
  strip();
  only(one.state === "waiting" ? "waiting" : one.state === "failed" ? "error" : "result");
  if (one.state === "waiting") {
    at("preview").hidden = !one.url;
    if (one.url) at("preview").src = one.url;
    say("Looking …");
  } else if (one.state === "failed") {
    fail(one.fault, true);
  } else {
    const given = at("given");
    given.src = one.url;
    given.alt = one.name;
    given.onload = () => given.classList.toggle("tiny", given.naturalWidth < 100);
    at("result").classList.remove("drawn");
    present(one.answer, one);
    lookInto(one.file);
    more();
    bringIntoView(at("answer-card"));
  }
}

/** Another than the chosen picture is answered: the strip shows it, and what is read stays. */
function more() {
  strip();
  const one = pictures[chosen];
  const left = pictures.filter((other) => other.state === "waiting").length;
  if (one.state === "done") say(`${pictures.length > 1 ? `${one.name}: ` : ""}${inWords()}${left ? ` ${left} more to come.` : ""}`);
}

/** Show the answer to a drawing; it stays where it is, as the pad must. */
function showDrawn(answer, file) {
  forget();
  only(answer ? "result" : "");
  if (!answer) return;
  lookInto(file);
  at("result").classList.add("drawn");
  present(answer, { inOrder: true });
}

/** Of pictures before a drawing nothing stays, to be tried again or else. */
function forget() {
  running.abort();
  pictures = [];
  strip();
}

function choose(way) {
  document.querySelector(`[name=way][value=${way}]`).checked = true;
  for (const name of ["picture", "drawing"]) at(name).hidden = name !== way;
  if (way === "drawing") at("pad").scrollIntoView({ block: "nearest" }); // above the bars, on a phone
}

/** Of the parts of the answer show one. */
function only(shown) {
  for (const name of ["waiting", "error", "result"]) at(name).hidden = name !== shown;
  if (shown !== "result") lookInto(null);
  at("status").classList.toggle("heard", true); // from now on for screen readers alone
}

function say(text) {
  at("status").textContent = text;
}

/** Show a fault, and bring it into view. */
function fail(fault, canRepeat) {
  only("error");
  say("");
  at("error").querySelector("p").textContent = fault.message;
  at("ask-token").hidden = fault.kind !== "token";
  at("again").hidden = !canRepeat || fault.kind === "token";
  bringIntoView(at("answer-card"));
  if (fault.kind === "token") at("token").focus({ preventScroll: true });
}

/** The pictures side by side, where there are several. */
function strip() {
  const several = at("several");
  several.hidden = pictures.length < 2;
  if (several.hidden) return;
  const said = { waiting: () => "…", failed: () => "not answered", done: (one) => one.answer.label };
  several.replaceChildren(...pictures.map((one, place) => {
    const picture = one.url ? element("img", { src: one.url, alt: "" }) : "";
    const button = element("button", { type: "button", "aria-pressed": String(place === chosen), class: one.state },
      picture, element("span", {}, said[one.state](one)), element("span", { class: "heard" }, `, ${one.name}`));
    button.addEventListener("click", () => {
      chosen = place;
      show();
      at("several").children[place].querySelector("button").focus({ preventScroll: true });
    });
    return element("li", {}, button);
  }));
}

function take(files, otherwise) {
  const found = [...files].map((file) => ({ file, name: file.name || "Your picture" }));
  if (found.length) classify(found);
  else if (otherwise) fail(new Fault(otherwise), false);
}

for (const id of ["file", "camera"]) {
  at(id).addEventListener("change", (event) => {
    take(event.target.files);
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
  take(event.dataTransfer.files, "That was not a file. Save the picture, then drop it here.");
});
document.addEventListener("paste", (event) => {
  if (!event.target.matches?.("input")) take(event.clipboardData.files, "There is no picture to paste.");
});
at("samples").addEventListener("click", (event) => {
  const image = event.target.closest("button")?.querySelector("img");
  if (!image) return;
  const load = async (signal) => (await fetch(image.src, { signal })).blob();
  classify([{ load, name: `Sample: ${image.alt}`, label: image.alt }]);
});
for (const radio of document.querySelectorAll("[name=way]")) radio.addEventListener("change", () => choose(radio.value));
at("edit").addEventListener("click", async () => {
  choose("drawing");
  await drawing.edit(at("seen").src);
  bringIntoView(at("ask-card"));
  at("pad").focus({ preventScroll: true });
});
at("again").addEventListener("click", again);
at("cancel").addEventListener("click", cancel);
at("ask-token").addEventListener("submit", (event) => {
  event.preventDefault();
  keepToken(at("token").value.trim());
  at("token").value = "";
  only("");
  describe();
  again();
});

/** Say which model answers, and offer the samples that it has names for. */
async function describe() {
  let model;
  try {
    model = await ask("v1/model");
  } catch (fault) {
    if (fault.kind === "token") fail(fault, false);
    return;
  }
  setModel(model);
  drawing.setGround(model.framing.startsWith("white") ? 255 : 0);
  const second = model.for_photos ? ` Pictures on an uneven background are answered by another: ${figures(model.for_photos)}.` : "";
  at("model").textContent =
    `Model: ${figures(model)}. It knows ${model.class_names.length} classes and names one of them for any picture.${second}`;
  const samples = [...at("samples").children];
  for (const sample of samples) sample.hidden = !model.class_names.includes(sample.querySelector("img").alt);
  at("samples-title").hidden = samples.every((sample) => sample.hidden);
}

choose("picture"); // a browser would keep the other over a reload
describe();
