// An enlarged tile: at once as it stands in its row; then, when the server has drawn them, the map beside its face and over
// it, the regions, and what the map promises. One dialog for all tiles of both rows.
const tiles = () => [...document.querySelectorAll("#dan-tiles .dan-tile:not(.dan-waiting)")];

let dialog = document.getElementById("dan-enlarged");
if (!dialog) {
  dialog = document.createElement("dialog");
  dialog.id = "dan-enlarged";
  dialog.setAttribute("aria-labelledby", "dan-enlarged-title");
  dialog.innerHTML =
    `<header><h2 id="dan-enlarged-title"></h2>
      <button type="button" class="dan-previous" aria-label="${translate("Previous map")}">←</button>
      <button type="button" class="dan-next" aria-label="${translate("Next map")}">→</button>
      <button type="button" class="dan-close">${translate("Close")}</button></header>
    <div class="dan-enlarged-body">
      <figure class="dan-plain-face"><img alt="" /><figcaption>${translate("This face")}</figcaption></figure>
      <figure class="dan-layers"><div><img class="dan-under" alt=""><img class="dan-over" alt=""></div>
        <figcaption></figcaption><div class="dan-scale-place"></div></figure>
      <div class="dan-enlarged-facts">
        <label>${translate("Opacity of the map")} <input type="range" class="dan-opacity" min="0" max="100" value="100"></label>
        <label><input type="checkbox" class="dan-native"> ${translate("native cells or pixels")}</label>
        <p class="dan-promise"></p><div class="dan-enlarged-regions"></div><div class="dan-enlarged-values"></div>
        <p class="dan-save-row">${translate("Save:")} <button type="button" class="dan-save" data-kind="png">PNG</button>
          <button type="button" class="dan-save" data-kind="svg">SVG</button></p>
      </div>
    </div>`;
  document.querySelector(".gradio-container .contain").append(dialog); // style sheets apply within
}
const within = (selector) => dialog.querySelector(selector);

// All values of a tile as a table, for visitors without a pointer.
const valueTable = (tile) => {
  const details = document.createElement("details");
  details.innerHTML = "<summary></summary><table></table>";
  details.firstChild.textContent = translate("Values ({unit})", { unit: tile.dataset.unit });
  for (const row of JSON.parse(tile.dataset.values)) {
    const line = details.lastChild.insertRow();
    for (const value of row) line.insertCell().textContent = value;
  }
  return details;
};

const regionTable = (regions) => {
  const table = document.createElement("table");
  table.className = "dan-region-shares";
  table.innerHTML = `<caption>${translate("Where the map lies, by region")}</caption>`;
  for (const [name, text, share] of regions) {
    const row = table.insertRow();
    row.insertCell().textContent = name;
    row.insertCell().innerHTML = `<span style="width:${(100 * share).toFixed(1)}%"></span>`;
    row.insertCell().textContent = text;
  }
  return table;
};

// `dialog.layers`: what the server drew of the tile that is shown. Both rows run this script, and share the dialog.
const drawLayers = () => {
  const { layers } = dialog, native = within(".dan-native").checked, over = within(".dan-over");
  over.style.opacity = within(".dan-opacity").value / 100;
  if (!layers) return;
  const { picture, ends } = native ? layers.native : layers.smooth;
  over.src = picture;
  dialog.querySelectorAll(".dan-bar span").forEach((end, i) => (end.textContent = ends[i])); // maps of pixels have two scales
};

const enlarge = async (index) => {
  const all = tiles(), shown = (index + all.length) % all.length, tile = all[shown], title = tile.dataset.title;
  dialog.dataset.shown = shown;
  dialog.layers = null;
  // At once: the tile as it is.
  const [name, note] = tile.querySelectorAll("figcaption b, figcaption span:not(.dan-chip)");
  within("h2").textContent = name.textContent;
  within(".dan-layers figcaption").textContent = note.textContent;
  within(".dan-under").src = tile.querySelector(".dan-zoom img").src;
  within(".dan-under").alt = tile.querySelector(".dan-zoom img").alt;
  within(".dan-over").removeAttribute("src");
  within(".dan-scale-place").replaceChildren(...[...tile.querySelectorAll(".dan-bar")].map((bar) => bar.cloneNode(true)));
  within(".dan-enlarged-values").replaceChildren(...(tile.dataset.values ? [valueTable(tile)] : []));
  within(".dan-enlarged-regions").replaceChildren();
  within(".dan-promise").textContent = "";
  if (!dialog.open) {
    dialog.showModal();
    within(".dan-close").focus();
  }
  // Then: what the server draws, unless another tile is shown by then.
  const drawn = await server.enlarge([sessionKey(), title]).catch(() => ({}));
  if (!dialog.open || Number(dialog.dataset.shown) !== shown) return;
  if (!drawn.face) {
    within(".dan-promise").textContent = drawn.error ?? "";
    return;
  }
  dialog.layers = drawn;
  within(".dan-plain-face img").src = drawn.face;
  within(".dan-plain-face img").alt = translate("The face as it was cropped");
  within(".dan-under").src = drawn.grey;
  within(".dan-promise").textContent = drawn.text;
  within(".dan-enlarged-regions").replaceChildren(...(drawn.regions.length ? [regionTable(drawn.regions)] : []));
  drawLayers();
};

dialog.oninput = drawLayers;
dialog.onclick = (event) => {
  const shown = Number(dialog.dataset.shown);
  if (event.target === dialog || event.target.closest(".dan-close")) dialog.close();
  if (event.target.closest(".dan-previous")) enlarge(shown - 1);
  if (event.target.closest(".dan-next")) enlarge(shown + 1);
};
// The arrow keys show the next tile, except on the slider, which needs them.
dialog.onkeydown = (event) => {
  const shown = Number(dialog.dataset.shown);
  if (event.target.matches(".dan-opacity")) return;
  if (event.key === "ArrowRight") enlarge(shown + 1);
  if (event.key === "ArrowLeft") enlarge(shown - 1);
};
// On a touch screen a swipe to the side does the same; it begins where neither the slider nor a table's own scrolling needs it.
const SWIPED = "header, figure, .dan-promise, .dan-enlarged-regions", FAR = 40; // pixels
let swipe = null;
dialog.onpointerdown = (event) => {
  swipe = event.pointerType === "touch" && event.isPrimary && event.target.closest(SWIPED) ? event : null; // two fingers zoom
};
dialog.onpointercancel = () => (swipe = null); // it scrolls up or down
dialog.onpointerup = (event) => {
  if (!swipe) return;
  const x = event.clientX - swipe.clientX, y = event.clientY - swipe.clientY;
  swipe = null;
  if (Math.abs(x) > Math.max(FAR, 2 * Math.abs(y))) enlarge(Number(dialog.dataset.shown) - Math.sign(x));
};
