// The bench: heads are muted, copied, swapped, turned up and down, and the fusion network's decision is computed anew,
// with the formulas of dan_model/explain (interventions.py, fusion.py), from the embeddings v that the page was given.
const unpack = (text) => new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const signed = (x, digits = 2) => {
  const size = Math.abs(x).toFixed(digits);
  return Number(size) === 0 ? size : `${x < 0 ? "−" : "+"}${size}`;
};
const plain = (x, digits = 3) => x.toFixed(digits).replace("-", "−");
const PATH_POINTS = 61;
const SATURATED = 0.95; // as in dan_model/network.py

let bench = null; // the element of the face that is shown
let face = null; // its numbers
let state = null; // what the visitor has done to the heads
let curves = null; // whose curves are drawn

const read = (data) => {
  const labels = JSON.parse(data.labels), colours = JSON.parse(data.colours);
  const v = unpack(data.embeddings);
  return {
    key: data.face, labels, colours, v, weight: unpack(data.weight), bias: unpack(data.bias),
    target: Number(data.target), H: colours.length, K: labels.length, C: v.length / colours.length,
  };
};

const untouched = (H) => ({ muted: new Set(), scale: Array(H).fill(1), alpha: 1, copied: null, swapped: null });

// Which head's embedding each place holds, and how loud: swap, then copy, then scale and mute.
const places = ({ muted, scale, copied, swapped }, H) => {
  const source = [...Array(H).keys()];
  if (swapped) [source[swapped[0]], source[swapped[1]]] = [swapped[1], swapped[0]];
  if (copied !== null) source.fill(copied);
  return { source, loudness: scale.map((s, h) => (muted.has(h) ? 0 : s)) };
};

// v(α) of one channel, written into `v`: H numbers.
const channel = (c, { source, loudness }, alpha, v) => {
  let mean = 0;
  for (let h = 0; h < face.H; h++) mean += v[h] = face.v[source[h] * face.C + c] * loudness[h];
  mean /= face.H;
  for (let h = 0; h < face.H; h++) v[h] = mean + alpha * (v[h] - mean);
};

// ln Σ exp v
const logSumExp = (v) => {
  let top = v[0], sum = 0;
  for (const x of v) if (x > top) top = x;
  for (const x of v) sum += Math.exp(x - top);
  return top + Math.log(sum);
};

const decide = (who, alpha) => {
  const logits = Float64Array.from(face.bias), v = new Float64Array(face.H);
  let saturated = 0;
  for (let c = 0; c < face.C; c++) {
    channel(c, who, alpha, v);
    const log = logSumExp(v);
    let fused = 0, top = 0; // S_c = Σ ln p, and the largest share
    for (const x of v) {
      fused += x - log;
      top = Math.max(top, Math.exp(x - log));
    }
    if (top > SATURATED) saturated++;
    for (let k = 0; k < face.K; k++) logits[k] += face.weight[k * face.C + c] * fused;
  }
  const log = logSumExp(logits);
  return { logits, probabilities: logits.map((x) => Math.exp(x - log)), saturation: saturated / face.C };
};

const best = (values) => values.indexOf(Math.max(...values));

const sentence = (now, own) => {
  const done = [];
  const names = (set) => [...set].sort((a, b) => a - b).map((h) => `Head ${h + 1}`).join(", ");
  if (state.swapped) done.push(`Head ${state.swapped[0] + 1} and Head ${state.swapped[1] + 1} swapped`);
  if (state.copied !== null) done.push(`all heads say what Head ${state.copied + 1} says`);
  state.scale.forEach((s, h) => s !== 1 && done.push(`Head ${h + 1} × ${s.toFixed(2)}`));
  if (state.muted.size) done.push(`${names(state.muted)} muted`);
  if (state.alpha !== 1) done.push(`α = ${state.alpha.toFixed(2)}`);
  if (!done.length) return "Mute a head, or turn the disagreement down: the decision follows.";
  const k = face.target;
  const what = done.join(", ");
  return (
    `${what.replace(/^[a-z]/, (c) => c.toUpperCase())}: ${face.labels[k]} ${plain(own.probabilities[k])} → ` +
    `${plain(now.probabilities[k])}. The network would read ${face.labels[best(now.logits)]}.`
  );
};

