"""The fusion ledger: what each head contributes to each class, measured from the consensus of all heads.

The attention fusion network sees only how much the heads *disagree*, channel by channel:

    S_c = Σ_h log p_hc = -H ln H - H·KL(uniform ‖ p_c)          ∂S_c/∂v_hc = 1 - H·p_hc

The *consensus* is the state in which every head has the mean embedding v̄; S is then the constant -H ln H. Along the
straight path v(α) = v̄ + α(v - v̄) from the consensus (α = 0) to this face (α = 1), each head moves each fused channel
by a *shift* (the integrated gradients of S, with the mean over the heads as the baseline):

    shift_hc = ∫₀¹ (1 - H p_hc(α)) (v_hc - v̄_c) dα              Σ_h shift_hc = S_c + H ln H

The folded classifier W' turns shifts into logits. That is the *ledger*: L_hk = Σ_c W'_kc shift_hc, and
Σ_h L_hk = logit_k - consensus_k. All sums are taken in float64.
"""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from dan_model.explain.fusion.classifier import Classifier

NODES = 8  # Gauss-Legendre nodes on each interval of the path


def consensus_logits(embeddings: Tensor, classifier: Classifier) -> Tensor:
    """The logits (K,) at the consensus, where every head has the mean v̄ of the `embeddings` (H, C).

    With two heads or more S is then -H ln H in every channel, whatever the image. A single head is its own mean.
    """
    heads = embeddings.shape[0]
    if heads == 1:
        return classifier.logits(embeddings)
    return classifier.weight.sum(dim=1) * (-heads * math.log(heads)) + classifier.bias


def fusion_shifts(embeddings: Tensor) -> Tensor:
    """How far each head moves each fused channel away from the consensus: ∫₀¹ (1 - H p(α)) (v - v̄) dα.

    Where heads are saturated, the integrand falls off within 1 / max|v - v̄| of α = 0. The intervals of the quadrature
    therefore shrink geometrically towards 0, until the first one is that short.

    Args:
        embeddings: v, (…, H, C), float64.

    Returns:
        (…, H, C) float64; the sum over the heads is S_c + H ln H. Zero for a single head. Differentiable.
    """
    heads = embeddings.shape[-2]
    offsets = embeddings - embeddings.mean(dim=-2, keepdim=True)  # v - v̄, (…, H, C)
    halvings = max(0, math.ceil(math.log2(max(float(offsets.detach().abs().max()), 1.0))))
    nodes, weights = (torch.tensor(values, dtype=offsets.dtype) for values in _geometric_nodes(halvings))
    steps = nodes.reshape(-1, *(1 for _ in offsets.shape))
    shares = torch.softmax(steps * offsets, dim=-2)  # (nodes, …, H, C); v̄, the same for all heads, drops out
    mean_gradient = 1 - heads * torch.tensordot(weights, shares, dims=1)  # ∫ (1 - H p) dα, (…, H, C)
    return mean_gradient * offsets


def _geometric_nodes(halvings: int) -> tuple[list[float], list[float]]:
    """Gauss-Legendre nodes and weights on [0, 2⁻ⁿ], [2⁻ⁿ, 2⁻ⁿ⁺¹] … [½, 1]; the weights sum to 1."""
    x, w = np.polynomial.legendre.leggauss(NODES)
    edges = [0.0, *(2.0**-n for n in range(halvings, -1, -1))]
    nodes, weights = [], []
    for low, high in pairwise(edges):
        nodes += list(low + (high - low) * (x + 1) / 2)
        weights += list(w * (high - low) / 2)
    return nodes, weights
