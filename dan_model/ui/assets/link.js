// A link to what is shown: example, face, class, tab and changes to the heads are in the address; a visitor's photo never is.
const DEFAULTS = { class: translate("the predicted class"), against: translate("all other classes"), head: translate("the whole network") };
const MENUS = { class: "#dan-target", against: "#dan-against", head: "#dan-contribution" };
const tabs = () => [...document.querySelectorAll("#dan-tabs [role=tab]")];
let changed = {}; // by the visitor, of the heads
document.addEventListener("dan-heads", ({ detail: { state } }) => (changed = state));
document.addEventListener("dan-no-heads", () => (changed = {}));

const address = () => {
  const link = new URL(location.pathname, location.origin), set = (name, value) => link.searchParams.set(name, value);
  const example = element.querySelector(".dan-example[aria-pressed=true]");
  if (example) set("example", example.dataset.name);
  const face = document.querySelector("#dan-face input:checked")?.value;
  if (example && face && face !== "1") set("face", face);
  for (const [name, menu] of Object.entries(MENUS)) {
    const chosen = document.querySelector(`${menu} input`)?.value;
    if (chosen && chosen !== DEFAULTS[name]) set(name, chosen);
  }
  const open = tabs().find((tab) => tab.getAttribute("aria-selected") === "true");
  if (open && open !== tabs()[0]) set("tab", open.textContent.trim());
  if (changed.off?.size) set("off", [...changed.off].sort().map((h) => h + 1).join(","));
  if (changed.alpha !== undefined && changed.alpha !== 1) set("alpha", changed.alpha);
  if (changed.scale?.some((s) => s !== 1)) set("scale", changed.scale.join(","));
  if (changed.copied != null) set("copy", changed.copied + 1);
  if (changed.swapped) set("swap", changed.swapped.map((h) => h + 1).join(","));
  return { link: link.href, example };
};

// What a link leads to, and what it leaves out.
const whatIsCopied = (example) => {
  if (!example) return translate("Link copied: it leads to your settings, not to your photo.");
  if (document.querySelector(".dan-numbers-of-face")?.dataset.first === "false")
    return translate("Link copied: it leads to this page's first model, not to the one that you loaded.");
  if (document.querySelector("#dan-comparison .dan-compared-faces"))
    return translate("Link copied: it leads to this face, not to the kept one.");
  return translate("Link copied.");
};

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.(".dan-copy-link");
  if (!button) return;
  const { link, example } = address(), status = button.parentElement.querySelector("[role=status]");
  try {
    await navigator.clipboard.writeText(link);
    status.textContent = whatIsCopied(example);
  } catch {
    status.textContent = link; // without permission, or on an insecure address, to be copied by hand
  }
});

// What the address asks for. The heads are changed when the face that it names is there.
const asked = new URLSearchParams(location.search), list = (name) => asked.get(name)?.split(",").map(Number).filter(Number.isFinite);
const changeHeads = () => {
  const { length } = document.querySelectorAll("#dan-heads-row .dan-tile[data-head]"), within = (h) => h >= 0 && h < length;
  const off = (list("off") ?? []).map((h) => h - 1).filter(within), swapped = list("swap")?.map((h) => h - 1).filter(within);
  const scale = list("scale")?.map((s) => Math.min(2, Math.max(0, s))), alpha = Number(asked.get("alpha") ?? 1), copied = asked.get("copy") - 1;
  const set = { off: new Set(off) };
  if (alpha >= 0 && alpha <= 2) set.alpha = alpha;
  if (scale?.length === length) set.scale = scale;
  if (within(copied)) set.copied = copied;
  if (swapped?.length === 2) set.swapped = swapped;
  document.dispatchEvent(new CustomEvent("dan-switch", { detail: { what: "set", ...set } }));
};
// Again while what is above and below arrives, unless the visitor does something.
const SETTLED = 3000; // milliseconds
const bringToTop = (place) => {
  const end = performance.now() + SETTLED;
  let untouched = true;
  for (const kind of ["wheel", "touchstart", "pointerdown", "keydown"]) addEventListener(kind, () => (untouched = false), { once: true });
  const again = () => {
    if (!untouched || performance.now() > end) return;
    place.scrollIntoView();
    setTimeout(again, 200);
  };
  again();
};
const openTab = () => {
  const tab = tabs().find((one) => one.textContent.trim() === asked.get("tab"));
  if (!tab) return;
  tab.click();
  if (!asked.has("tour")) bringToTop(document.getElementById("dan-tabs"));
};

const restore = () => {
  const numbers = document.querySelector(".dan-numbers-of-face");
  const shown = element.querySelector(".dan-example[aria-pressed=true]");
  const named = [...element.querySelectorAll(".dan-example")].find((one) => one.dataset.name === asked.get("example"));
  const request = Object.fromEntries(["face", ...Object.keys(MENUS)].map((name) => [name, asked.get(name)]).filter(([, value]) => value !== null));
  openTab();
  if ((named && named !== shown) || Object.keys(request).length) {
    const button = named ?? shown;
    if (!button) return;
    mark(button);
    const before = numbers?.dataset.request;
    const ready = () => {
      if (document.querySelector(".dan-numbers-of-face")?.dataset.request === before) return;
      document.removeEventListener("dan-heads", ready);
      changeHeads();
    };
    document.addEventListener("dan-heads", ready);
    trigger("select", { index: Number(button.dataset.index), value: request });
  } else {
    changeHeads();
  }
};
// The page is built in steps: the tabs come last.
if ([...asked.keys()].some((name) => !name.startsWith("__"))) {
  const waiting = setInterval(() => {
    const opensWithFace = element.querySelector(".dan-example[aria-pressed=true]"); // else nothing is shown until something is chosen
    if (!tabs().length || (opensWithFace && !document.querySelector("#dan-heads-row .dan-tile"))) return;
    clearInterval(waiting);
    restore();
  }, 50);
}
