// 28x28 grey pixels, a byte each, row by row: strokes, areas, outlines. Nothing here knows the page.

export const SIDE = 28;
const DARK = 40; // a level below it is background, as the server's own limit for negatives
const ALIKE = 24; // levels that differ less are one area
const NEAR = 7; // pixels between the ends of an outline that is meant to be closed
const LOOP = 20; // pixels that an outline is long at least

/** How much of each pixel a stroke from `a` to `b`, {x, y} in pixels, covers, added to `cover`. */
export function cover(cover, a, b, radius) {
  const [dx, dy] = [b.x - a.x, b.y - a.y];
  const length = dx * dx + dy * dy;
  for (let y = 0; y < SIDE; y += 1) {
    for (let x = 0; x < SIDE; x += 1) {
      const [px, py] = [x + 0.5 - a.x, y + 0.5 - a.y];
      const along = length ? Math.min(1, Math.max(0, (px * dx + py * dy) / length)) : 0;
      const away = Math.hypot(px - along * dx, py - along * dy);
      const share = Math.min(1, Math.max(0, radius + 0.5 - away));
      const place = y * SIDE + x;
      if (share > cover[place]) cover[place] = share;
    }
  }
}

/** The pixels with a level laid over them where they are covered. */
export function blend(pixels, cover, level) {
  return pixels.map((old, place) => Math.round(old + (level - old) * cover[place]));
}

/** Fill the area of one grey around a pixel. */
export function flood(pixels, x, y, level) {
  const filled = pixels.slice();
  const from = pixels[y * SIDE + x];
  for (const place of reach([y * SIDE + x], (one) => Math.abs(pixels[one] - from) <= ALIKE)) filled[place] = level;
  return filled;
}

/** Fill what a stroke has closed off from the border and was open before. */
export function fillClosed(before, after, level) {
  const [open, reached] = [background(before), background(after)];
  return after.map((old, place) => (old < DARK && open.has(place) && !reached.has(place) ? level : old));
}

/** Whether the ends of a path, [{x, y}, …], lie so near that an outline was meant. */
export function isLoop(path) {
  let length = 0;
  for (let i = 1; i < path.length; i += 1) length += distance(path[i - 1], path[i]);
  return length >= LOOP && distance(path[0], path[path.length - 1]) <= NEAR;
}

export function isEmpty(pixels) {
  return pixels.every((level) => level < DARK);
}

function distance(a, b) {
  return Math.hypot(a.x - b.x, a.y - b.y);
}

/** The dark pixels that the border is reached from over dark pixels. */
function background(pixels) {
  const rim = [...pixels.keys()].filter((place) => {
    const [x, y] = [place % SIDE, Math.floor(place / SIDE)];
    return (x === 0 || y === 0 || x === SIDE - 1 || y === SIDE - 1) && pixels[place] < DARK;
  });
  return reach(rim, (place) => pixels[place] < DARK);
}

function reach(start, belongs) {
  const found = new Set(start);
  const left = [...start];
  for (let place = left.pop(); place !== undefined; place = left.pop()) {
    const x = place % SIDE;
    const next = [x > 0 && place - 1, x < SIDE - 1 && place + 1, place - SIDE, place + SIDE];
    for (const one of next) {
      if (one === false || one < 0 || one >= SIDE * SIDE || found.has(one) || !belongs(one)) continue;
      found.add(one);
      left.push(one);
    }
  }
  return found;
}
