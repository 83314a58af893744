// The row of tiles: values under the pointer, a click or Enter enlarges, the arrow keys show the next tile.
const readout = () => document.querySelector("#dan-tiles .dan-readout");
const tiles = () => [...document.querySelectorAll("#dan-tiles .dan-tile:not(.dan-waiting)")]; // of both rows

element.addEventListener("pointermove", (event) => {
  const tile = event.target.closest(".dan-tile");
  const image = tile && tile.querySelector(".dan-zoom img");
  if (!image || !tile.dataset.values || !readout()) return;
  const values = JSON.parse(tile.dataset.values);
  const box = image.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * values.length);
  const column = Math.floor(((event.clientX - box.left) / box.width) * values[0].length);
  if (values[row]?.[column] === undefined) return;
  readout().textContent =
    `${tile.dataset.title}, row ${row + 1}, column ${column + 1}: ${values[row][column]} ${tile.dataset.unit}`;
});

let dialog = document.getElementById("dan-enlarged");
if (!dialog) {
  dialog = document.createElement("dialog");
  dialog.id = "dan-enlarged";
  dialog.setAttribute("aria-label", "Enlarged map");
  document.querySelector(".gradio-container").append(dialog);
}

// All values of a tile as a table, for visitors without a pointer.
const table = (tile) => {
  const details = document.createElement("details");
  details.innerHTML = "<summary></summary><table></table>";
  details.firstChild.textContent = `Values (${tile.dataset.unit})`;
  for (const row of JSON.parse(tile.dataset.values)) {
    const line = details.lastChild.insertRow();
    for (const value of row) line.insertCell().textContent = value;
  }
  return details;
};

const show = (index) => {
  const all = tiles();
  const shown = (index + all.length) % all.length;
  dialog.dataset.shown = shown; // both rows have the dialog in common
  const copy = all[shown].cloneNode(true);
  copy.querySelector(".dan-zoom").replaceWith(copy.querySelector(".dan-zoom img"));
  copy.querySelector(".dan-switches")?.remove();
  const close = document.createElement("button");
  close.type = "button";
  close.className = "dan-close";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(copy, ...(copy.dataset.values ? [table(copy)] : []), close);
  if (!dialog.open) dialog.showModal();
  close.focus(); // what had the focus was replaced, and with it the arrow keys would be lost
};

// The switches under each head: the bench computes what follows, and says what is switched off.
let off = [];
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
};
document.addEventListener("dan-heads", (event) => {
  off = event.detail.off;
  press();
});
new MutationObserver(press).observe(element, { childList: true, subtree: true });

element.addEventListener("click", (event) => {
  const button = event.target.closest(".dan-switch");
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
  if (tile && event.target.closest(".dan-zoom")) show(tiles().indexOf(tile));
});
dialog.onclick = (event) => {
  if (event.target === dialog) dialog.close();
};
// The close event comes later than the closing: the dialog may show another tile by then.
dialog.onclose = () => {
  if (!dialog.open) dialog.replaceChildren();
};
dialog.onkeydown = (event) => {
  const shown = Number(dialog.dataset.shown);
  if (event.key === "ArrowRight") show(shown + 1);
  if (event.key === "ArrowLeft") show(shown - 1);
};
