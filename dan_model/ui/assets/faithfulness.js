// The slider of the parameter randomisation test: shows the pictures of one step and hides the others.
element.addEventListener("input", (event) => {
  const slider = event.target.closest(".dan-depth");
  if (!slider) return;
  for (const step of element.querySelectorAll(".dan-step")) step.hidden = step.dataset.step !== slider.value;
});

// Beside what is still being measured: the page's own Stop.
document.addEventListener("click", (event) => event.target.closest?.(".dan-stop-here") && document.getElementById("dan-stop").click());
