"""The fusion ledger: what each head contributes to each class, measured from the consensus of all heads.

The attention fusion network sees only how much the heads *disagree*, channel by channel:

    S_c = Σ_h log p_hc = -H ln H - H·KL(uniform ‖ p_c)          ∂S_c/∂v_hc = 1 - H·p_hc

The *consensus* is the state in which every head has the mean embedding v̄; S is then the constant -H ln H. Along the
straight path v(α) = v̄ + α(v - v̄) from the consensus (α = 0) to this face (α = 1), each head moves each class:

    L_hk = Σ_c ∫₀¹ r_kc(α) (1 - H p_hc(α)) (v_hc - v̄_c) dα,      r_k = ∂score_k/∂S at α

With the folded classifier W', r_k is W'_k for a logit, and W'_k - Σ_j π_j W'_j for a log-probability, π being the
softmax at α. That is the *ledger* (integrated gradients over the embeddings, with the mean over the heads as the
baseline): Σ_h L_hk = score_k - score_k(consensus). All sums are taken in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from dan_model.explain.fusion.classifier import Classifier
from dan_model.explain.score import LOGIT, Score
from dan_model.network import DAN, Stages

NODES = 8  # Gauss-Legendre nodes on each piece of the path
TOLERANCE = 1e-8  # of the score's range: pieces are halved until their residuals together are smaller
LARGEST_RESIDUAL = 2e-6  # nats or logits: and smaller than this, however wide the range
MOST_PIECES = 512


@dataclass(frozen=True, eq=False)
class PathIntegral:
    """The integral along the path from the consensus to one face, float64.

    Attributes:
        ledger: L_hk, (H, K), in the unit of the score; for a contrast, that of the log-probabilities.
        terms: The contribution of each head in each channel to the score, (H, C); sums to the ledger's entries for it.
        pieces: How many pieces the path was cut into.
    """

    ledger: Tensor
    terms: Tensor
    pieces: int


def consensus_logits(embeddings: Tensor, classifier: Classifier) -> Tensor:
    """The logits (K,) at the consensus, where every head has the mean v̄ of the `embeddings` (H, C).

    With two heads or more S is then -H ln H in every channel, whatever the image. A single head is its own mean.
    """
    heads = embeddings.shape[0]
    if heads == 1:
        return classifier.logits(embeddings)
    return classifier.weight.sum(dim=1) * (-heads * math.log(heads)) + classifier.bias


def integrate(classifier: Classifier, embeddings: Tensor, score: Score) -> PathIntegral:
    """Integrate along the path from the consensus to the embeddings v (H, C) of one face. Differentiable.

    Where heads are saturated, the integrand falls off within 1 / max|v - v̄| of α = 0: the first pieces of the path
    shrink geometrically towards 0. A log-probability is steep again where the answer changes: pieces whose
    contributions do not add up to the change of every class across them are halved.
    """
    v = embeddings.double()
    offsets = v - v.mean(dim=0)
    halvings = max(0, math.ceil(math.log2(max(float(offsets.detach().abs().max()), 1.0))))
    edges = torch.tensor([0.0, *(2.0**-n for n in range(halvings, -1, -1))], dtype=torch.float64)
    low, high = edges[:-1], edges[1:]
    ledger, terms, missed = _pieces(classifier, offsets, score, low, high)
    ends = score.of_classes(classifier.logits(torch.stack([torch.zeros_like(v), v]).detach()))
    enough = min(LARGEST_RESIDUAL, TOLERANCE * max(float((ends[1] - ends[0]).abs().max()), 1e-3))
    # Halve the pieces with the largest residuals until all of them together are small enough.
    while len(v) > 1 and float(missed.sum()) > enough and len(missed) < MOST_PIECES:
        worst = missed > enough / (2 * len(missed))
        middle = (low[worst] + high[worst]) / 2
        new_low, new_high = torch.cat([low[worst], middle]), torch.cat([middle, high[worst]])
        new = _pieces(classifier, offsets, score, new_low, new_high)
        ledger, terms, missed = (
            torch.cat([old[~worst], more]) for old, more in zip((ledger, terms, missed), new, strict=True)
        )
        low, high = torch.cat([low[~worst], new_low]), torch.cat([high[~worst], new_high])
    return PathIntegral(ledger.sum(dim=0), terms.sum(dim=0), len(missed))


def compute_score(model: DAN, stages: Stages, score: Score) -> Tensor:
    """The score of each face of a batch, (B,); differentiable."""
    if score.head is None:
        return score.of_logits(stages.logits)
    classifier = Classifier.from_model(model)
    ledgers = [integrate(classifier, v, score).ledger[score.head] for v in stages.embeddings.cpu()]
    return score.pick(torch.stack(ledgers)).to(stages.logits)


def compute_curve_value(model: DAN, stages: Stages, score: Score) -> Tensor:
    """What deletion and insertion curves show of each face of a batch, (B,), in `Score.curve_unit`."""
    return score.curve_value(stages.logits) if score.head is None else compute_score(model, stages, score)


@cache
def _nodes() -> tuple[Tensor, Tensor]:
    """Nodes and weights of the quadrature on [-1, 1], (NODES,) each."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    return torch.from_numpy(x), torch.from_numpy(w)


def _pieces(
    classifier: Classifier, offsets: Tensor, score: Score, low: Tensor, high: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The ledger (P, H, K), the terms (P, H, C) and the residual (P,) of each piece of the path from low to high (P,).

    The residual is the largest, over the classes, of what the contributions miss of the change across the piece.
    """
    heads, (x, w) = len(offsets), _nodes()
    length = (high - low)[:, None]
    alphas = torch.cat([low[:, None] + length * (x + 1) / 2, low[:, None], high[:, None]], dim=1)  # nodes, both ends
    path = alphas[..., None, None] * offsets  # (P, N + 2, H, C); v̄, the same for all heads, drops out
    log_shares = path.log_softmax(dim=2)
    logits = classifier.from_fused(log_shares.sum(dim=2))  # (P, N + 2, K)
    # The integrand at the nodes: how each head moves each channel, and how that moves each class.
    steps = (length * w / 2)[..., None, None] * (1 - heads * log_shares[:, :NODES].exp()) * offsets  # (P, N, H, C)
    moved = steps @ classifier.weight.T  # (P, N, H, K), in logits
    if score.kind != LOGIT:
        moved = moved - (moved * logits[:, :NODES, None].softmax(dim=-1)).sum(dim=-1, keepdim=True)
    slope = score.slope(classifier.weight, logits[:, :NODES])  # (P, N, C)
    terms = (steps * slope[:, :, None]).sum(dim=1)
    ledger = moved.sum(dim=1)
    ends = score.of_classes(logits[:, NODES:]).detach()
    missed = (ends[:, 1] - ends[:, 0] - ledger.detach().sum(dim=1)).abs().amax(dim=1)
    return ledger, terms, missed
