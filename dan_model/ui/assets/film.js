// The moments of a film: the slider moves the film along, and the film the slider; one moment is explained as any photo.
const part = (selector) => element.querySelector(selector);
const player = () => document.querySelector("#dan-film-video video");
const moments = () => JSON.parse(part(".dan-moments").dataset.moments);

const show = (index) => {
  const [, clock, text] = moments()[index];
  part("input").setAttribute("aria-valuetext", `${clock}, ${text}`);
  part("output").textContent = `${clock} · ${text}`;
};

element.addEventListener("input", (event) => {
  if (!event.target.matches("input[type=range]")) return;
  const video = player(), index = Number(event.target.value);
  show(index);
  if (!video) return;
  video.pause();
  video.currentTime = moments()[index][0] + 0.001; // inside the frame, not on its edge
});

// While the film plays, the slider follows.
document.addEventListener("timeupdate", (event) => {
  if (event.target !== player() || event.target.paused || !part(".dan-moments")) return;
  const index = Math.max(0, moments().findLastIndex(([time]) => time <= event.target.currentTime + 0.01));
  part("input").value = index;
  show(index);
}, true);

element.addEventListener("click", async (event) => {
  const button = event.target.closest(".dan-explain-moment");
  if (!button) return;
  const say = (text) => (part('[role="status"]').textContent = text);
  button.disabled = true;
  say(translate("Opening …"));
  try {
    const got = await server.moment([part(".dan-moments").dataset.session, Number(part("input").value)]);
    if (got.error) return say(got.error);
    const bytes = Uint8Array.from(atob(got.frame), (one) => one.charCodeAt(0));
    const there = await toPhoto(new Blob([bytes], { type: "image/png" }), got.name);
    say(there ? translate("Explained above.") : translate("Remove the photo above first, then try again."));
  } catch {
    say(translate("The server does not answer. Try again."));
  } finally {
    button.disabled = false;
  }
});
