// The tour: a card over the page, the part it points at in the light, and the check that its task is done.
const tabs = () => [...document.querySelectorAll("#dan-tabs [role=tab]")];
const isOpen = (name) => tabs().some((tab) => tab.textContent.trim() === name && tab.getAttribute("aria-selected") === "true");
const visible = (selector) => [...document.querySelectorAll(selector)].find((one) => one.getClientRects().length);
const coverResult = () => document.querySelector("#dan-cover .dan-cover-result:has(.dan-side-tables) .dan-sentence");
const roomy = () => innerWidth >= 1100 && innerHeight >= 800; // for the face and its chips together
const average = () => visible("#dan-heads-row .dan-compared[data-index='1']");

// For each card: the tab it needs, what it points at, and when its task is done.
const STEPS = {
  guess: { guessing: true, at: () => "#dan-guess .dan-guess", done: ({ guess }) => Boolean(guess.class) },
  cells: { guessing: true, at: () => "#dan-guess .dan-guess", done: ({ guess }) => Boolean(guess.agreement), then: "#dan-guess .dan-guess-heads" },
  gates: { at: ({ head }) => `#dan-flow .dan-part-head[data-head="${head}"]`, done: ({ opened }) => opened === translate("Heads"), then: "#dan-view-gates" },
  swap: { tab: translate("Fusion"), at: () => "#dan-bench label:has(.dan-swap)", done: ({ heads }) => Boolean(heads?.state.swapped) },
  equal: { tab: translate("Fusion"), at: () => "#dan-bench label:has(.dan-alpha)", done: ({ heads }) => heads?.state.alpha === 0, then: "#dan-bench .dan-bench-row" },
  off: { at: ({ head }) => `#dan-heads-row .dan-tile[data-head="${head}"]`, done: ({ heads }, { head }) => Boolean(heads?.state.off.has(head)), then: "#dan-main" },
  second: { at: () => "#dan-target", done: ({ heads }, { label }) => heads?.face.target === label, then: "#dan-main" },
  cover: { tab: translate("Cover"), at: () => `#dan-cover .dan-cover-${roomy() ? "controls" : visible("#dan-cover .dan-cover-region") ? "chips" : "face"}`, done: () => Boolean(coverResult()), then: "#dan-cover .dan-cover-result" },
  limits: { at: () => (average() ? "#dan-heads-row .dan-segments" : "#dan-tabs [role=tablist]"), then: "#dan-heads-row",
    done: () => (average() ? average().getAttribute("aria-pressed") === "true" : isOpen(translate("Faithfulness"))) },
  another: { at: () => "#dan-examples", done: ({ face, heads }, card, start) => Boolean(face) && face !== start.face && (!heads || heads.face.key === face), then: "#dan-main" },
};

let cards = [], symbols = {}, at = -1, card = null, done = false, start = {}; // at: the card that is open, or -1
let left = null, asking = null; // where the tour was left; the card that waits for a face
const finished = new Set(); // names of cards whose task was done
const seen = { face: null, heads: null, opened: null, guess: {} };

const data = () => element.querySelector(".dan-tour-cards")?.dataset;

// The card itself, and the light around what it points at.
const light = document.createElement("div"), box = document.createElement("section");
light.className = "dan-tour-light";
box.className = "dan-tour-card";
box.setAttribute("aria-label", translate("Tour"));
box.innerHTML = `<header><span class="dan-tour-place"></span>
  <button type="button" class="dan-tour-fold"></button><button type="button" class="dan-tour-leave">${translate("Leave")}</button></header>
  <h2 tabindex="-1"></h2><p class="dan-tour-text"></p><p class="dan-tour-task"></p><p class="dan-tour-result" aria-live="polite"></p>
  <div class="dan-tour-symbols" aria-label="${translate("The way from the face to the decision")}"></div>
  <div class="dan-tour-buttons"><button type="button" class="dan-tour-back">${translate("Back")}</button><button type="button" class="dan-tour-go">${translate("Go there")}</button>
  <button type="button" class="dan-tour-next"></button></div><nav class="dan-tour-dots" aria-label="${translate("Cards")}"></nav>`;
light.hidden = box.hidden = true;
document.querySelector(".gradio-container .contain").append(light, box);
const part = (name) => box.querySelector(`.dan-tour-${name}`);

// Where the card would hide what it is about, it can be folded to its task; it unfolds for what follows.
const canFold = () => part("fold").getClientRects().length > 0;
const fold = (folded) => {
  box.classList.toggle("dan-folded", folded);
  part("fold").setAttribute("aria-expanded", !folded);
  part("fold").textContent = folded ? translate("Unfold") : translate("Fold");
};

