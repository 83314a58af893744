// The bench: heads are switched off, copied, swapped and scaled, and the prediction is computed again from the embeddings
// v of the page, with the formulas of dan_model/explain/fusion (interventions.py, classifier.py).
const unpack = (text) => new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const signed = (x, digits = 2) => {
  const size = Math.abs(x).toFixed(digits);
  return Number(size) === 0 ? size : `${x < 0 ? "−" : "+"}${size}`;
};
const plain = (x, digits = 3) => x.toFixed(digits).replace("-", "−");
const digits = (x) => x.toPrecision(3).replace("-", "−");
const PATH_POINTS = 61;
const SATURATED = 0.95; // as in dan_model/network.py

let bench = null; // the element of the face that is shown
let face = null; // its numbers
let state = null; // the visitor's changes to the heads
let curves = null; // the heads whose curves are drawn

const parse = (data) => {
  const labels = JSON.parse(data.labels), colours = JSON.parse(data.colours);
  const v = unpack(data.embeddings);
  return {
    key: data.face, labels, colours, v, weight: unpack(data.weight), bias: unpack(data.bias),
    target: Number(data.target), H: colours.length, K: labels.length, C: v.length / colours.length,
  };
};

const unchanged = (H) => ({ off: new Set(), scale: Array(H).fill(1), alpha: 1, copied: null, swapped: null });

// The embedding and the scale of each head: swap first, then copy, then scale and switch off.
const arrange = ({ off, scale, copied, swapped }, H) => {
  const source = [...Array(H).keys()];
  if (swapped) [source[swapped[0]], source[swapped[1]]] = [swapped[1], swapped[0]];
  if (copied !== null) source.fill(copied);
  return { source, factors: scale.map((s, h) => (off.has(h) ? 0 : s)) };
};

