// The slider of the parameter randomisation test: shows the pictures of one step and hides the others.
element.addEventListener("input", (event) => {
  const slider = event.target.closest(".dan-depth");
  if (!slider) return;
  for (const step of element.querySelectorAll(".dan-step")) step.hidden = step.dataset.step !== slider.value;
});
