// Elements found and made.

export const at = (id) => document.getElementById(id);

/** An element with attributes and children. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

/** A share in words; of less than all never "100 %". */
export function percent(share) {
  return `${(share < 1 ? Math.min(99.9, 100 * share) : 100).toFixed(1)} %`;
}

/** Scroll to something that starts out of sight, as on a phone all but the first card does. */
export function bringIntoView(shown) {
  const { top } = shown.getBoundingClientRect();
  if (top < 0 || top > innerHeight - 140) shown.scrollIntoView({ block: "start" });
}

/** Draw grey levels, a byte each, row by row, into a canvas of that size. */
export function paint(canvas, levels, width, height) {
  canvas.width = width;
  canvas.height = height;
  const image = new ImageData(width, height);
  for (let place = 0; place < levels.length; place += 1) {
    image.data.fill(levels[place], 4 * place, 4 * place + 3);
    image.data[4 * place + 3] = 255;
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}