// v(α) of one channel, written into `v`: H numbers.
const channel = (c, { source, factors }, alpha, v) => {
  let mean = 0;
  for (let h = 0; h < face.H; h++) mean += v[h] = face.v[source[h] * face.C + c] * factors[h];
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

const decide = (heads, alpha) => {
  const logits = Float64Array.from(face.bias), v = new Float64Array(face.H);
  let saturated = 0;
  for (let c = 0; c < face.C; c++) {
    channel(c, heads, alpha, v);
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
  const logProbabilities = logits.map((x) => x - log);
  return { logProbabilities, probabilities: logProbabilities.map(Math.exp), saturation: saturated / face.C };
};

const best = (values) => values.indexOf(Math.max(...values));

const sentence = (now, own) => {
  const changes = [];
  const names = (set) => [...set].sort((a, b) => a - b).map((h) => `Head ${h + 1}`).join(", ");
  if (state.swapped) changes.push(`Head ${state.swapped[0] + 1} and Head ${state.swapped[1] + 1} swapped`);
  if (state.copied !== null) changes.push(`Head ${state.copied + 1} copied to all heads`);
  state.scale.forEach((s, h) => s !== 1 && changes.push(`Head ${h + 1} × ${s.toFixed(2)}`));
  if (state.off.size) changes.push(`${names(state.off)} off`);
  if (state.alpha !== 1) changes.push(`α = ${state.alpha.toFixed(2)}`);
  if (!changes.length) return "Switch a head off, or scale the differences between the heads: the prediction follows.";
  const k = face.target;
  const what = changes.join(", ");
  return (
    `${what.replace(/^[a-z]/, (c) => c.toUpperCase())}: ${face.labels[k]} ${plain(own.probabilities[k])} → ` +
    `${plain(now.probabilities[k])}. Predicted: ${face.labels[best(now.logProbabilities)]}.`
  );
};

const drawDecision = (now, own) => {
  const winner = best(now.logProbabilities);
  bench.querySelectorAll(".dan-decision .dan-class").forEach((row, k) => {
    row.classList.toggle("dan-best", k === winner);
    row.classList.toggle("dan-explained", k === face.target);
    const [, track, probability, logProbability] = row.children;
    track.children[0].style.width = `${100 * now.probabilities[k]}%`;
    track.children[1].style.left = `${100 * own.probabilities[k]}%`;
    probability.textContent = plain(now.probabilities[k]);
    logProbability.textContent = plain(now.logProbabilities[k], 2);
  });
};

// Only the line at α moves with the slider; the curves change with the heads.
const drawPath = (arrangement) => {
  const [left, right, top, bottom] = [34, 408, 12, 158];
  const x = (alpha) => left + ((right - left) * alpha) / 2;
  const y = (p) => bottom - (bottom - top) * p;
  const svg = bench.querySelector(".dan-path");
  const heads = JSON.stringify(arrangement);
  if (curves === heads) {
    for (const end of ["x1", "x2"]) svg.querySelector(".dan-here").setAttribute(end, x(state.alpha));
    return;
  }
  curves = heads;
  const alphas = [...Array(PATH_POINTS).keys()].map((i) => (2 * i) / (PATH_POINTS - 1));
  const values = alphas.map((alpha) => decide(arrangement, alpha).probabilities);
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

const drawFormulas = (heads, now) => {
  const c = Number(bench.querySelector(".dan-channel").value), { H, target } = face;
  const v = new Float64Array(H);
  channel(c, heads, state.alpha, v);
  const log = logSumExp(v), logs = Array.from(v, (x) => x - log); // ln p
  const S = logs.reduce((sum, x) => sum + x, 0), constant = -H * Math.log(H);
  const divergence = logs.reduce((sum, x) => sum + (-Math.log(H) - x) / H, 0); // KL(uniform ‖ p)
  const W = face.weight[target * face.C + c];
  const mean = now.probabilities.reduce((sum, p, j) => sum + p * face.weight[j * face.C + c], 0); // Σ π W′
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
    `<dt>S + H ln H: deviation from the baseline</dt><dd>${plain(S - constant)}</dd>` +
    `<dt>contribution to the logit of ${label.innerHTML}: W′ · (S + H ln H)</dt><dd>${digits(W)} × ${plain(S - constant)} = ${signed(W * (S - constant), 3)} logits</dd>` +
    `<dt>slope of ln p(${label.innerHTML}) along S: W′ − Σ π W′</dt><dd>${digits(W)} − ${digits(mean)} = ${digits(W - mean)}</dd>` +
    `<dt>channels dominated by one head (share > 0.95)</dt><dd>${(100 * now.saturation).toFixed(0)} %</dd>`;
};

const draw = () => {
  const own = decide(arrange(unchanged(face.H), face.H), 1);
  const heads = arrange(state, face.H);
  const now = decide(heads, state.alpha);
  bench.querySelectorAll(".dan-off").forEach((button, h) => {
    button.setAttribute("aria-pressed", state.off.has(h));
    const alone = !state.off.has(h) && state.off.size === face.H - 1;
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
  bench.querySelector(".dan-bench-sentence").textContent = sentence(now, own);
  drawDecision(now, own);
  drawPath(heads);
  drawFormulas(heads, now);
};

// Another face starts without changes; another class of the same face keeps the changes to its heads. Gradio may put
// new contents into the element that was there before.
const update = () => {
  const found = element.querySelector(".dan-bench");
  if (!found) {
    bench = face = null; // the photo was removed: the next one starts without changes
    return;
  }
  if (found === bench && found.dataset.face === face.key && Number(found.dataset.target) === face.target) return;
  bench = found;
  const next = parse(bench.dataset);
  if (!face || face.key !== next.key) state = unchanged(next.H);
  face = next;
  curves = null;
  draw();
};

let scheduled = false;
const drawOnNextFrame = () => {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button || !bench) return;
  const head = Number(button.dataset.head);
  if (button.matches(".dan-off")) {
    if (!state.off.delete(head)) state.off.add(head);
  } else if (button.matches(".dan-only")) {
    const others = [...Array(face.H).keys()].filter((h) => h !== head);
    const alone = !state.off.has(head) && state.off.size === others.length;
    state.off = new Set(alone ? [] : others);
  } else if (button.matches(".dan-reset")) {
    state = unchanged(face.H);
  } else return;
  drawOnNextFrame();
});

element.addEventListener("input", (event) => {
  const control = event.target, chosen = control.value;
  if (control.matches(".dan-alpha")) state.alpha = Number(chosen);
  if (control.matches(".dan-scale")) state.scale[Number(control.dataset.head)] = Number(chosen);
  if (control.matches(".dan-copy")) state.copied = chosen === "" ? null : Number(chosen);
  if (control.matches(".dan-swap")) state.swapped = chosen === "" ? null : chosen.split(",").map(Number);
  drawOnNextFrame();
});

new MutationObserver(update).observe(element, {
  childList: true, subtree: true, attributeFilter: ["data-face", "data-target"],
});
update();
