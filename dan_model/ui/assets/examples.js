// The examples: a click on one chooses it. The one that is shown is marked, until another photo is chosen.
const mark = (chosen) => {
  for (const one of element.querySelectorAll(".dan-example")) one.setAttribute("aria-pressed", one === chosen);
};
element.addEventListener("click", (event) => {
  const button = event.target.closest(".dan-example");
  if (!button) return;
  mark(button);
  trigger("select", { index: Number(button.dataset.index), value: button.textContent });
});
const markShown = () => {
  const name = document.querySelector(".dan-numbers-of-face")?.dataset.example, marked = element.querySelector(".dan-example[aria-pressed=true]");
  if (name === undefined || name === (marked?.dataset.name ?? "")) return; // this runs with every movement of a slider
  mark([...element.querySelectorAll(".dan-example")].find((one) => one.dataset.name === name));
};
document.addEventListener("dan-heads", markShown);
document.addEventListener("dan-no-heads", markShown);
document.addEventListener("change", (event) => event.target.closest?.("#dan-upload") && mark(null));
document.addEventListener("click", (event) => event.target.closest?.("#dan-upload [aria-label='capture photo']") && mark(null));
