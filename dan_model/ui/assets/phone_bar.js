// The bar of a phone: its buttons scroll to a part of the page; Stop is the page's own.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.matches(".dan-bar-stop")) return document.getElementById("dan-stop").click();
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector(button.dataset.place).scrollIntoView({ behavior: calm ? "auto" : "smooth", block: "start" });
});
