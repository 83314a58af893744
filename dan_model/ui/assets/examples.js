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
  const name = document.querySelector(".dan-numbers-of-face")?.dataset.example;
  if (name !== undefined) mark([...element.querySelectorAll(".dan-example")].find((one) => one.dataset.name === name));
};
document.addEventListener("dan-heads", markShown);
document.addEventListener("dan-no-heads", markShown);
document.addEventListener("change", (event) => event.target.closest?.("#dan-upload") && mark(null));
document.addEventListener("click", (event) => event.target.closest?.("#dan-upload [aria-label='capture photo']") && mark(null));
