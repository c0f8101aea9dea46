// What a network saw in a picture, part by part. The server's page and the report show the same.

const SIDE = 28;
const AGAINST = [70, 140, 255], FOR = [255, 140, 40];
const WORDS = { Relu: "what is below 0 becomes 0 (ReLU)", MaxPool: "of neighbours the largest stays (max pooling)", AveragePool: "neighbours become their mean (average pooling)" };

const make = (tag, properties = {}, ...children) => {
  const made = Object.assign(document.createElement(tag), properties);
  for (const name of ["role", "aria-label", "aria-pressed", "aria-live", "aria-hidden"]) {
    if (name in properties) made.setAttribute(name, properties[name]);
  }
  made.append(...children);
  return made;
};
const decode = text => Int8Array.from(atob(text), letter => letter.charCodeAt(0));
const signed = (value, digits = 2) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
const short = value => value.toFixed(Math.abs(value) < .0995 && value ? 3 : Math.abs(value) < 10 ? 2 : 0).replace("-", "−");
const share = value => `${(value < 1 ? Math.min(99.9, 100 * value) : 100).toFixed(1)}\u00a0%`;

/* Black at 0, orange above, blue below, and paler where it is strongest: -1 to 1. */
const tint = value => {
  const strength = Math.min(1, Math.abs(value)), full = value < 0 ? AGAINST : FOR;
  return full.map(one => strength < .6 ? one * strength / .6 : one + (245 - one) * (strength - .6) / .4);
};

const paint = (canvas, width, height, colour) => {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    const [red, green, blue, alpha = 255] = colour(place);
    image.data.set([red, green, blue, alpha], 4 * place);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
};

/* A group of buttons is one stop of the Tab key; arrow keys walk it. */
const walk = group => group.addEventListener("keydown", event => {
  const buttons = [...group.querySelectorAll("button")], now = buttons.indexOf(document.activeElement);
  const row = buttons.filter(one => one.offsetTop === buttons[0].offsetTop).length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
  if (!step || now < 0) return;
  event.preventDefault();
  const next = buttons[now + step];
  if (!next) return;
  for (const one of buttons) one.tabIndex = one === next ? 0 : -1;
  next.focus();
});

/** Parts in an element that show one picture after the other; what was chosen stays chosen. */
export class Layers {
  constructor(place) {
    this._place = place;
    this._shape = "";
    this._map = [0, 0];
    this._filter = 0;
    this._at = [SIDE / 2, SIDE / 2];
    this._label = null; // of the class that is explained; null for the answer
  }

  /** Args: found: what the server, or the report, says of a picture. */
  show(found) {
    this._found = found;
    this._pixels = Uint8Array.from(decode(found.picture));
    this._maps = found.stages.map(stage => decode(stage.maps));
    this._evidence = decode(found.evidence.values);
    const shape = JSON.stringify([found.stages.map(one => [one.channels, one.height, one.width]), Boolean(found.window), found.notes]);
    if (shape !== this._shape) this._build();
    this._shape = shape;
    this._draw();
  }

  _build() {
    const { stages, window: first, notes } = this._found;
    this._map = [0, 0];
    this._filter = 0;
    this._place.replaceChildren();
    this._place.classList.add("through");
    this._place.append(...notes.map(note => make("p", { className: "note" }, note)));
    if (stages.length) this._place.append(this._buildStages());
    if (first) this._place.append(this._buildWindow());
    this._place.append(this._buildClasses());
  }

  _draw() {
    this._drawStages();
    if (this._found.window) this._drawWindow();
    this._drawClasses();
  }

  /* The maps. */

  _buildStages() {
    this._picture = make("canvas", { role: "img", "aria-label": "The picture as the network is given it" });
    const stages = this._found.stages.map((stage, number) => {
      const maps = make("div", { className: "maps", role: "group", "aria-label": `Maps of stage ${number + 1}` });
      maps.style.setProperty("--map", `${Math.max(1.55, Math.min(4, stage.width / 6.8, 130 / stage.channels))}rem`);
      for (let map = 0; map < stage.channels; map += 1) {
        const button = make("button", { type: "button", tabIndex: map ? -1 : 0, "aria-label": `Stage ${number + 1}, map ${map + 1} of ${stage.channels}`, "aria-pressed": "false" }, make("canvas"));
        button.addEventListener("click", () => {
          this._map = [number, map];
          if (!number && map < (this._found.window?.bias.length ?? 0)) this._filter = map;
          this._draw();
          this._large.scrollIntoView({ block: "nearest" });
        });
        maps.append(button);
      }
      walk(maps);
      return make("figure", {}, make("figcaption", {}, make("b", {}, `Stage ${number + 1}`), ` ${stage.channels} maps of ${stage.width} × ${stage.height}`), maps);
    });
    const first = make("figure", { className: "first" }, make("figcaption", {}, make("b", {}, "Picture")), this._picture);
    first.style.gridRow = `span ${stages.length}`;
    this._large = make("div", { className: "chosen" });
    return make("section", {},
      make("h3", {}, "From the picture, stage by stage"),
      make("p", { className: "fine" }, "A map is bright where its filter finds what it looks for: orange above 0, blue below, of each stage on one scale. Choose one to enlarge it."),
      make("div", { className: "path" }, first, ...stages),
      this._large);
  }

