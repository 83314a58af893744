// The words of the glossary: their meaning appears while one points at them, focuses them or taps on them.
const terms = JSON.parse(element.querySelector("[data-terms]").dataset.terms);
const note = document.createElement("div");
note.id = "dan-term-note";
note.setAttribute("role", "tooltip");
note.hidden = true;
document.querySelector(".gradio-container .contain").append(note);
let shown = null, waiting = 0;

const hide = () => {
  clearTimeout(waiting);
  shown?.removeAttribute("aria-describedby");
  shown = null;
  note.hidden = true;
};

const show = (word) => {
  hide();
  const [name, meaning, formula] = terms[word.dataset.term];
  const title = document.createElement("b"), text = document.createElement("span"), code = document.createElement("code");
  [title.textContent, text.textContent, code.textContent] = [name, meaning, formula];
  note.replaceChildren(title, text, ...(formula ? [code] : []));
  note.hidden = false;
  word.setAttribute("aria-describedby", note.id);
  shown = word;
  // Below the word, or above it where there is no room; within the screen.
  const at = word.getBoundingClientRect(), { offsetWidth: width, offsetHeight: height } = note;
  const below = at.bottom + 6 + height < innerHeight;
  note.style.left = `${Math.max(8, Math.min(at.left, document.documentElement.clientWidth - width - 8))}px`;
  note.style.top = `${below ? at.bottom + 6 : Math.max(8, at.top - height - 6)}px`;
};

const word = (event) => event.target.closest?.(".dan-term");
document.addEventListener("pointerover", (event) => {
  clearTimeout(waiting);
  if (event.pointerType === "mouse" && word(event)) waiting = setTimeout(show, 250, word(event));
});
document.addEventListener("pointerout", (event) => event.pointerType === "mouse" && word(event) && hide());
document.addEventListener("focusin", (event) => word(event)?.matches(":focus-visible") && show(word(event)));
document.addEventListener("focusout", hide);
document.addEventListener("click", (event) => (word(event) ? show(word(event)) : hide()));
document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
document.addEventListener("scroll", () => shown && hide(), { passive: true }); // one that is about to appear takes its place then
