// The live panel: frames of the camera go to the server, the newest only and one at a time; what comes back is drawn over the
// camera's picture, smoothly between two frames. The picture is mirrored for the person; the pixels that are sent are not.
const SENT_WIDTH = 320, QUALITY = 0.8, STRIP_SECONDS = 30, BLEND = 0.3, NAMED = 0.2, MOST = 0.9, FRAME = 30; // FRAME: milliseconds between two drawings
const part = (selector) => element.querySelector(selector), parts = (selector) => [...element.querySelectorAll(selector)];
const panel = part(".dan-live"), video = part("video"), overlay = part(".dan-live-overlay"), strip = part(".dan-live-strip");
const colours = JSON.parse(panel.dataset.colours), labels = JSON.parse(panel.dataset.labels), wholeEvery = Number(panel.dataset.whole);
const viewer = [...crypto.getRandomValues(new Uint8Array(12))].map((x) => x.toString(16).padStart(2, "0")).join("");

let stream = null, running = 0; // a number that changes with every start, so that an old loop ends
let answer = null, drawn = null; // the latest answer; what is on screen, on its way to it
let last = null, chosen = null, frames = 0;
let history = [], times = []; // probabilities with their time; when frames came back
const say = (text) => (part(".dan-live-status").textContent = text);

const TROUBLE = {
  NotAllowedError: translate("The camera was refused. Allow it for this page in the browser's address bar, then start again."),
  NotFoundError: translate("No camera was found. Connect one, or upload a photo instead."),
  NotReadableError: translate("The camera is in use by another program. Close that program, then start again."),
  OverconstrainedError: translate("There is no such camera here. Choose the other one."),
};

const stop = (text = "") => {
  running++;
  stream?.getTracks().forEach((track) => track.stop());
  stream = video.srcObject = answer = drawn = last = null;
  history = [];
  times = [];
  delete panel.dataset.chosen;
  overlay.getContext("2d").clearRect(0, 0, overlay.width, overlay.height);
  part(".dan-live-start").textContent = translate("Start the camera");
  part(".dan-live-freeze").disabled = true;
  part(".dan-live-rate").textContent = "";
  panel.classList.remove("dan-is-live");
  say(text);
};

const start = async () => {
  if (!navigator.mediaDevices) {
    say(translate("Browsers give the camera to secure addresses only: open this page by https, or as localhost on this computer."));
    return;
  }
  const mine = ++running, facing = part(".dan-live-camera").value;
  say(translate("Waiting for the camera …"));
  try {
    const opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 } } });
    if (mine !== running) return opened.getTracks().forEach((track) => track.stop());
    stream = opened;
    stream.getVideoTracks()[0].addEventListener("ended", () => mine === running && stop(translate("The camera was disconnected. Start again.")));
    video.srcObject = stream;
    await video.play();
  } catch (error) {
    if (mine === running) stop(TROUBLE[error.name] ?? translate("The camera cannot be used ({reason}). Upload a photo instead.", { reason: error.name }));
    return;
  }
  panel.classList.toggle("dan-is-mirrored", facing === "user");
  panel.classList.add("dan-is-live");
  panel.scrollIntoView({ block: "start", behavior: scrolling() });
  part(".dan-live-start").textContent = translate("Stop");
  part(".dan-live-freeze").disabled = false;
  say("");
  draw(mine);
  send(mine);
};

const switchedOff = () => parts('.dan-live-off[aria-pressed="true"]').map((button) => Number(button.dataset.head));

// Frames, one after the other.
const sent = document.createElement("canvas");
const wait = (seconds) => new Promise((done) => setTimeout(done, 1000 * seconds));
const send = async (mine) => {
  while (mine === running) {
    if (element.offsetParent === null) return stop(); // another tab is open
    if (document.hidden || !video.videoWidth) {
      await wait(0.2);
      continue;
    }
    [sent.width, sent.height] = [SENT_WIDTH, Math.round((SENT_WIDTH * video.videoHeight) / video.videoWidth)];
    sent.getContext("2d").drawImage(video, 0, 0, sent.width, sent.height);
    const off = switchedOff();
    const again = frames++ % wholeEvery === 0 && !panel.dataset.chosen, began = performance.now();
    let got;
    try {
      got = await server.live({ viewer, frame: sent.toDataURL("image/jpeg", QUALITY), last: again ? null : last, chosen, off });
    } catch {
      got = { refused: translate("The server does not answer.") };
    }
    if (mine !== running) return;
    chosen = null;
    if (got.refused || got.error) {
      say(got.refused ?? got.error);
      await wait(1);
      continue;
    }
    show(got, (performance.now() - began) / 1000);
    await wait(got.pause ?? 0);
  }
};

const show = (got, delay) => {
  const now = performance.now() / 1000;
  times = [...times.filter((t) => now - t < 3), now];
  const rate = times.length > 1 ? (times.length - 1) / (now - times[0]) : 0;
  const speed = { rate: rate.toFixed(1), delay: Math.round(1000 * delay) };
  part(".dan-live-rate").textContent = got.pause > 0
    ? translate("{rate} frames a second, {delay} ms each; slower because others are watching too", speed)
    : translate("{rate} frames a second, {delay} ms each", speed);
  last = got.face;
  if (!got.face) {
    answer = null;
    say(translate("No face is found. Come closer, or turn on a light."));
    return;
  }
  say("");
  answer = got;
  history = [...history.filter((one) => now - one.at < STRIP_SECONDS), { at: now, probabilities: got.probabilities }];
  drawStrip();
  const best = largest(got.probabilities);
  parts(".dan-live-classes .dan-class").forEach((row, k) => {
    row.classList.toggle("dan-best", k === best);
    row.children[1].firstChild.style.width = `${100 * got.probabilities[k]}%`;
    row.children[2].textContent = percent(got.probabilities[k]);
  });
  const off = new Set(switchedOff()), leading = largest(got.contributions.map((x, h) => (off.has(h) ? -Infinity : x)));
  parts(".dan-live-head").forEach((chip, h) => {
    chip.querySelector(".dan-live-part").textContent = off.has(h) ? "" : `${signed(got.contributions[h])} ${translate("nats")}`;
    chip.classList.toggle("dan-live-leading", h === leading && !off.has(h));
  });
  part(".dan-live-to").textContent = translate("What each head contributes to {label}.", { label: labels[got.target] });
};