  _drawStages() {
    const { stages } = this._found;
    if (!stages.length) return;
    paint(this._picture, SIDE, SIDE, place => Array(3).fill(this._pixels[place]));
    this._place.querySelectorAll(".maps").forEach((group, number) => {
      [...group.children].forEach((button, map) => {
        this._paintMap(button.firstChild, number, map);
        button.setAttribute("aria-pressed", String(number === this._map[0] && map === this._map[1]));
      });
    });
    const [number, map] = this._map, stage = stages[number], size = stage.width * stage.height;
    const values = this._maps[number].subarray(map * size, (map + 1) * size);
    const most = values.reduce((best, value, place) => Math.abs(value) > Math.abs(values[best]) ? place : best, 0);
    const where = `in column ${most % stage.width + 1}, row ${Math.floor(most / stage.width) + 1}`;
    const [enlarged, over] = [make("canvas", { role: "img", "aria-label": "The map, enlarged" }), make("canvas", { role: "img", "aria-label": "The map over the picture" })];
    this._paintMap(enlarged, number, map);
    paint(over, SIDE, SIDE, place => {
      const x = Math.floor(place % SIDE / SIDE * stage.width), y = Math.floor(Math.floor(place / SIDE) / SIDE * stage.height);
      const value = values[y * stage.width + x] / 127, strength = Math.min(.85, Math.abs(value));
      return (value < 0 ? AGAINST : FOR).map(one => one * strength + this._pixels[place] * (1 - strength));
    });
    const said = values[most] ? `Its strongest value, ${(values[most] / 127 * stage.largest).toFixed(2)}, is ${where}; the stage's is ${stage.largest.toFixed(2)}.` : "It found nothing here: all of it is 0.";
    this._large.replaceChildren(enlarged, over, make("p", { role: "status" }, make("b", {}, `Stage ${number + 1}, map ${map + 1}. `), said));
  }

  _paintMap(canvas, number, map) {
    const { width, height } = this._found.stages[number], begin = map * width * height;
    paint(canvas, width, height, place => tint(this._maps[number][begin + place] / 127));
  }

  /* The first convolution at work. */

  _buildWindow() {
    const { bias, side } = this._found.window;
    this._given = make("canvas", { tabIndex: 0, role: "application", "aria-label": "The picture. Arrow keys move the window over it." });
    this._made = make("canvas", { role: "img", "aria-label": "The filter's map of the picture" });
    this._sum = make("table", { className: "sum" });
    this._said = make("p", { "aria-live": "polite" });
    this._filterName = make("output");
    const slider = make("input", { type: "range", min: 1, max: bias.length, step: 1, value: 1 });
    this._slider = slider;
    slider.addEventListener("input", () => { this._filter = Number(slider.value) - 1; this._drawWindow(); });
    const pick = event => {
      const box = this._given.getBoundingClientRect();
      this._at = [event.clientX - box.left, event.clientY - box.top].map((one, axis) => Math.floor(one / (axis ? box.height : box.width) * SIDE));
      this._said.setAttribute("aria-live", "off"); // a hand on the mouse sees it
      this._drawWindow();
    };
    this._given.addEventListener("pointermove", pick);
    this._given.addEventListener("pointerdown", pick);
    this._given.addEventListener("keydown", event => {
      const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (!step) return;
      event.preventDefault();
      this._at = this._at.map((one, axis) => Math.min(SIDE - 1, Math.max(0, one + step[axis])));
      this._said.setAttribute("aria-live", "polite");
      this._drawWindow();
    });
    return make("section", { className: "window" },
      make("h3", {}, "How the first layer makes one number"),
      make("p", { className: "fine" }, `Move over the picture, or use the arrow keys on it: a window of ${side[1]} × ${side[0]} pixels slides along. Each pixel, as the network scales it, is multiplied with the filter's weight; the sum is one pixel of the filter's map.`),
      make("label", { className: "filter" }, "Filter ", slider, this._filterName),
      make("div", { className: "at-work" }, this._given, this._sum, this._made),
      this._said);
  }

