"""How fusion turns heads into a decision.

The attention fusion network sees only how much the heads *disagree*, channel by channel:

    S_c = Σ_h log p_hc = -H ln H - H·KL(uniform ‖ p_c)          ∂S_c/∂v_hc = 1 - H·p_hc

Along the straight path v(α) = v̄ + α(v - v̄) from full agreement (α = 0, every head says the mean v̄) to this face
(α = 1), each head moves each fused channel by a *shift*

    shift_hc = ∫₀¹ (1 - H p_hc(α)) (v_hc - v̄_c) dα              Σ_h shift_hc = S_c + H ln H

(integrated gradients of S, with the heads' mean as baseline). The folded classifier W' turns shifts into logits:
that is the *ledger*, L_hk = Σ_c W'_kc shift_hc, and Σ_h L_hk = logit_k - consensus_k. Spread over the cells that each
embedding was pooled from, it is the *evidence* map. All sums in float64.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dan_model.network import DAN, Stages

NODES = 8  # Gauss-Legendre nodes on each interval of the path


@dataclass(frozen=True, eq=False)
class Classifier:
    """What comes after the heads, in eval mode and float64: logits = W'·S + b', with BatchNorm folded into W' and b'.

    Attributes:
        weight: W', (K, C).
        bias: b', (K,).
    """

    weight: Tensor
    bias: Tensor

    @classmethod
    def of(cls, model: DAN) -> Classifier:
        """The model's own classifier, on the CPU."""
        fc = {name: tensor.cpu().double() for name, tensor in model.fc.state_dict().items()}
        bn = {name: tensor.cpu().double() for name, tensor in model.bn.state_dict().items()}
        scale = bn["weight"] / torch.sqrt(bn["running_var"] + model.bn.eps)  # (K,)
        return cls(fc["weight"] * scale[:, None], (fc["bias"] - bn["running_mean"]) * scale + bn["bias"])

    def from_fused(self, fused: Tensor) -> Tensor:
        """Logits (…, K) of fused heads S (…, C)."""
        return fused.double() @ self.weight.T + self.bias

    def logits(self, embeddings: Tensor) -> Tensor:
        """Logits (…, K) of embeddings v (…, H, C); a single head is classified as it is, as published."""
        return self.from_fused(embeddings[..., 0, :] if embeddings.shape[-2] == 1 else fuse(embeddings))


def fuse(embeddings: Tensor) -> Tensor:
    """The fused heads S = Σ_h log p_hc, (…, C) float64, of embeddings v (…, H, C)."""
    return torch.log_softmax(embeddings.double(), dim=-2).sum(dim=-2)


@dataclass(frozen=True, eq=False)
class Fusion:
    """How the heads' embeddings became logits on one face, on the CPU, float64 but for the shares.

    Attributes:
        classifier: Turns fused heads into logits; what interventions on the embeddings need.
        shares: p_hc, (H, C), sum to 1 over the heads.
        ledger: L_hk, (H, K), in logits: how far head h moves class k away from the consensus.
        consensus: (K,): the logits if all heads said the same; with two heads or more the same for every image.
        evidence: E_h, (H, 7, 7), in logits, signed: the ledger entry of `target` (less that of `against`), spread over
            the cells.
        unplaced: The part of that ledger entry, in absolute value and in [0, 1], whose channels are silent in every
            cell that the head sees; spread evenly.
        residual: (K,): logits - consensus - Σ_h ledger, which is rounding and quadrature error.
        target: The class index that `evidence` is for.
        against: The class index that is taken off it, for "`target` rather than `against`"; None: nothing is.
    """

    classifier: Classifier
    shares: Tensor
    ledger: Tensor
    consensus: Tensor
    evidence: Tensor
    unplaced: float
    residual: Tensor
    target: int
    against: int | None = None

    @property
    def map(self) -> Tensor:
        """The AFN fusion map, (7, 7), in logits: the heads' evidence summed; sums to logit - consensus."""
        return self.evidence.sum(dim=0)


