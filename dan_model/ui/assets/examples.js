// The examples: a click on one chooses it.
element.addEventListener("click", (event) => {
  const button = event.target.closest(".dan-example");
  if (button) trigger("select", { index: Number(button.dataset.index), value: button.textContent });
});
