// The pad: 28x28 pixels under a brush, by mouse, finger, pen or keyboard.

import { at, paint } from "./dom.js";
import { SIDE, blend, cover, fillClosed, flood, isEmpty, isLoop } from "./raster.js";

const MOST_UNDONE = 200;
const STAMPS = {
  "T-shirt": "M10 1 L2 5 L4 12 L8 10 L8 27 L20 27 L20 10 L24 12 L26 5 L18 1 Q14 4 10 1 Z",
  Trousers: "M9 1 L19 1 L21 27 L16 27 L14 8 L12 27 L7 27 Z",
  Pullover: "M10 1 L5 3 L2 26 L6 26 L8 11 L8 27 L20 27 L20 11 L22 26 L26 26 L23 3 L18 1 Q14 3 10 1 Z",
  Dress: "M10 1 L11 1 L14 5 L17 1 L18 1 L18 10 L22 27 L6 27 L10 10 Z",
  Bag: "M3 11 L8 11 Q8 2 14 2 Q20 2 20 11 L25 11 L26 26 L2 26 Z M10 11 L18 11 Q18 4 14 4 Q10 4 10 11 Z",
  Shoe: "M1 11 L8 10 L17 16 Q26 17 27 20 L27 22 L1 22 Z",
};

export class Pad {
  /** Args: changed(step): called with the name of what was done, or null while a stroke is under way. */
  constructor(changed) {
    this.pixels = new Uint8ClampedArray(SIDE * SIDE);
    this.cursor = { x: SIDE / 2, y: SIDE / 2 };
    this._changed = changed;
    this._undo = [];
    this._stroke = null; // {before, cover, path} of the one under way
    this._canvas = at("pad");
    this._listen();
    this._stamps();
    this._draw();
  }

  /** Put pixels in place of all, as a step that can be undone. */
  replace(pixels, name) {
    this._remember();
    this._set(Uint8ClampedArray.from(pixels), name);
  }

  undo() {
    this._end();
    const last = this._undo.pop();
    if (last) this._set(last, "undo");
  }

  get isEmpty() {
    return isEmpty(this.pixels);
  }

  get canUndo() {
    return this._undo.length > 0;
  }

  get _tool() {
    return document.querySelector("[name=tool]:checked").value;
  }

  get _level() {
    return this._tool === "eraser" ? 0 : Number(at("grey").value);
  }

  get _radius() {
    return Number(at("size").value) / 2;
  }

  _remember() {
    this._undo.push(this.pixels);
    if (this._undo.length > MOST_UNDONE) this._undo.shift();
  }

  _set(pixels, name) {
    this.pixels = pixels;
    this._draw();
    this._changed(name);
  }

  _draw() {
    paint(this._canvas, this.pixels, SIDE, SIDE);
    const mark = at("cursor").style;
    const wide = this._tool === "fill" ? 1 : Math.max(1, 2 * this._radius);
    mark.left = `${(100 * (this.cursor.x - wide / 2)) / SIDE}%`;
    mark.top = `${(100 * (this.cursor.y - wide / 2)) / SIDE}%`;
    mark.width = mark.height = `${(100 * wide) / SIDE}%`;
  }

  _begin(point) {
    if (this._tool === "fill") {
      const [x, y] = [point.x, point.y].map((one) => Math.min(SIDE - 1, Math.max(0, Math.floor(one))));
      this.replace(flood(this.pixels, x, y, this._level), "fill");
      return;
    }
    this._remember();
    this._stroke = { before: this.pixels, cover: new Float32Array(SIDE * SIDE), path: [] };
    this._move(point);
  }

  _move(point) {
    this.cursor = point;
    if (!this._stroke) return this._draw();
    const { before, cover: covered, path } = this._stroke;
    cover(covered, path[path.length - 1] ?? point, point, this._radius);
    path.push(point);
    this._set(blend(before, covered, this._level), null);
  }

  _end() {
    if (!this._stroke) return;
    const { before, cover: covered, path } = this._stroke;
    this._stroke = null;
    let pixels = this.pixels;
    if (this._tool === "brush" && at("close").checked) {
      if (isLoop(path)) {
        cover(covered, path[path.length - 1], path[0], this._radius);
        pixels = blend(before, covered, this._level);
      }
      pixels = fillClosed(before, pixels, this._level);
    }
    this._set(pixels, this._tool);
  }

  _listen() {
    const canvas = this._canvas;
    const point = (event) => {
      const box = canvas.getBoundingClientRect();
      return { x: ((event.clientX - box.left) / box.width) * SIDE, y: ((event.clientY - box.top) / box.height) * SIDE };
    };
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this._begin(point(event));
    });
    canvas.addEventListener("pointermove", (event) => {
      for (const one of event.getCoalescedEvents?.() ?? []) if (this._stroke) this._move(point(one));
      this._move(point(event));
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this._end());
    canvas.addEventListener("keydown", (event) => this._key(event));
    canvas.addEventListener("keyup", (event) => event.key === "Shift" && this._end());
    canvas.addEventListener("blur", () => this._end());
    at("undo").addEventListener("click", () => this.undo());
    at("clear").addEventListener("click", () => this.replace(new Uint8ClampedArray(SIDE * SIDE), "clear"));
    at("tools").addEventListener("input", () => this._draw());
  }

  _key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const within = (value) => Math.min(SIDE - 0.5, Math.max(0.5, value));
    if (step) {
      if (event.shiftKey && !this._stroke && this._tool !== "fill") this._begin(this.cursor);
      this._move({ x: within(this.cursor.x + step[0]), y: within(this.cursor.y + step[1]) });
    } else if (event.key === " " || event.key === "Enter") {
      this._begin(this.cursor);
      this._end();
    } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
      this.undo();
    } else {
      return;
    }
    event.preventDefault();
  }

  _stamps() {
    for (const [name, shape] of Object.entries(STAMPS)) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => {
        const paper = new OffscreenCanvas(SIDE, SIDE).getContext("2d");
        paper.fill(new Path2D(shape), "evenodd");
        const alpha = paper.getImageData(0, 0, SIDE, SIDE).data;
        const covered = Float32Array.from(this.pixels, (_, place) => alpha[4 * place + 3] / 255);
        this.replace(blend(this.pixels, covered, this._level), name);
      });
      at("stamps").append(button);
    }
  }
}
