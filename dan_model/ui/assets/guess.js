// Guess first: while it is on, every new face hides what would give the answer away, until the visitor has guessed.
// Others start and end it by the event "dan-guess-mode"; what the visitor does is said by the event "dan-guess".
let on = false, panel = null, cells = new Set(), chosen = null, revealed = false;
const page = document.querySelector(".gradio-container");
const say = (what, detail = {}) => document.dispatchEvent(new CustomEvent("dan-guess", { detail: { what, ...detail } }));

const hide = () => {
  page.classList.toggle("dan-guess-on", on);
  page.classList.toggle("dan-guessing", on && Boolean(panel) && !revealed);
  for (const button of document.querySelectorAll(".dan-guess-start")) button.setAttribute("aria-pressed", on);
};

const draw = () => {
  panel.querySelectorAll(".dan-guess-cell").forEach((cell, i) => cell.setAttribute("aria-pressed", cells.has(i)));
  for (const button of panel.querySelectorAll(".dan-guess-class")) button.setAttribute("aria-pressed", button.dataset.label === chosen);
  panel.querySelector(".dan-guess-reveal").disabled = !chosen && !cells.size;
};

const picture = () => (panel.querySelector(".dan-guess-face img").src = document.querySelector("#dan-flow .dan-flow image")?.getAttribute("href") ?? "");

const again = () => {
  cells = new Set();
  chosen = null;
  revealed = false;
  if (!panel) return;
  panel.querySelector(".dan-guess-heads").hidden = true;
  panel.querySelector(".dan-guess-answer").textContent = "";
  picture();
  draw();
};

// The part of each head's attention that lies in the chosen cells, the largest first.
const agreement = () => {
  const maps = JSON.parse(panel.dataset.maps);
  const shares = maps.map((map) => {
    const total = map.reduce((sum, x) => sum + x, 0);
    return total ? [...cells].reduce((sum, i) => sum + map[i], 0) / total : 0;
  });
  const order = shares.map((_, h) => h).sort((a, b) => shares[b] - shares[a]);
  return { maps, shares, order, even: cells.size / maps[0].length };
};

// One small face for each head: its cells in its colour, the chosen cells framed.
const drawHeads = ({ maps, shares, order, even }) => {
  const columns = Number(getComputedStyle(panel).getPropertyValue("--columns")), colours = JSON.parse(panel.dataset.colours);
  const face = panel.querySelector(".dan-guess-face img").src, rows = maps[0].length / columns;
  const square = (i, style) => `<rect x="${i % columns}" y="${Math.floor(i / columns)}" width="1" height="1" ${style}/>`;
  panel.querySelector(".dan-guess-heads").innerHTML = order.map((h, rank) => {
    const top = Math.max(...maps[h]) || 1;
    const map = maps[h].map((x, i) => square(i, `fill="${colours[h]}" fill-opacity="${((0.85 * x) / top).toFixed(3)}"`)).join("");
    const frames = [...cells].map((i) => square(i, 'class="dan-guess-frame"')).join("");
    const shown = rank ? translate("{share} of its attention in your cells (spread evenly: {even})", { share: percent(shares[h]), even: percent(even) })
      : translate("{share} of its attention in your cells: the most (spread evenly: {even})", { share: percent(shares[h]), even: percent(even) });
    const note = cells.size ? shown : "", name = translate("{head} over the face.", { head: headName(h) });
    return `<figure><svg viewBox="0 0 ${columns} ${rows}" role="img" aria-label="${name} ${note}">` +
      `<image href="${face}" width="${columns}" height="${rows}" preserveAspectRatio="none"/>${map}${frames}</svg>` +
      `<figcaption><span class="dan-chip" style="background:${colours[h]}"></span><b>${headName(h)}</b> ${note}</figcaption></figure>`;
  }).join("");
  panel.querySelector(".dan-guess-heads").hidden = false;
};

const reveal = () => {
  const found = agreement(), { predicted, probability } = panel.querySelector(".dan-guess-heads").dataset;
  const best = found.order[0];
  const answer = { chosen, predicted, probability };
  const classText = !chosen ? translate("The network predicts {predicted} ({probability}).", answer)
    : chosen === predicted ? translate("You and the network agree: {predicted} ({probability}).", answer)
      : translate("You chose {chosen}, the network predicts {predicted} ({probability}).", answer);
  const nearest = { head: headName(best), share: percent(found.shares[best]), even: percent(found.even) };
  const agreed = found.shares[best] > found.even
    ? translate("{head} agrees with you most: {share} of its attention is in them. Without a preference it would be {even}.", nearest)
    : translate("No head prefers your cells; {head} comes nearest: {share} of its attention is in them. Without a preference it would be {even}.", nearest);
  const cellText = cells.size ? agreed : "";
  revealed = true;
  hide();
  panel.querySelector(".dan-guess-answer").textContent = `${classText} ${cellText}`;
  drawHeads(found);
  say("revealed", { guess: chosen, agreement: cellText && `${classText} ${cellText}` });
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !panel) return;
  if (button.matches(".dan-guess-class")) {
    chosen = button.dataset.label;
    draw();
    say("class", { guess: chosen });
  }
  if (button.matches(".dan-guess-cell")) {
    const i = [...panel.querySelectorAll(".dan-guess-cell")].indexOf(button);
    if (!cells.delete(i)) {
      if (cells.size === Number(panel.dataset.limit)) cells.delete(cells.values().next().value); // the oldest goes
      cells.add(i);
    }
    draw();
    if (revealed) reveal();
  }
  if (button.matches(".dan-guess-reveal")) reveal();
  if (button.matches(".dan-guess-end")) document.dispatchEvent(new CustomEvent("dan-guess-mode", { detail: { on: false } }));
});

// Arrow keys move between the cells: one stop of the Tab key for all of them.
element.addEventListener("keydown", (event) => {
  const all = [...element.querySelectorAll(".dan-guess-cell")], at = all.indexOf(event.target);
  const columns = panel && Number(getComputedStyle(panel).getPropertyValue("--columns"));
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (at < 0 || !step || !all[at + step]) return;
  event.preventDefault();
  all[at].tabIndex = -1;
  all[at + step].tabIndex = 0;
  all[at + step].focus();
});

document.addEventListener("dan-guess-mode", ({ detail }) => {
  on = detail.on;
  again();
  hide();
  if (on) element.scrollIntoView({ block: "nearest" });
});
document.addEventListener("click", (event) => {
  if (event.target.closest?.(".dan-guess-start")) document.dispatchEvent(new CustomEvent("dan-guess-mode", { detail: { on: !on } }));
});

// Another face, before it is painted.
let shownFace = null;
const follow = () => {
  panel = element.querySelector(".dan-guess");
  if (panel?.dataset.face !== shownFace) {
    shownFace = panel?.dataset.face;
    again();
  } else if (panel) { // the same face, explained anew
    picture();
    draw();
    if (revealed) reveal();
  }
  hide();
};
new MutationObserver((records) => {
  const isPanel = (node) => node.matches?.(".dan-guess") || node.querySelector?.(".dan-guess");
  if (records.some((one) => one.type === "attributes" || [...one.addedNodes, ...one.removedNodes].some(isPanel))) follow();
}).observe(element, { childList: true, subtree: true, attributeFilter: ["data-face", "data-maps", "data-probability"] });
follow();
