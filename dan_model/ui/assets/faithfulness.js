// The slider of the parameter randomisation test: shows the pictures of one step and hides the others.
const showStep = () => {
  const slider = element.querySelector(".dan-depth");
  if (slider) for (const step of element.querySelectorAll(".dan-step")) step.hidden = step.dataset.step !== slider.value;
};
element.addEventListener("input", (event) => event.target.closest(".dan-depth") && showStep());
new MutationObserver(showStep).observe(element, { childList: true, subtree: true }); // further steps arrive, the slider stays
