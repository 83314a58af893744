// Covering a face: the mask is painted here and sent to the server, the newest only, one at a time; what comes back is shown
// beside the face, and goes to heads.js as the embeddings of the covered face.
let panel = null, cells = 0, regions = ""; // the face that is shown
let mask = new Uint8Array(0), history = []; // painted cells; earlier masks
let fill = "grey", sending = false, again = false;
const numbers = () => document.querySelector(".dan-numbers-of-face")?.dataset ?? {};
const send = (detail) => document.dispatchEvent(new CustomEvent("dan-switch", { detail }));
const result = () => panel.querySelector(".dan-cover-result");

// Cells as bits in base64, as dan_model/ui/panels/cover.py reads them.
const bits = () => {
  const bytes = new Uint8Array(Math.ceil(mask.length / 8));
  mask.forEach((on, i) => on && (bytes[i >> 3] |= 128 >> (i & 7)));
  return btoa(String.fromCharCode(...bytes));
};

const covered = (region) => {
  for (let i = 0; i < mask.length; i++) if (Number(regions[i]) === region && !mask[i]) return false;
  return regions.includes(region);
};

// Regions by name where exactly regions are covered.
const name = () => {
  const chips = [...panel.querySelectorAll(".dan-cover-region")].filter((chip) => covered(Number(chip.dataset.region)));
  const whole = chips.map((chip) => Number(chip.dataset.region));
  const exact = mask.every((on, i) => !on || whole.includes(Number(regions[i])));
  return exact && chips.length ? chips.map((chip) => chip.textContent).join(", ") : translate("part of the face");
};

const draw = () => {
  const canvas = panel.querySelector("canvas"), pen = canvas.getContext("2d"), image = pen.createImageData(cells, cells);
  mask.forEach((on, i) => on && image.data.set([204, 121, 167, 170], 4 * i));
  pen.putImageData(image, 0, 0);
  for (const chip of panel.querySelectorAll(".dan-cover-region")) chip.setAttribute("aria-pressed", covered(Number(chip.dataset.region)));
  for (const one of panel.querySelectorAll(".dan-cover-fill")) one.setAttribute("aria-pressed", one.dataset.fill === fill);
  panel.querySelector(".dan-cover-undo").disabled = !history.length;
  panel.querySelector(".dan-cover-reset").disabled = !mask.some(Boolean);
};

const show = (text) => {
  const line = document.createElement("p");
  line.className = "dan-notice";
  line.textContent = text;
  result().replaceChildren(line);
};

const ask = async () => {
  draw();
  if (sending) {
    again = true;
    return;
  }
  if (!mask.some(Boolean)) {
    show(translate("Nothing is covered yet."));
    send({ what: "set", covered: null });
    return;
  }
  sending = true;
  const key = bits() + fill, face = numbers().face, label = name();
  try {
    const answer = await server.cover([sessionKey(), bits(), fill]);
    if (face !== numbers().face) return; // another face is shown by now
    if (answer.busy) {
      again = true;
      await new Promise((done) => setTimeout(done, 300));
    } else if (answer.error) show(answer.error);
    else if (!mask.some(Boolean)) again = true;
    else {
      result().innerHTML = answer.html;
      send({ what: "set", covered: { v: window.danHeads.unpack(answer.embeddings), name: label, key } });
    }
  } catch {
    show(translate("The covered face could not be explained. Try again."));
  } finally {
    sending = false;
    if (again) {
      again = false;
      ask();
    }
  }
};

const remember = () => history.push(mask.slice());
const uncover = () => {
  mask.fill(0);
  history = [];
};

// Another face begins uncovered; another class of the same face stays covered.
let shownFace = null;
const read = () => {
  const found = element.querySelector(".dan-cover");
  if (!found || found === panel) return;
  panel = found;
  cells = Number(panel.dataset.cells);
  regions = panel.dataset.regions;
  if (shownFace !== numbers().face) {
    shownFace = numbers().face;
    mask = new Uint8Array(cells * cells);
    history = [];
  }
  draw();
  if (mask.some(Boolean)) ask();
};
new MutationObserver(read).observe(element, { childList: true, subtree: true });
read();
// Undone elsewhere, for instance at the flow picture.
let wasCovered = false;
document.addEventListener("dan-heads", ({ detail: { state } }) => {
  if (panel && !state.covered && mask.some(Boolean) && !sending && shownFace === numbers().face && wasCovered) {
    uncover();
    draw();
    show(translate("Nothing is covered yet."));
  }
  wasCovered = Boolean(state.covered);
});

// The brush paints or, where the first cell is covered, uncovers.
let painting = null;
const paint = (event) => {
  const box = panel.querySelector("canvas").getBoundingClientRect(), radius = Number(panel.querySelector(".dan-cover-brush").value);
  const x = ((event.clientX - box.left) / box.width) * cells, y = ((event.clientY - box.top) / box.height) * cells;
  if (painting === "begin") painting = mask[Math.floor(y) * cells + Math.floor(x)] ? 0 : 1;
  for (let row = Math.max(0, Math.floor(y - radius)); row < Math.min(cells, y + radius); row++)
    for (let column = Math.max(0, Math.floor(x - radius)); column < Math.min(cells, x + radius); column++)
      if ((row + 0.5 - y) ** 2 + (column + 0.5 - x) ** 2 <= radius ** 2) mask[row * cells + column] = painting;
  ask();
};
element.addEventListener("pointerdown", (event) => {
  if (!event.target.matches("canvas")) return;
  event.target.setPointerCapture(event.pointerId);
  remember();
  painting = "begin";
  paint(event);
});
element.addEventListener("pointermove", (event) => painting !== null && event.target.matches("canvas") && paint(event));
for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, () => (painting = null));

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".dan-cover-region")) {
    const region = Number(button.dataset.region), on = covered(region) ? 0 : 1;
    remember();
    mask.forEach((_, i) => Number(regions[i]) === region && (mask[i] = on));
    ask();
  }
  if (button?.matches(".dan-cover-fill")) {
    fill = button.dataset.fill;
    ask();
  }
  if (button?.matches(".dan-cover-undo")) {
    mask = history.pop() ?? mask;
    ask();
  }
  if (button?.matches(".dan-cover-reset")) {
    uncover();
    ask();
  }
});
