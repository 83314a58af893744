// The bench: controls of the heads, the prediction that follows, its path over α, and the formulas. It shows what
// heads.js computes.
const plain = (x, digits = 3) => x.toFixed(digits).replace(/^-(?=0\.?0*$)/, "").replace("-", "−"); // no sign on zero
const digits = (x) => x.toPrecision(3).replace("-", "−");
const PATH_POINTS = 61;
const engine = window.danHeads;

let bench = null; // the element of the face that is shown
let latest = null; // what heads.js said last
let curves = null; // the heads whose curves are drawn

const sentence = ({ face, now, own, changes }) => {
  if (!changes) return translate("Switch a head off, or scale the differences between the heads: the prediction follows.");
  const k = face.target;
  return translate("{changes}: {label} {before} → {after}. Predicted: {predicted}.", {
    changes, label: face.labels[k], before: percent(own.probabilities[k]), after: percent(now.probabilities[k]),
    predicted: face.labels[largest(now.logProbabilities)],
  });
};

const drawDecision = ({ face, now, own }) => {
  const winner = largest(now.logProbabilities);
  bench.querySelectorAll(".dan-decision .dan-class").forEach((row, k) => {
    row.classList.toggle("dan-best", k === winner);
    row.classList.toggle("dan-explained", k === face.target);
    const [, track, probability, logProbability] = row.children;
    track.children[0].style.width = `${100 * now.probabilities[k]}%`;
    track.children[1].style.left = `${100 * own.probabilities[k]}%`;
    probability.textContent = percent(now.probabilities[k]);
    logProbability.textContent = plain(now.logProbabilities[k], 2);
  });
};

