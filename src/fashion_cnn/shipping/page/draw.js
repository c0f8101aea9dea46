// Drawings on their way to the server: the newest one, as soon as the answer before is there.

import { Pad } from "./pad.js";
import { at } from "./dom.js";
import { predict } from "./server.js";
import { addStep, clearSteps } from "./trace.js";

const PAUSE = 100; // milliseconds between requests within a stroke: a class may draw at once

/** Args: answered(answer, file), both null for an empty pad, and failed(fault) are called as answers come. */
export function setUpDrawing(answered, failed) {
  let newest = null; // {name}: that of a step, or null while a stroke is under way
  let asking = false;
  let endPause = () => {};
  let running = new AbortController();
  let ground = 0; // grey value of what the model's images lie on; on the pad it is black
  const pad = new Pad((name) => {
    at("undo").disabled = !pad.canUndo;
    newest = { name: name ?? newest?.name ?? null };
    if (!asking) send();
    else if (name) endPause();
  });

  async function send() {
    asking = true;
    while (newest) {
      const one = newest;
      newest = null;
      if (pad.isEmpty) {
        clearSteps();
        answered(null, null);
        continue;
      }
      running = new AbortController();
      try {
        const file = png(pad.pixels, ground);
        const answer = await predict(file, running.signal);
        answered(answer, file);
        if (one.name) addStep(one.name, answer);
        else if (!newest?.name) await pause();
      } catch (fault) {
        if (fault.kind !== "cancelled") failed(fault);
      }
    }
    asking = false;
  }

  function pause() {
    return new Promise((done) => {
      endPause = done;
      setTimeout(done, PAUSE);
    });
  }

  return {
    setGround(value) {
      ground = value;
    },
    /** Put a picture of 28x28 pixels, by its address, onto the pad. */
    async edit(address) {
      const image = new Image();
      image.src = address;
      await image.decode();
      const paper = new OffscreenCanvas(28, 28).getContext("2d");
      paper.drawImage(image, 0, 0);
      clearSteps();
      const grey = paper.getImageData(0, 0, 28, 28).data.filter((_, place) => place % 4 === 0);
      pad.replace(grey.map((value) => value ^ ground), "start");
    },
    /** Ask about the same drawing again. */
    repeat() {
      newest = { name: null };
      if (!asking && !pad.isEmpty) send();
    },
    stop() {
      newest = null;
      running.abort();
    },
  };
}

// Grey and of that size it reaches the network untouched, as the data set's own images do.
function png(levels, ground) {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 28;
  const picture = new ImageData(28, 28);
  levels.forEach((level, place) => picture.data.set([level ^ ground, level ^ ground, level ^ ground, 255], 4 * place));
  canvas.getContext("2d").putImageData(picture, 0, 0);
  const bytes = atob(canvas.toDataURL().split(",")[1]); // toBlob waits until the browser is idle
  return new Blob([Uint8Array.from(bytes, (one) => one.charCodeAt(0))], { type: "image/png" });
}