  _drawWindow() {
    const { plane, weights, bias, side: [high, wide], pads: [top, left], strides: [down, across], then } = this._found.window;
    const filter = weights[this._filter], columns = SIDE, rows = plane.length / SIDE;
    const outside = (y, x) => y < 0 || x < 0 || y >= rows || x >= columns;
    const [outHigh, outWide] = [Math.floor((rows + 2 * top - high) / down) + 1, Math.floor((columns + 2 * left - wide) / across) + 1];
    const valueAt = (oy, ox) => {
      let sum = bias[this._filter];
      for (let i = 0; i < high; i += 1) {
        for (let j = 0; j < wide; j += 1) {
          const [y, x] = [oy * down - top + i, ox * across - left + j];
          if (!outside(y, x)) sum += plane[y * columns + x] * filter[i * wide + j];
        }
      }
      return sum;
    };
    const values = Float32Array.from({ length: outHigh * outWide }, (_, place) => valueAt(Math.floor(place / outWide), place % outWide));
    const most = values.reduce((best, value) => Math.max(best, Math.abs(value)), 1e-9);
    const middle = (at, pad, size, step, count) => Math.max(0, Math.min(count - 1, Math.round((at + pad - (size - 1) / 2) / step)));
    const [ox, oy] = [middle(this._at[0], left, wide, across, outWide), middle(this._at[1], top, high, down, outHigh)];
    this._slider.value = this._filter + 1;
    this._filterName.textContent = `${this._filter + 1} of ${bias.length}`;
    this._framed(this._given, columns, rows, place => Array(3).fill(this._pixels[place]), [ox * across - left, oy * down - top, wide, high]);
    this._framed(this._made, outWide, outHigh, place => tint(values[place] / most), [ox, oy, 1, 1]);
    let sum = 0;
    const strongest = Math.max(1e-9, ...filter.map(Math.abs)) * Math.max(1e-9, ...plane.map(Math.abs));
    this._sum.replaceChildren(make("caption", {}, "pixel × weight = product"), make("tbody", {}, ...Array.from({ length: high }, (_, i) => make("tr", {}, ...Array.from({ length: wide }, (_, j) => {
      const [y, x] = [oy * down - top + i, ox * across - left + j];
      const pixel = outside(y, x) ? 0 : plane[y * columns + x], weight = filter[i * wide + j], product = pixel * weight;
      sum += product;
      const cell = make("td", {}, `${short(pixel)} × ${short(weight)}`, make("b", {}, signed(product)));
      cell.style.setProperty("--tone", `rgb(${(product < 0 ? AGAINST : FOR).join(" ")} / ${Math.min(.45, Math.abs(product) / strongest)})`);
      return cell;
    })))));
    const total = sum + bias[this._filter], words = then.map(one => WORDS[one]).filter(Boolean);
    this._said.textContent = `The ${high * wide} products add up to ${signed(sum)}; with the filter's bias, ${signed(bias[this._filter])}, that is ${signed(total)}, the framed pixel of its map.${words.length ? ` Then ${words.join("; and ")}.` : ""}`;
  }

  /* A picture of large pixels, with a frame around some. */
  _framed(canvas, width, height, colour, [x, y, wide, high]) {
    const small = document.createElement("canvas"), scale = 10;
    paint(small, width, height, colour);
    canvas.width = width * scale;
    canvas.height = height * scale;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(small, 0, 0, canvas.width, canvas.height);
    for (const [line, style] of [[6, "#000"], [3, "#ffd21f"]]) {
      pen.lineWidth = line;
      pen.strokeStyle = style;
      pen.strokeRect(x * scale, y * scale, wide * scale, high * scale);
    }
  }

  /* What each class's score is made of, and where its evidence is. */

  _buildClasses() {
    this._rows = make("div", { className: "scores", role: "group", "aria-label": "Classes" });
    walk(this._rows);
    this._parts = make("ol", { className: "parts" });
    this._partsTitle = make("h4");
    this._heat = make("canvas", { role: "img" });
    this._heatTitle = make("h4");
    this._scale = make("p", { className: "fine scale-words" });
    return make("section", {},
      make("h3", {}, "What speaks for each class"),
      make("p", { className: "fine" }, this._found.classes[0]?.channels
        ? "A class's score is the sum of all features, each times a weight. Orange pieces add to it, blue ones take from it; the strongest stand by themselves, grey is all the rest. The mark is the sum. Choose a class to see more."
        : "Choose a class to see where the evidence for it is."),
      make("div", { className: "for-each" }, this._rows,
        make("div", {}, this._partsTitle, this._parts),
        make("div", {}, this._heatTitle, this._heat, this._scale)));
  }

