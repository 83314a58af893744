// The figures of a tab, with a line in their place until they are drawn: when the open tab comes into view, or is about to, and
// else when nothing is computed any more.
{
  const MARGIN = "300px", PATIENCE = 2000; // milliseconds
  const line = () => element.querySelector(".dan-undrawn"), panel = () => element.closest("[role=tabpanel]") ?? element;
  let asked = null, later = 0; // for which request
  const ask = () => {
    if (!line() || line().dataset.request === asked) return;
    asked = line().dataset.request;
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
    if (!line()) return (asked = null);
    seen.observe(panel());
    later = setTimeout(wait, PATIENCE);
  };
  new MutationObserver(watch).observe(element, { childList: true, subtree: true, attributes: true, attributeFilter: ["data-request"] });
  watch();
}
