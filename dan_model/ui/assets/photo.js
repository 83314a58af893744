// The photo with its numbered faces: a click on a face chooses it.
element.addEventListener("click", (event) => {
  const button = event.target.closest(".dan-face-box");
  if (button) document.querySelector(`#dan-face input[value="${button.dataset.face}"]`)?.click();
});
