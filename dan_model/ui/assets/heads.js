// The heads as the visitor has changed them: switched off, copied, swapped, scaled. What follows is computed from the embeddings
// v of the page, with the formulas of dan_model/explain/fusion (interventions.py, classifier.py, ledger.py). Everything on the
// page that shows heads follows the event "dan-heads" and changes them by the event "dan-switch". Where no face is shown any
// more, or only one head, the event "dan-no-heads" says so.
const unpack = (text) => new Float64Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const SATURATED = 0.95; // as in dan_model/network.py

let face = null; // the numbers of the face that is shown
let state = null; // the visitor's changes to the heads

const parse = (data) => {
  const labels = JSON.parse(data.labels), colours = JSON.parse(data.colours);
  const v = unpack(data.embeddings);
  return {
    key: data.face, labels, colours, v, weight: unpack(data.weight), bias: unpack(data.bias),
    contributions: unpack(data.contributions),
    target: Number(data.target), kind: data.kind, against: data.against === "" ? null : Number(data.against), H: colours.length, K: labels.length, C: v.length / colours.length,
  };
};

const unchanged = (H) => ({ off: new Set(), scale: Array(H).fill(1), alpha: 1, copied: null, swapped: null, covered: null });

// The embedding and the scale of each head: swap first, then copy, then scale and switch off. Of a covered face, its own v.
const arrange = ({ off, scale, copied, swapped, covered }, H) => {
  const source = [...Array(H).keys()];
  if (swapped) [source[swapped[0]], source[swapped[1]]] = [swapped[1], swapped[0]];
  if (copied !== null) source.fill(copied);
  return { source, factors: scale.map((s, h) => (off.has(h) ? 0 : s)), v: covered?.v ?? face.v };
};

// v(α) of one channel, written into `v`: H numbers.
const channel = (c, { source, factors, v: all }, alpha, v) => {
  let mean = 0;
  for (let h = 0; h < face.H; h++) mean += v[h] = all[source[h] * face.C + c] * factors[h];
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

// The embeddings v(α), H·C numbers.
const embeddings = (heads, alpha) => {
  const v = new Float64Array(face.H * face.C), one = new Float64Array(face.H);
  for (let c = 0; c < face.C; c++) {
    channel(c, heads, alpha, one);
    for (let h = 0; h < face.H; h++) v[h * face.C + c] = one[h];
  }
  return v;
};

const names = (set) => [...set].sort((a, b) => a - b).map(headName).join(", ");

// The changes in words; empty where there are none.
const described = () => {
  const changes = state.covered ? [translate("{regions} covered", { regions: state.covered.name })] : [];
  if (state.swapped) {
    const [one, other] = state.swapped.map(headName);
    changes.push(translate("{one} and {other} swapped", { one, other }));
  }
  if (state.copied !== null) changes.push(translate("{head} copied to all heads", { head: headName(state.copied) }));
  state.scale.forEach((s, h) => s !== 1 && changes.push(`${headName(h)} × ${s.toFixed(2)}`));
  if (state.off.size) changes.push(translate("{heads} off", { heads: names(state.off) }));
  if (state.alpha !== 1) changes.push(`α = ${state.alpha.toFixed(2)}`);
  return changes.join(", ").replace(/^[a-z]/, (c) => c.toUpperCase());
};

// What the network makes of the changes, as a sentence; empty where there are none.
const outcome = (changes, own, now) => {
  if (!changes) return "";
  const [k, before] = [now, own].map(({ probabilities }) => largest(probabilities));
  const fields = {
    changes, label: face.labels[k], probability: percent(now.probabilities[k]), before: percent(own.probabilities[k]), instead: face.labels[before],
  };
  return k === before
    ? translate("{changes}: the network would read {label} as before, {before} → {probability}.", fields)
    : translate("{changes}: the network would read {label} ({probability}) instead of {instead}.", fields);
};

const announce = () => {
  const heads = arrange(state, face.H), changes = described();
  const own = decide(arrange(unchanged(face.H), face.H), 1), now = changes ? decide(heads, state.alpha) : own;
  const contributions = changes ? contributionsOf(face, embeddings(heads, state.alpha)) : face.contributions;
  const detail = { face, state, heads, own, now, contributions, changes, outcome: outcome(changes, own, now), off: [...state.off] };
  document.dispatchEvent(new CustomEvent("dan-heads", { detail }));
};

let scheduled = false;
const announceOnNextFrame = () => {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (face) announce();
  });
};

// Switch a head off or on ("off"), all others off or on ("only"), undo all changes ("reset"), or set a part of the state.
document.addEventListener("dan-switch", ({ detail: { what, head, ...set } }) => {
  if (!face) return;
  if (what === "off" && !state.off.delete(head)) state.off.add(head);
  if (what === "only") {
    const others = [...Array(face.H).keys()].filter((h) => h !== head);
    const alone = !state.off.has(head) && state.off.size === others.length;
    state.off = new Set(alone ? [] : others);
  }
  if (what === "reset") state = unchanged(face.H);
  if (what === "scale") state.scale[head] = set.factor;
  if (what === "set") Object.assign(state, set);
  announceOnNextFrame();
});

// Another face starts without changes; another class of the same face keeps the changes to its heads.
const readFace = () => {
  const found = element.querySelector(".dan-numbers-of-face"), next = found && parse(found.dataset);
  if (!next || next.H === 1) {
    face = null; // the next one starts without changes
    document.dispatchEvent(new CustomEvent("dan-no-heads"));
    return;
  }
  if (!face || face.key !== next.key) state = unchanged(next.H);
  face = next;
  announce();
};
const danHeads = { decide, unpack, channel, logSumExp, announce: () => face && announce() };
window.danHeads = danHeads; // for the bench, which appears when its tab is opened
