/* The confusion matrix shows the images of a cell. */
const shown = document.getElementById("shown"), matrix = document.getElementById("matrix");
const show = button => {
  for (const other of matrix.querySelectorAll("[aria-pressed=true]")) other.setAttribute("aria-pressed", "false");
  button.setAttribute("aria-pressed", "true");
  const [a, b] = button.dataset.cell.split("-").map(Number), count = Number(button.dataset.count);
  const items = data.cells[button.dataset.cell], list = make("ul", "", "gallery");
  list.tabIndex = 0;
  for (const [index, confidence, place] of items) {
    const item = make("li");
    item.title = `#${index}`;
    item.append(thumbnail(place), ...[heated(place)].filter(Boolean), make("span", percent(confidence), "said"));
    list.append(item);
  }
  const title = a === b ? `${names[a]}, rightly called so` : `${names[a]} called ${names[b]}`;
  const which = a === b ? "the least sure" : "the surest";
  const amount = items.length < count ? `${items.length} of ${count} images, ${which}` : `${count} image${count > 1 ? "s" : ""}`;
  list.setAttribute("aria-label", title);
  const isHeated = Boolean(list.querySelector(".heat"));
  shown.classList.toggle("heated", isHeated);
  shown.replaceChildren(make("h3", `${title}: ${amount}`), ...(isHeated ? [scaleOfHeat()] : []), list);
};
matrix.addEventListener("click", event => {
  const button = event.target.closest("button");
  if (!button) return;
  show(button);
  shown.scrollIntoView({ block: "nearest" });
});
walked(matrix);
const worst = [...matrix.querySelectorAll("td:not(.diagonal) button")].sort((one, other) => other.dataset.count - one.dataset.count)[0];
if (worst) show(worst);
