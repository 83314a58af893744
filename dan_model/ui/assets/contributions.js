// The contributions of the heads to the score, integrated from the baseline (all heads equal) to the embeddings v, as
// dan_model/explain/fusion/ledger.py does: pieces of the path that shrink towards the baseline, Gauss-Legendre nodes on each.
const GAUSS = [
  [0.1834346424956498, 0.3626837833783620], [0.5255324099163290, 0.3137066458778873],
  [0.7966664774136267, 0.2223810344533745], [0.9602898564975363, 0.1012285362903763],
].flatMap(([x, w]) => [[(1 + x) / 2, w / 2], [(1 - x) / 2, w / 2]]);
const SPLITS = 3; // each piece is cut into as many parts

// face: {H, K, C, weight, bias, kind, target, against}; v: H·C numbers. Gives H numbers.
const contributionsOf = (face, v) => {
  const { H, K, C, weight, bias, kind, target, against } = face;
  const offsets = new Float64Array(H * C);
  let largest = 1;
  for (let c = 0; c < C; c++) {
    let mean = 0;
    for (let h = 0; h < H; h++) mean += v[h * C + c] / H;
    for (let h = 0; h < H; h++) {
      offsets[h * C + c] = v[h * C + c] - mean;
      largest = Math.max(largest, Math.abs(offsets[h * C + c]));
    }
  }
  const halvings = Math.ceil(Math.log2(largest));
  const total = new Float64Array(H), shares = new Float64Array(H * C), logits = new Float64Array(K);
  for (let piece = 0; piece <= halvings; piece++) {
    const low = piece === halvings ? 0 : 2 ** -(piece + 1), high = 2 ** -piece;
    for (let split = 0; split < SPLITS; split++) {
      const length = (high - low) / SPLITS, start = low + split * length;
      for (const [place, part] of GAUSS) {
        const at = start + place * length;
        // Shares p and logits at this point of the path; v̄, the same for all heads, drops out.
        logits.set(bias);
        for (let c = 0; c < C; c++) {
          let sum = 0, top = -Infinity;
          for (let h = 0; h < H; h++) top = Math.max(top, at * offsets[h * C + c]);
          for (let h = 0; h < H; h++) sum += shares[h * C + c] = Math.exp(at * offsets[h * C + c] - top);
          let fused = -H * (top + Math.log(sum));
          for (let h = 0; h < H; h++) {
            shares[h * C + c] /= sum;
            fused += at * offsets[h * C + c];
          }
          for (let k = 0; k < K; k++) logits[k] += weight[k * C + c] * fused;
        }
        // The slope of the score along S: its own weight, less the mean over the classes for a log-probability.
        const best = Math.max(...logits), odds = logits.map((x) => Math.exp(x - best));
        const norm = odds.reduce((sum, x) => sum + x, 0);
        for (let c = 0; c < C; c++) {
          let slope = weight[target * C + c];
          if (kind === "contrast") slope -= weight[against * C + c];
          if (kind === "log-probability") for (let k = 0; k < K; k++) slope -= (odds[k] / norm) * weight[k * C + c];
          for (let h = 0; h < H; h++) total[h] += part * length * slope * (1 - H * shares[h * C + c]) * offsets[h * C + c];
        }
      }
    }
  }
  return total;
};
