// The figures of a tab, with a line in their place until they are drawn: when the open tab comes into view, or is about to, and
// else when nothing is computed any more. Figures that arrive after the line of a newer request are hidden and asked for again.
{
  const MARGIN = "300px", PATIENCE = 2000; // milliseconds
  const line = () => element.querySelector(".dan-undrawn"), panel = () => element.closest("[role=tabpanel]") ?? element;
  let latest = null, asked = null, later = 0; // requests: of the last line, and of the last question
  const ask = () => {
    if (latest === null || latest === asked) return;
    asked = latest;
    trigger("select", { index: 0, value: asked });
  };
  const seen = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && ask(), { rootMargin: MARGIN });
  const wait = () => {
    const idle = element.offsetParent && !document.hidden && !document.querySelector(".dan-waiting, .dan-running");
    if (idle) ask();
    else if (line()) later = setTimeout(wait, PATIENCE);
  };
  const watch = () => {
    seen.disconnect();
    clearTimeout(later);
    const shown = element.querySelector("[data-shown]")?.dataset.shown ?? null;
    if (line() || shown === null) latest = shown;
    if (latest === null) asked = null;
    const old = !line() && shown !== latest;
    element.classList.toggle("dan-of-another-face", old);
    if (old) {
      asked = null;
      ask();
    } else if (line()) {
      seen.observe(panel());
      later = setTimeout(wait, PATIENCE);
    }
  };
  new MutationObserver(watch).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-shown"] });
  watch();
}