const drawDecision = (now, own) => {
  const winner = best(now.logits);
  bench.querySelectorAll(".dan-decision .dan-class").forEach((row, k) => {
    row.classList.toggle("dan-best", k === winner);
    row.classList.toggle("dan-explained", k === face.target);
    const [, track, probability, logit] = row.children;
    track.children[0].style.width = `${100 * now.probabilities[k]}%`;
    track.children[1].style.left = `${100 * own.probabilities[k]}%`;
    probability.textContent = plain(now.probabilities[k]);
    logit.textContent = signed(now.logits[k]);
  });
};

// Only the line at α moves with the slider; the curves change with the heads.
const drawPath = (who) => {
  const [left, right, top, bottom] = [34, 408, 12, 158];
  const x = (alpha) => left + ((right - left) * alpha) / 2;
  const y = (p) => bottom - (bottom - top) * p;
  const svg = bench.querySelector(".dan-path");
  const heads = JSON.stringify(who);
  if (curves === heads) {
    for (const end of ["x1", "x2"]) svg.querySelector(".dan-here").setAttribute(end, x(state.alpha));
    return;
  }
  curves = heads;
  const alphas = [...Array(PATH_POINTS).keys()].map((i) => (2 * i) / (PATH_POINTS - 1));
  const values = alphas.map((alpha) => decide(who, alpha).probabilities);
  const order = [...Array(face.K).keys()].sort((a, b) => (b === face.target) - (a === face.target));
  const lines = order.reverse().map((k) => {
    const points = alphas.map((alpha, i) => `${x(alpha).toFixed(1)},${y(values[i][k]).toFixed(1)}`).join(" ");
    return `<polyline class="${k === face.target ? "dan-target" : ""}" points="${points}"/>`;
  });
  const taken = [];
  const names = order.reverse().map((k) => {
    const own = Float64Array.from(values, (row) => row[k]);
    const peak = best(own);
    const [px, py] = [x(alphas[peak]), y(own[peak])];
    if (taken.some(([tx, ty]) => Math.abs(tx - px) < 90 && Math.abs(ty - py) < 12)) return "";
    taken.push([px, py]);
    const text = document.createElement("span");
    text.textContent = face.labels[k];
    return `<text class="${k === face.target ? "dan-target" : ""}" x="${px}" y="${py - 3}"
      text-anchor="${px < 200 ? "start" : "end"}">${text.innerHTML}</text>`;
  });
  const axis = [0, 0.5, 1, 1.5, 2].map((a) => `<text x="${x(a)}" y="172" text-anchor="middle">${a}</text>`);
  const levels = [0, 0.5, 1].map((p) => `<text x="${left - 5}" y="${y(p) + 3}" text-anchor="end">${p}</text>`);
  svg.innerHTML =
    `<path class="dan-axis" d="M${left},${top}V${bottom}H${right}"/>${lines.join("")}${names.join("")}` +
    `<line class="dan-here" x1="${x(state.alpha)}" x2="${x(state.alpha)}" y1="${top}" y2="${bottom}"/>` +
    `${axis.join("")}${levels.join("")}<text x="${x(1)}" y="187" text-anchor="middle">α</text>`;
};