  _drawClasses() {
    const { classes } = this._found;
    const chosen = Math.max(0, classes.findIndex(one => one.label === this._label));
    const pieces = classes.map(one => !one.channels ? [] : [
      ...one.channels.map(([, value]) => [value, ""]), [one.others[1], "rest"], [one.bias, "rest"]]);
    const ends = pieces.map(all => [-1, 1].map(sign => all.reduce((sum, [value]) => sum + Math.max(0, sign * value), 0)));
    const [low, high] = [0, 1].map(side => Math.max(1e-9, ...ends.map(one => one[side])));
    const width = value => `${100 * Math.abs(value) / (low + high)}%`;
    const focused = [...this._rows.children].indexOf(document.activeElement);
    this._rows.replaceChildren(...classes.map((one, number) => {
      const bar = make("span", { className: "made", "aria-hidden": "true" });
      if (one.channels) {
        const sides = [-1, 1].map(sign => pieces[number].filter(([value]) => Math.sign(value) === sign));
        const side = (all, name, begin) => make("span", { className: name }, ...all.map(([value, kind], place) => {
          const piece = make("span", { className: kind });
          piece.style.width = width(value);
          if (!place) piece.style.marginLeft = width(begin);
          return piece;
        }));
        bar.append(side(sides[0].reverse(), "against", low - ends[number][0]), side(sides[1], "for", low), make("i"));
        bar.lastChild.style.left = width(low + one.score);
      }
      const button = make("button", { type: "button", tabIndex: number === chosen ? 0 : -1, "aria-pressed": String(number === chosen) },
        make("span", {}, one.label), bar, make("span", { className: "number" }, share(one.probability)), make("span", { className: "unseen" }, `, score ${signed(one.score)}`));
      button.addEventListener("click", () => {
        this._label = one.label;
        this._drawClasses();
        this._rows.children[number].focus({ preventScroll: true });
      });
      return button;
    }));
    if (focused >= 0) this._rows.children[Math.min(focused, classes.length - 1)].focus({ preventScroll: true });
    this._drawParts(classes[chosen]);
    this._drawHeat(classes[chosen], chosen);
  }

  _drawParts({ label, channels, others, bias, score }) {
    this._partsTitle.textContent = channels ? `The score of ${label}` : "";
    if (!channels) return this._parts.replaceChildren();
    const stages = this._found.stages, last = stages.length - 1;
    const rows = channels.map(([channel, value]) => {
      const picture = make("canvas", { "aria-hidden": "true" });
      if (this._found.of_maps) this._paintMap(picture, last, channel);
      return [...(this._found.of_maps ? [picture] : []), this._found.of_maps ? `map ${channel + 1} of stage ${last + 1}` : `feature ${channel + 1}`, make("b", {}, signed(value))];
    });
    if (others[0]) rows.push([`the other ${others[0]}`, make("b", {}, signed(others[1]))]);
    rows.push(["bias", make("b", {}, signed(bias))], [make("b", {}, "sum: the score"), make("b", {}, signed(score))]);
    this._parts.replaceChildren(...rows.map(row => make("li", {}, ...row)));
  }

  _drawHeat({ label }, number) {
    const { side, points } = this._found.evidence, block = SIDE / side, begin = number * side * side;
    paint(this._heat, SIDE, SIDE, place => {
      const value = this._evidence[begin + Math.floor(Math.floor(place / SIDE) / block) * side + Math.floor(place % SIDE / block)] / 127;
      const strength = .85 * Math.abs(value);
      return (value < 0 ? AGAINST : FOR).map(one => one * strength + this._pixels[place] * (1 - strength));
    });
    const values = this._evidence.subarray(begin, begin + side * side);
    const [least, most] = [Math.min(0, ...values), Math.max(0, ...values)].map(one => one / 127 * points);
    this._heatTitle.textContent = `Where the evidence for ${label} is`;
    this._heat.setAttribute("aria-label", `Evidence for ${label}: covering a place takes up to ${most.toFixed(0)} points from its probability, and adds up to ${(-least).toFixed(0)}.`);
    const scale = make("span", { className: "signed-scale" });
    this._scale.replaceChildren("Covering a place", make("br"), `adds ${points.toFixed(0)} points `, scale, ` takes ${points.toFixed(0)} points`, make("br"), "one scale for all classes");
  }
}
