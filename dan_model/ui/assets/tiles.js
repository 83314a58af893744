// The row of tiles: values under the pointer; a click or Enter enlarges (enlarged.js).
const readout = () => document.querySelector("#dan-tiles .dan-readout");

element.addEventListener("pointermove", (event) => {
  const tile = event.target.closest(".dan-tile");
  const image = tile && tile.querySelector(".dan-zoom img");
  if (!image || !tile.dataset.values || !readout()) return;
  const values = JSON.parse(tile.dataset.values);
  const box = image.getBoundingClientRect();
  const row = Math.floor(((event.clientY - box.top) / box.height) * values.length);
  const column = Math.floor(((event.clientX - box.left) / box.width) * values[0].length);
  if (values[row]?.[column] === undefined) return;
  readout().textContent = translate("{title}, row {row}, column {column}: {value} {unit}", {
    title: tile.dataset.title, row: row + 1, column: column + 1, value: values[row][column], unit: tile.dataset.unit,
  });
});

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