// Only the line at α moves with the slider; the curves change with the heads.
const drawPath = ({ face, state, heads: arrangement }) => {
  const [left, right, top, bottom] = [34, 408, 12, 158];
  const x = (alpha) => left + ((right - left) * alpha) / 2;
  const y = (p) => bottom - (bottom - top) * p;
  const svg = bench.querySelector(".dan-path");
  const drawn = JSON.stringify([face.key, face.target, arrangement.source, arrangement.factors, state.covered?.key]);
  if (curves === drawn) {
    for (const end of ["x1", "x2"]) svg.querySelector(".dan-here").setAttribute(end, x(state.alpha));
    return;
  }
  curves = drawn;
  const alphas = [...Array(PATH_POINTS).keys()].map((i) => (2 * i) / (PATH_POINTS - 1));
  const values = alphas.map((alpha) => engine.decide(arrangement, alpha).probabilities);
  const colours = [...bench.querySelectorAll(".dan-decision .dan-class")].map((row) => row.style.getPropertyValue("--class"));
  const order = [...Array(face.K).keys()].sort((a, b) => (b === face.target) - (a === face.target));
  const lines = order.reverse().map((k) => {
    const points = alphas.map((alpha, i) => `${x(alpha).toFixed(1)},${y(values[i][k]).toFixed(1)}`).join(" ");
    return `<polyline class="${k === face.target ? "dan-target" : ""}" style="stroke: ${colours[k]}" points="${points}"/>`;
  });
  const taken = [];
  const names = order.reverse().map((k) => {
    const own = Float64Array.from(values, (row) => row[k]);
    const peak = largest(own);
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

// a − b with as many decimals as show four digits of the difference, so that it adds up as it is written.
const difference = (a, b) => {
  const size = Math.abs(a - b), places = size ? Math.min(9, Math.max(0, 3 - Math.floor(Math.log10(size)))) : 3;
  const [one, other] = [a, b].map((x) => Number(x.toFixed(places))), text = (x) => x.toFixed(places).replace("-", "−");
  return `${text(one)} − ${other < 0 ? `(${text(other)})` : text(other)} = ${text(one - other)}`;
};

const drawFormulas = ({ face, state, heads, now }) => {
  const c = Number(bench.querySelector(".dan-channel").value), { H, target } = face;
  const v = new Float64Array(H);
  engine.channel(c, heads, state.alpha, v);
  const log = engine.logSumExp(v), logs = Array.from(v, (x) => x - log); // ln p
  const S = logs.reduce((sum, x) => sum + x, 0), constant = -H * Math.log(H);
  const divergence = logs.reduce((sum, x) => sum + (-Math.log(H) - x) / H, 0); // KL(uniform ‖ p)
  const W = face.weight[target * face.C + c];
  const mean = now.probabilities.reduce((sum, p, j) => sum + p * face.weight[j * face.C + c], 0); // Σ π W′
  const fair = translate("fair share 1/{heads}", { heads: H });
  bench.querySelector(".dan-shares").innerHTML = logs
    .map((x, h) => {
      const p = Math.exp(x);
      return (
        `<div><span>${headName(h)}: p = ${plain(p)}</span><span class="dan-track"><span style="width:${100 * p}%;` +
        `background:${face.colours[h]}"></span><i style="left:${100 / H}%" title="${fair}"></i></span></div>`
      );
    })
    .join("");
  const label = document.createElement("span");
  label.textContent = face.labels[target];
  const named = { label: label.innerHTML }, contribution = signed(W * (S - constant), 3);
  bench.querySelector(".dan-numbers").innerHTML =
    `<dt>S = Σ ln p</dt><dd>${plain(S)}</dd>` +
    `<dt>−H ln H − H · KL(uniform ‖ p)</dt><dd>${plain(constant)} − ${H} × ${plain(divergence)} = ${plain(constant - H * divergence)}</dd>` +
    `<dt>${translate("S + H ln H: deviation from the baseline")}</dt><dd>${plain(S - constant)}</dd>` +
    `<dt>${translate("contribution to the logit of {label}: W′ · (S + H ln H)", named)}</dt><dd>${digits(W)} × ${plain(S - constant)} = ${contribution} ${translate("logits")}</dd>` +
    `<dt>${translate("slope of ln p({label}) along S: W′ − Σ π W′", named)}</dt><dd>${difference(W, mean)}</dd>` +
    `<dt>${translate("channels dominated by one head (share > 0.95)")}</dt><dd>${(100 * now.saturation).toFixed(0)} %</dd>`;
};

const draw = () => {
  const { state } = latest;
  bench.querySelectorAll(".dan-off").forEach((button, h) => {
    button.setAttribute("aria-pressed", state.off.has(h));
    const alone = !state.off.has(h) && state.off.size === latest.face.H - 1;
    button.nextElementSibling.setAttribute("aria-pressed", alone);
  });
  const alpha = bench.querySelector(".dan-alpha");
  alpha.value = state.alpha;
  alpha.nextElementSibling.textContent = state.alpha.toFixed(2);
  const meaning = { 0: translate("all heads equal"), 1: translate("this face"), 2: translate("doubled") }[state.alpha];
  alpha.setAttribute("aria-valuetext", state.alpha.toFixed(2) + (meaning ? `, ${meaning}` : ""));
  bench.querySelectorAll(".dan-scale").forEach((slider, h) => {
    slider.value = state.scale[h];
    slider.nextElementSibling.textContent = state.scale[h].toFixed(2);
  });
  bench.querySelector(".dan-copy").value = state.copied ?? "";
  bench.querySelector(".dan-swap").value = state.swapped ? state.swapped.join(",") : "";
  bench.querySelector(".dan-bench-sentence").textContent = sentence(latest);
  drawDecision(latest);
  drawPath(latest);
  drawFormulas(latest);
};

// Gradio may put the bench of a face in before or after heads.js has read its numbers.
const update = () => {
  const found = element.querySelector(".dan-bench");
  if (found !== bench) curves = null;
  bench = found;
  if (bench && latest && bench.querySelectorAll(".dan-off").length === latest.face.H) draw();
};
document.addEventListener("dan-heads", (event) => {
  latest = event.detail;
  update();
});
new MutationObserver((records) => {
  if (records.some((one) => [...one.addedNodes].some((node) => node.matches?.(".dan-bench") || node.querySelector?.(".dan-bench")))) update();
}).observe(element, { childList: true, subtree: true });
engine.announce();

const change = (detail) => document.dispatchEvent(new CustomEvent("dan-switch", { detail }));
element.addEventListener("click", (event) => {
  const button = event.target.closest(".dan-off, .dan-only, .dan-reset");
  if (button) change({ what: button.className.replace("dan-", ""), head: Number(button.dataset.head) });
});
element.addEventListener("input", (event) => {
  const control = event.target, chosen = control.value;
  if (control.matches(".dan-alpha")) change({ what: "set", alpha: Number(chosen) });
  if (control.matches(".dan-scale")) change({ what: "scale", head: Number(control.dataset.head), factor: Number(chosen) });
  if (control.matches(".dan-copy")) change({ what: "set", copied: chosen === "" ? null : Number(chosen) });
  if (control.matches(".dan-swap")) change({ what: "set", swapped: chosen === "" ? null : chosen.split(",").map(Number) });
  if (control.matches(".dan-channel")) drawFormulas(latest);
});
