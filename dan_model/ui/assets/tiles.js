// The row of tiles: values under the pointer, a click or Enter enlarges, the arrow keys show the next tile.
const readout = () => element.querySelector(".dan-readout");
const tiles = () => [...element.querySelectorAll(".dan-tile:not(.dan-waiting)")];

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
let shown = 0;

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
  shown = (index + all.length) % all.length;
  const copy = all[shown].cloneNode(true);
  copy.querySelector(".dan-zoom").replaceWith(copy.querySelector(".dan-zoom img"));
  const close = document.createElement("button");
  close.type = "button";
  close.className = "dan-close";
  close.textContent = "Close";
  close.addEventListener("click", () => dialog.close());
  dialog.replaceChildren(copy, ...(copy.dataset.values ? [table(copy)] : []), close);
  if (!dialog.open) dialog.showModal();
  close.focus(); // what had the focus was replaced, and with it the arrow keys would be lost
};

element.addEventListener("click", (event) => {
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
  if (event.key === "ArrowRight") show(shown + 1);
  if (event.key === "ArrowLeft") show(shown - 1);
};