const drawFormulas = (who, saturation) => {
  const c = Number(bench.querySelector(".dan-channel").value), { H, target } = face;
  const v = new Float64Array(H);
  channel(c, who, state.alpha, v);
  const log = logSumExp(v), logs = Array.from(v, (x) => x - log); // ln p
  const S = logs.reduce((sum, x) => sum + x, 0), constant = -H * Math.log(H);
  const divergence = logs.reduce((sum, x) => sum + (-Math.log(H) - x) / H, 0); // KL(uniform ‖ p)
  const W = face.weight[target * face.C + c];
  bench.querySelector(".dan-shares").innerHTML = logs
    .map((x, h) => {
      const p = Math.exp(x);
      return (
        `<div><span>Head ${h + 1}: p = ${plain(p)}</span><span class="dan-track"><span style="width:${100 * p}%;` +
        `background:${face.colours[h]}"></span><i style="left:${100 / H}%" title="fair share 1/${H}"></i></span></div>`
      );
    })
    .join("");
  const label = document.createElement("span");
  label.textContent = face.labels[target];
  bench.querySelector(".dan-numbers").innerHTML =
    `<dt>S = Σ ln p</dt><dd>${plain(S)}</dd>` +
    `<dt>−H ln H − H · KL(uniform ‖ p)</dt><dd>${plain(constant)} − ${H} × ${plain(divergence)} = ${plain(constant - H * divergence)}</dd>` +
    `<dt>S + H ln H: what disagreement adds</dt><dd>${plain(S - constant)}</dd>` +
    `<dt>pull on ${label.innerHTML}: W′ · (S + H ln H)</dt><dd>${W.toPrecision(3).replace("-", "−")} × ${plain(S - constant)} = ${signed(W * (S - constant), 3)} logits</dd>` +
    `<dt>saturated channels (a share above 0.95)</dt><dd>${(100 * saturation).toFixed(0)} %</dd>`;
};

const draw = () => {
  const own = decide(places(untouched(face.H), face.H), 1);
  const who = places(state, face.H);
  const now = decide(who, state.alpha);
  bench.querySelectorAll(".dan-mute").forEach((button, h) => {
    button.setAttribute("aria-pressed", state.muted.has(h));
    const alone = !state.muted.has(h) && state.muted.size === face.H - 1;
    button.nextElementSibling.setAttribute("aria-pressed", alone);
  });
  const alpha = bench.querySelector(".dan-alpha");
  alpha.value = state.alpha;
  alpha.nextElementSibling.textContent = state.alpha.toFixed(2);
  bench.querySelectorAll(".dan-scale").forEach((slider, h) => {
    slider.value = state.scale[h];
    slider.nextElementSibling.textContent = state.scale[h].toFixed(2);
  });
  bench.querySelector(".dan-copy").value = state.copied ?? "";
  bench.querySelector(".dan-swap").value = state.swapped ? state.swapped.join(",") : "";
  bench.querySelector(".dan-told").textContent = sentence(now, own);
  drawDecision(now, own);
  drawPath(who);
  drawFormulas(who, now.saturation);
};

// Another face starts untouched; another class of the same face keeps what was done to its heads. Gradio may put new
// contents into the element that was there before.
const arrive = () => {
  const found = element.querySelector(".dan-bench");
  if (!found) {
    bench = face = null; // the photo was taken away: whatever comes next starts untouched
    return;
  }
  if (found === bench && found.dataset.face === face.key && Number(found.dataset.target) === face.target) return;
  bench = found;
  const next = read(bench.dataset);
  if (!face || face.key !== next.key) state = untouched(next.H);
  face = next;
  curves = null;
  draw();
};

let due = false;
const soon = () => {
  if (due) return;
  due = true;
  requestAnimationFrame(() => {
    due = false;
    draw();
  });
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !bench) return;
  const head = Number(button.dataset.head);
  if (button.matches(".dan-mute")) {
    if (!state.muted.delete(head)) state.muted.add(head);
  } else if (button.matches(".dan-solo")) {
    const others = [...Array(face.H).keys()].filter((h) => h !== head);
    const alone = !state.muted.has(head) && state.muted.size === others.length;
    state.muted = new Set(alone ? [] : others);
  } else if (button.matches(".dan-reset")) {
    state = untouched(face.H);
  } else return;
  soon();
});

element.addEventListener("input", (event) => {
  const control = event.target, chosen = control.value;
  if (control.matches(".dan-alpha")) state.alpha = Number(chosen);
  if (control.matches(".dan-scale")) state.scale[Number(control.dataset.head)] = Number(chosen);
  if (control.matches(".dan-copy")) state.copied = chosen === "" ? null : Number(chosen);
  if (control.matches(".dan-swap")) state.swapped = chosen === "" ? null : chosen.split(",").map(Number);
  soon();
});

new MutationObserver(arrive).observe(element, {
  childList: true, subtree: true, attributeFilter: ["data-face", "data-target"],
});
arrive();
