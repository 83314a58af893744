// The row of tiles. Pointing at a place of one map marks it in every map of both rows, with the value each has there; a click or
// Enter enlarges (enlarged.js).
const mark = (tile, place) => {
  let pointed = tile.querySelector(".dan-pointed");
  if (!place || !tile.dataset.values) return pointed?.remove();
  if (!pointed) {
    pointed = document.createElement("span");
    pointed.className = "dan-pointed";
    pointed.setAttribute("aria-hidden", "true");
    pointed.innerHTML = `<span class="dan-cell"></span><b></b>`;
    tile.querySelector(".dan-zoom").append(pointed);
  }
  const values = JSON.parse(tile.dataset.values), side = values.length, [cell, value] = pointed.children;
  const [row, column] = place.map((part) => Math.min(side - 1, Math.floor(part * side))), percentOf = (n) => `${(100 * n) / side}%`;
  Object.assign(cell.style, { top: percentOf(row), left: percentOf(column), width: percentOf(1), height: percentOf(1) });
  pointed.classList.toggle("dan-value-above", row >= side / 2);
  const text = `${values[row][column]} ${tile.dataset.unit}`;
  if (value.textContent !== text) value.textContent = text; // every change wakes what watches the page
};
document.addEventListener("dan-point", ({ detail }) => {
  for (const tile of element.querySelectorAll(".dan-tile:not(.dan-waiting)")) mark(tile, detail.place);
});

let pointing = false;
const point = (place) => {
  pointing = Boolean(place);
  document.dispatchEvent(new CustomEvent("dan-point", { detail: { place } }));
};
element.addEventListener("pointermove", (event) => {
  if (event.pointerType === "touch") return; // a finger enlarges
  const box = event.target.closest(".dan-tile[data-values] .dan-zoom")?.querySelector("img")?.getBoundingClientRect();
  const place = box && [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
  if (place?.every((part) => part >= 0 && part < 1)) point(place);
  else if (pointing) point(null);
});
element.addEventListener("pointerleave", () => pointing && point(null));

// The switches under each head: the bench computes what follows, and says what is switched off.
let off = [], outcome = "";
const press = () => {
  const heads = element.querySelectorAll(".dan-tile[data-head]").length;
  for (const tile of element.querySelectorAll(".dan-tile[data-head]")) {
    const head = Number(tile.dataset.head);
    tile.classList.toggle("dan-is-off", off.includes(head));
    for (const button of tile.querySelectorAll(".dan-switch")) {
      const pressed = button.dataset.switch === "off" ? off.includes(head) : !off.includes(head) && off.length === heads - 1 && heads > 1;
      button.setAttribute("aria-pressed", pressed);
    }
  }
  const line = element.querySelector(".dan-outcome"), said = line?.querySelector("span");
  if (!line || said.textContent === outcome) return;
  said.textContent = outcome;
  line.hidden = !outcome;
};
document.addEventListener("dan-heads", (event) => {
  ({ off, outcome } = event.detail);
  press();
});
document.addEventListener("dan-no-heads", () => {
  [off, outcome] = [[], ""];
  press();
});
new MutationObserver(press).observe(element, { childList: true, subtree: true });

element.addEventListener("click", (event) => {
  const button = event.target.closest(".dan-switch, .dan-undo");
  if (button) {
    const detail = { what: button.dataset.switch, head: Number(button.dataset.head) };
    document.dispatchEvent(new CustomEvent("dan-switch", { detail }));
    return;
  }
  const compared = event.target.closest(".dan-compared");
  if (compared) {
    trigger("select", { index: Number(compared.dataset.index), value: compared.textContent });
    return;
  }
  if (event.target.closest(".dan-more-methods")) {
    const settings = document.getElementById("dan-settings"), heading = settings.querySelector("button");
    if (!settings.querySelector("#dan-methods")?.offsetParent) heading.click();
    settings.scrollIntoView({ block: "nearest" });
    heading.focus();
    return;
  }
  const tile = event.target.closest(".dan-tile:not(.dan-waiting)");
  if (tile && event.target.closest(".dan-zoom")) enlarge(tiles().indexOf(tile));
});