def read_fusion(model: DAN, stages: Stages, target: int, against: int | None = None) -> Fusion:
    """Explain the fusion of a single face's stages (B = 1), in eval mode, for one class, or for one over another."""
    features, spatial, embeddings, logits = (
        tensor[0].detach().cpu().double()
        for tensor in (stages.features, stages.spatial, stages.embeddings, stages.logits)
    )
    classifier = Classifier.of(model)
    shift = fusion_shifts(embeddings)  # (H, C)
    ledger = shift @ classifier.weight.T  # (H, K)
    consensus = consensus_logits(embeddings, classifier)
    row = classifier.weight[target] if against is None else classifier.weight[target] - classifier.weight[against]
    evidence, unplaced = spread(shift * row, features, spatial)
    residual = logits - consensus - ledger.sum(dim=0)
    shares = stages.shares[0].detach().cpu()
    return Fusion(classifier, shares, ledger, consensus, evidence, unplaced, residual, target, against)


def consensus_logits(embeddings: Tensor, classifier: Classifier) -> Tensor:
    """The logits (K,) where every head says the mean v̄ of `embeddings` (H, C).

    With two heads or more S is then -H ln H in every channel, whatever the image. A single head is its own mean.
    """
    heads = embeddings.shape[0]
    if heads == 1:
        return classifier.logits(embeddings)
    return classifier.weight.sum(dim=1) * (-heads * math.log(heads)) + classifier.bias


def fusion_shifts(embeddings: Tensor) -> Tensor:
    """How far each head moves each fused channel away from the consensus: ∫₀¹ (1 - H p(α)) (v - v̄) dα.

    The integrand falls off within 1 / max|v - v̄| of α = 0 where heads are saturated, so that the intervals of the
    quadrature shrink geometrically towards 0 until the first is that short.

    Args:
        embeddings: v, (…, H, C), float64.

    Returns:
        (…, H, C) float64; sums over the heads to S_c + H ln H. Zero for a single head.
        Differentiable.
    """
    heads = embeddings.shape[-2]
    offsets = embeddings - embeddings.mean(dim=-2, keepdim=True)  # v - v̄, (…, H, C)
    halvings = max(0, math.ceil(math.log2(max(float(offsets.detach().abs().max()), 1.0))))
    nodes, weights = (torch.tensor(values, dtype=offsets.dtype) for values in _geometric_nodes(halvings))
    steps = nodes.reshape(-1, *(1 for _ in offsets.shape))
    shares = torch.softmax(steps * offsets, dim=-2)  # (nodes, …, H, C); v̄, the same for all heads, drops out
    pull = 1 - heads * torch.tensordot(weights, shares, dims=1)  # ∫ (1 - H p) dα, (…, H, C)
    return pull * offsets


def spread(terms: Tensor, features: Tensor, spatial: Tensor) -> tuple[Tensor, float]:
    """Spread each (head, channel) term over the cells in proportion to x_c·a_h, which it was pooled from.

    Args:
        terms: (H, C), signed.
        features: x, (C, 7, 7), >= 0.
        spatial: a, (H, 7, 7), >= 0.

    Returns:
        (H, 7, 7): sums over the cells to Σ_c terms. And the part of Σ|terms| whose x_c·a_h is zero in all cells: it has
        no place of its own and is spread evenly.
    """
    cells = features.flatten(1)  # (C, N), N = 49 cells
    attention = spatial.flatten(1)  # (H, N)
    total = attention @ cells.T  # (H, C): Σ over the cells of x_c·a_h
    silent = total <= 0
    density = torch.where(silent, 0.0, terms / torch.where(silent, 1.0, total))  # (H, C)
    placed = attention * (density @ cells)  # (H, N)
    homeless = torch.where(silent, terms, 0.0)
    placed = placed + homeless.sum(dim=1, keepdim=True) / cells.shape[1]
    magnitude = float(terms.abs().sum())
    unplaced = float(homeless.abs().sum()) / magnitude if magnitude > 0 else 0.0
    return placed.reshape(spatial.shape), unplaced


def _geometric_nodes(halvings: int) -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes and weights on [0, 2⁻ⁿ], [2⁻ⁿ, 2⁻ⁿ⁺¹] … [½, 1]; they integrate 1 over [0, 1] to 1."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    edges = [0.0, *(2.0**-n for n in range(halvings, -1, -1))]
    nodes, weights = [], []
    for low, high in pairwise(edges):
        nodes += list(low + (high - low) * (x + 1) / 2)
        weights += list(w * (high - low) / 2)
    return nodes, weights