const fill = (text) => text.replace(/\{(\w+)\}/g, (_, place) => {
  const { heads, guess } = seen;
  if (place === "guess") return guess.class ?? "";
  if (place === "agreement") return guess.agreement ?? "";
  const covered = card.name === "cover" && coverResult();
  if (covered) return covered.textContent;
  if (!heads) return "";
  const best = largest(heads.now.probabilities);
  const now = { label: heads.face.labels[best], probability: percent(heads.now.probabilities[best]) };
  return translate("Now the network predicts {label} ({probability}).", now);
});

const draw = () => {
  part("place").textContent = translate("Tour, card {number} of {count}", { number: at + 1, count: cards.length });
  box.querySelector("h2").textContent = card.title;
  part("text").textContent = card.text;
  part("task").textContent = card.task;
  part("task").classList.toggle("dan-done", done);
  part("result").textContent = done ? fill(card.result) : "";
  part("back").hidden = part("next").hidden = false;
  part("back").disabled = at === 0;
  part("go").hidden = done;
  part("next").textContent = at === cards.length - 1 ? translate("End") : done ? translate("Next") : translate("Skip");
  part("next").classList.toggle("dan-done", done);
  const touched = cards.slice(0, at + 1).map((one) => one.symbols).join("");
  part("symbols").innerHTML = Object.entries(symbols).map(([symbol, name]) =>
    `<span title="${name}" class="${card.symbols.includes(symbol) ? "dan-now" : touched.includes(symbol) ? "dan-touched" : ""}">${symbol}</span>`).join("<i>→</i>");
  part("dots").innerHTML = cards.map((one, i) =>
    `<button type="button" data-card="${i}" aria-label="${translate("Card {number}: {title}", { number: i + 1, title: one.title })}" ${i === at ? 'aria-current="step"' : ""} class="${finished.has(one.name) ? "dan-done" : ""}">${i + 1}</button>`).join("");
};

// What the card points at now: after the task, what follows from it.
const target = () => {
  const step = STEPS[card.name], folded = document.querySelector(step.at(card))?.closest("details:not([open])");
  if (folded) folded.open = true;
  return (done && step.then && visible(step.then)) || visible(step.at(card));
};

// Bring it into the part of the screen that the card leaves free.
const scrollThere = (place) => {
  const { top, height } = place.getBoundingClientRect(), free = box.getBoundingClientRect().top - 16;
  const goal = Math.max(12, (free - height) / 2);
  window.scrollBy({ top: top - goal, behavior: scrolling() });
};
let scrolled = null;
const follow = () => {
  if (at < 0) return;
  const place = card && target();
  light.hidden = !place;
  if (place) {
    if (place !== scrolled) {
      scrolled = place;
      scrollThere(place);
    }
    const { left: x, top, width, height } = place.getBoundingClientRect();
    Object.assign(light.style, { left: `${x - 6}px`, top: `${top - 6}px`, width: `${width + 12}px`, height: `${height + 12}px` });
  }
  requestAnimationFrame(follow);
};

const setAddress = () => {
  const link = new URL(location.href);
  if (at < 0) link.searchParams.delete("tour");
  else link.searchParams.set("tour", at + 1);
  history.replaceState(history.state, "", link);
};

const setGuessing = (on) => {
  const now = Boolean(document.querySelector(".dan-guess-on"));
  if (on !== now || (on && card.name === "guess")) document.dispatchEvent(new CustomEvent("dan-guess-mode", { detail: { on } }));
};

// The texts for the face and the class that are shown now.
const refresh = () => {
  const found = data();
  if (!found) return;
  cards = JSON.parse(found.cards);
  symbols = JSON.parse(found.symbols);
  seen.face = found.face;
};

const enter = (index) => {
  refresh();
  const began = at < 0;
  at = Math.min(Math.max(0, index), cards.length - 1);
  asking = null;
  card = cards[at];
  const step = STEPS[card.name];
  done = false;
  scrolled = null;
  start = { face: seen.face };
  seen.opened = null;
  if (card.name === "guess") seen.guess = {};
  else delete seen.guess.agreement;
  light.hidden = box.hidden = false;
  fold(false);
  document.querySelector(".gradio-container").classList.add("dan-touring");
  document.dispatchEvent(new CustomEvent("dan-switch", { detail: { what: "reset" } }));
  setGuessing(Boolean(step.guessing));
  if (average()?.getAttribute("aria-pressed") === "true") visible("#dan-heads-row .dan-compared[data-index='0']").click();
  if (step.tab && !isOpen(step.tab)) tabs().find((tab) => tab.textContent.trim() === step.tab)?.click();
  setAddress();
  draw();
  box.querySelector("h2").focus({ preventScroll: true });
  if (began) follow();
};

