// The bar of a phone: its buttons scroll to a part of the page. Its Stop, and that beside what is being measured, are the page's own.
document.addEventListener("click", (event) => event.target.closest?.(".dan-bar-stop, .dan-stop-here") && document.getElementById("dan-stop").click());
element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-place]");
  if (!button) return;
  document.querySelector(button.dataset.place).scrollIntoView({ behavior: scrolling(), block: "start" });
});
