// The flow picture: parts light up together, lead to their tab, and follow what heads.js says.
const BANDS = 44, THINNEST = 1.5; // as in dan_model/show/flow.py
const LINKED = "#dan-flow [data-head], #dan-tiles .dan-tile[data-head], .dan-ledger tr[data-head]";

// The bands lie side by side at the fusion, as wide as the contributions are large.
const drawBands = (group, contributions, off) => {
  const { wide, begin, end, centre } = group.dataset;
  const total = contributions.reduce((sum, x) => sum + Math.abs(x), 0) || 1;
  const widths = Array.from(contributions, (x) => Math.max(THINNEST, (BANDS * Math.abs(x)) / total));
  const [from, to] = [Number(begin), Number(end)], half = ((from + to) / 2).toFixed(1);
  let place = Number(centre) - widths.reduce((sum, x) => sum + x, 0) / 2;
  group.querySelectorAll(".dan-band").forEach((band, h) => {
    const start = Number(band.dataset.start).toFixed(1), stop = (place + widths[h] / 2).toFixed(1);
    const [a, b] = [from.toFixed(1), to.toFixed(1)];
    band.setAttribute("d", wide === "1"
      ? `M${a},${start}C${half},${start},${half},${stop},${b},${stop}`
      : `M${start},${a}C${start},${half},${stop},${half},${stop},${b}`);
    band.setAttribute("stroke-width", widths[h].toFixed(2));
    band.classList.toggle("dan-against", contributions[h] < 0);
    band.classList.toggle("dan-is-off", off.includes(h));
    place += widths[h];
  });
};

// Probabilities: one set of numbers on the page, with a mark where the network's own prediction is.
const drawClasses = ({ now, changes }) => {
  const winner = largest(now.probabilities);
  document.querySelectorAll("#dan-probabilities .dan-class").forEach((row, k) => {
    const [, track, text] = row.children;
    track.children[0].style.width = `${(100 * now.probabilities[k]).toFixed(2)}%`;
    track.children[1].hidden = !changes;
    text.textContent = percent(now.probabilities[k]);
    row.classList.toggle("dan-best", k === winner);
  });
  return winner;
};

// The caption says what the bands show or, while heads are changed, what was changed and how to undo it.
const drawCaption = ({ changes, outcome }) => {
  const line = element.querySelector(".dan-flow-caption");
  line.dataset.caption ??= line.innerHTML;
  line.classList.toggle("dan-changed", Boolean(changes));
  const sentence = document.getElementById("dan-sentence"); // it is about the unchanged heads
  sentence?.classList.toggle("dan-stale", Boolean(changes));
  sentence?.style.setProperty("--stale", JSON.stringify(translate("Without changes:")));
  if (!changes) {
    line.innerHTML = line.dataset.caption;
    return;
  }
  line.textContent = `${outcome} `;
  const reset = document.createElement("button");
  reset.type = "button";
  reset.textContent = translate("Undo");
  reset.addEventListener("click", () => document.dispatchEvent(new CustomEvent("dan-switch", { detail: { what: "reset" } })));
  line.append(reset);
};

const follow = (detail) => {
  const { contributions, off, face, now } = detail;
  if (element.querySelectorAll(".dan-flow-wide .dan-part-head").length !== contributions.length) return;
  const total = contributions.reduce((sum, x) => sum + x, 0), winner = drawClasses(detail);
  element.querySelectorAll(".dan-bands").forEach((group) => drawBands(group, contributions, off));
  element.querySelectorAll(".dan-contribution").forEach((text) => {
    text.textContent = signed(contributions[Number(text.dataset.head)]);
  });
  element.querySelectorAll(".dan-part-head").forEach((part) => {
    const h = Number(part.dataset.head);
    part.classList.toggle("dan-is-off", off.includes(h));
    const fields = { head: headName(h), contribution: signed(contributions[h]) };
    const name = translate("{head} {contribution}, its contribution", fields);
    part.setAttribute("aria-label", translate("{part}. Opens the tab {tab}.", { part: name, tab: part.dataset.tab }));
  });
  element.querySelectorAll(".dan-total").forEach((text) => (text.textContent = signed(total)));
  element.querySelectorAll(".dan-predicted").forEach((text) => (text.textContent = face.labels[winner]));
  element.querySelectorAll(".dan-probability").forEach((text) => (text.textContent = percent(now.probabilities[winner])));
  drawCaption(detail);
};
document.addEventListener("dan-heads", (event) => follow(event.detail));
document.addEventListener("dan-no-heads", () => document.getElementById("dan-sentence")?.classList.remove("dan-stale"));

// A new picture, or another class.
new MutationObserver((records) => {
  const isPicture = (node) => node.matches?.(".dan-flow") || node.querySelector?.(".dan-flow");
  if (records.some((one) => one.type === "attributes" || [...one.addedNodes, ...one.removedNodes].some(isPicture))) readFace();
}).observe(element, { childList: true, subtree: true, attributeFilter: ["data-face", "data-target", "data-request"] });
readFace();

// Point at a head, or focus it: what belongs to other heads fades. Tiles stay as they are while one points at a tile.
const light = (part) => {
  const head = part?.dataset.head, tile = part?.closest("#dan-tiles");
  for (const one of document.querySelectorAll(LINKED)) {
    one.classList.toggle("dan-faded", head !== undefined && one.dataset.head !== head && !(tile && one.closest("#dan-tiles")));
  }
};
document.addEventListener("pointerover", (event) => light(event.target.closest?.(LINKED)));
element.addEventListener("focusin", (event) => event.target.matches(":focus-visible") && light(event.target.closest(LINKED)));
element.addEventListener("focusout", () => light(null));

// A part leads to the tab that says more.
const open = (part) => {
  const tab = [...document.querySelectorAll("#dan-tabs [role=tab]")].find((one) => one.textContent.trim() === part.dataset.tab);
  if (!tab) return;
  tab.click();
  document.dispatchEvent(new CustomEvent("dan-open", { detail: { tab: part.dataset.tab } })); // for the tour
  document.getElementById("dan-tabs").scrollIntoView({ behavior: scrolling() });
};
element.addEventListener("click", (event) => {
  const part = event.target.closest(".dan-part");
  if (part) open(part);
});
element.addEventListener("keydown", (event) => {
  const part = event.target.closest(".dan-part");
  if (part && (event.key === "Enter" || event.key === " ")) {
    event.preventDefault();
    open(part);
  }
});
