// "Through the layers": asked for only while it is unfolded.

import { Layers } from "./layers.js";
import { at } from "./dom.js";
import { layers } from "./server.js";

const PAUSE = 250; // milliseconds: strokes come one after the other

let shown = null; // the picture file that is looked into
let seen = null; // the one whose layers are on the page
let clock = 0;
let running = new AbortController();
const parts = new Layers(at("layers-parts"));

/** Look into the network with a picture file; null for none. */
export function lookInto(file) {
  at("layers").hidden = !file;
  shown = file;
  clearTimeout(clock);
  clock = setTimeout(look, seen ? PAUSE : 0);
}

async function look() {
  if (!at("layers").open || !shown) return;
  running.abort();
  if (shown === seen) return;
  running = new AbortController();
  const file = shown;
  try {
    parts.show(await layers(file, running.signal));
    seen = file;
    at("layers-parts").hidden = false;
    at("layers-status").textContent = "";
  } catch (fault) {
    if (fault.kind === "cancelled") return;
    seen = null;
    at("layers-parts").hidden = true;
    at("layers-status").textContent = fault.message;
  }
}

at("layers").addEventListener("toggle", look);