const leave = () => {
  left = at < 0 || at === cards.length - 1 ? null : at;
  asking = null;
  at = -1;
  light.hidden = box.hidden = true;
  document.querySelector(".gradio-container").classList.remove("dan-touring");
  document.dispatchEvent(new CustomEvent("dan-guess-mode", { detail: { on: false } }));
  setAddress();
  const button = document.querySelector(".dan-tour-start");
  button.textContent = left ? translate("Tour: go on at {number}", { number: left + 1 }) : translate("Tour");
  button.focus({ preventScroll: true });
};

const check = () => {
  if (at < 0 || done || !card || !STEPS[card.name].done(seen, card, start)) return;
  done = true;
  finished.add(card.name);
  for (const one of document.querySelectorAll(".dan-faded")) one.classList.remove("dan-faded");
  fold(false);
  draw();
  part("next").focus({ preventScroll: true });
};

// The texts of the face that is shown. While a card is open they stay as they are, except for another face.
const read = () => {
  const found = data();
  if (!found) return; // until the next face is there
  if (asking !== null) return begin(asking);
  if (found.face === seen.face && card) return check();
  if (at >= 0 && card.name === "another") {
    seen.face = found.face;
    return check();
  }
  refresh();
  if (at >= 0) enter(cards.findIndex((one) => one.name === card.name));
};

new MutationObserver(read).observe(element, { childList: true, subtree: true, attributeFilter: ["data-face", "data-cards"] });
new MutationObserver(() => check()).observe(document.querySelector(".gradio-container .contain"), {
  childList: true, subtree: true, attributes: true, attributeFilter: ["aria-pressed", "aria-selected"],
});
document.addEventListener("dan-heads", ({ detail }) => {
  seen.heads = detail;
  check();
});
document.addEventListener("dan-open", ({ detail }) => {
  seen.opened = detail.tab;
  check();
});
document.addEventListener("dan-guess", ({ detail }) => {
  seen.guess = { class: detail.guess ?? seen.guess.class, agreement: detail.agreement };
  check();
});

// Without a face there is nothing to follow: the card asks for one, and the tour begins when it is there.
const askForFace = (index) => {
  asking = index;
  box.hidden = false;
  fold(false);
  part("place").textContent = translate("Tour");
  box.querySelector("h2").textContent = translate("First, a face");
  part("text").textContent = translate("The tour follows one face from its pixels to the decision.");
  part("task").textContent = translate("Choose one of the examples, or your own photo.");
  part("task").classList.remove("dan-done");
  for (const name of ["result", "symbols", "dots"]) part(name).replaceChildren();
  for (const name of ["back", "go", "next"]) part(name).hidden = true;
  box.querySelector("h2").focus({ preventScroll: true });
};

const begin = (index) => {
  if (!data()) return askForFace(index);
  enter(index);
};
document.addEventListener("click", (event) => {
  if (event.target.closest?.(".dan-tour-start")) begin(left ?? 0);
  const chosen = event.target.closest?.("[data-tour-card]");
  if (chosen) begin(Number(chosen.dataset.tourCard));
});
box.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".dan-tour-leave")) leave();
  if (button.matches(".dan-tour-back")) enter(at - 1);
  if (button.matches(".dan-tour-next")) at === cards.length - 1 ? leave() : enter(at + 1);
  if (button.matches("[data-card]")) enter(Number(button.dataset.card));
  if (button.matches(".dan-tour-fold")) fold(!box.classList.contains("dan-folded"));
  if (button.matches(".dan-tour-go")) {
    if (canFold()) fold(true);
    const place = target(), control = place?.matches("button, [tabindex]") ? place : place?.querySelector("button:not(:disabled), input, select, [tabindex='0']");
    control?.focus({ focusVisible: true });
  }
});
for (const kind of ["wheel", "touchmove"]) {
  document.addEventListener(kind, ({ target }) => at >= 0 && !done && canFold() && !box.contains(target) && fold(true), { passive: true });
}
box.addEventListener("keydown", (event) => event.key === "Escape" && leave());

// A link to a card. The page is built in steps: the tabs come last.
const asked = Number(new URLSearchParams(location.search).get("tour"));
if (asked) {
  const waiting = setInterval(() => {
    if (!tabs().length) return;
    clearInterval(waiting);
    begin(asked - 1);
  }, 50);
}