// Between two frames, maps and place move smoothly towards the latest.
const towards = (from, to) => from.map((x, i) => x + BLEND * (to[i] - x));
const tile = document.createElement("canvas");
[tile.width, tile.height] = [7, 7];
const rgb = (colour) => [1, 3, 5].map((i) => parseInt(colour.slice(i, i + 2), 16));
const draw = (mine, before = 0) => {
  if (mine !== running) return;
  const now = performance.now(), soon = now - before < FRAME;
  requestAnimationFrame(() => draw(mine, soon ? before : now));
  if (soon) return;
  const { clientWidth: width, clientHeight: height } = video, ratio = devicePixelRatio || 1;
  if (overlay.width !== Math.round(width * ratio)) [overlay.width, overlay.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = overlay.getContext("2d");
  pen.setTransform(1, 0, 0, 1, 0, 0);
  pen.clearRect(0, 0, overlay.width, overlay.height);
  if (answer) {
    drawn = drawn
      ? { to_frame: towards(drawn.to_frame, answer.to_frame), cells: drawn.cells.map((cells, h) => towards(cells, answer.cells[h])) }
      : { to_frame: [...answer.to_frame], cells: answer.cells.map((cells) => [...cells]) };
    const [a, c, e, b, d, f] = drawn.to_frame, image = tile.getContext("2d");
    pen.setTransform(a * overlay.width, b * overlay.height, c * overlay.width, d * overlay.height, e * overlay.width, f * overlay.height);
    pen.imageSmoothingEnabled = true;
    pen.imageSmoothingQuality = "high";
    for (const button of parts('.dan-live-show[aria-pressed="true"]')) {
      const h = Number(button.dataset.head), [red, green, blue] = rgb(colours[h]), pixels = image.createImageData(7, 7);
      drawn.cells[h].forEach((level, i) => pixels.data.set([red, green, blue, MOST * level], 4 * i));
      image.putImageData(pixels, 0, 0);
      pen.drawImage(tile, 0, 0, 1, 1);
    }
    pen.lineWidth = 0.006;
    pen.strokeStyle = "rgba(255,255,255,0.8)";
    pen.strokeRect(0, 0, 1, 1);
  } else drawn = null;
};

const drawStrip = () => {
  const ratio = devicePixelRatio || 1, width = strip.clientWidth, height = strip.clientHeight, now = performance.now() / 1000;
  [strip.width, strip.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const pen = strip.getContext("2d"), ink = getComputedStyle(strip).color;
  pen.scale(ratio, ratio);
  pen.font = "12px system-ui, sans-serif";
  const x = (at) => width - ((now - at) / STRIP_SECONDS) * (width - 4), y = (p) => 4 + (1 - p) * (height - 8);
  pen.strokeStyle = pen.fillStyle = ink;
  labels.forEach((label, k) => {
    const highest = Math.max(0, ...history.map((one) => one.probabilities[k]));
    if (highest < NAMED) return;
    pen.beginPath();
    history.forEach((one) => pen.lineTo(x(one.at), y(one.probabilities[k])));
    pen.setLineDash([[], [6, 3], [2, 3], [9, 3, 2, 3]][k % 4]);
    pen.stroke();
    const peak = history.find((one) => one.probabilities[k] === highest);
    pen.fillText(label, Math.min(x(peak.at), width - 70), y(highest) + 14);
  });
};

// Freeze: the camera's full picture goes the way of any upload.
const freeze = () => {
  const full = document.createElement("canvas");
  [full.width, full.height] = [video.videoWidth, video.videoHeight];
  full.getContext("2d").drawImage(video, 0, 0);
  full.toBlob(async (blob) => {
    stop(translate("Frozen: explained above, for the class that is predicted."));
    if (!(await toPhoto(blob, "frozen.jpg"))) say(translate("Remove the photo above first, then freeze again."));
  }, "image/jpeg", 0.95);
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.matches(".dan-live-start")) stream ? stop() : start();
  if (button?.matches(".dan-live-freeze")) freeze();
  if (button?.matches(".dan-live-show, .dan-live-off")) button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
  if (event.target === overlay && stream) { // a click chooses the nearest face
    const box = overlay.getBoundingClientRect(), x = (event.clientX - box.left) / box.width;
    chosen = [panel.classList.contains("dan-is-mirrored") ? 1 - x : x, (event.clientY - box.top) / box.height];
    panel.dataset.chosen = "1";
  }
});
part(".dan-live-camera").addEventListener("change", () => stream && (stop(), start()));
// Leaving the tab or the page stops everything; `send` sees it too, where the panel was out of view before.
new IntersectionObserver(([seen]) => !seen.isIntersecting && element.offsetParent === null && stream && stop()).observe(element);
window.addEventListener("pagehide", () => stop());
