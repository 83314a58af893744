"""What if the heads said something else? On cached embeddings, without the network.

Each intervention takes embeddings v (H, C) and gives new ones; they can be chained. `Classifier.logits` answers what
the network would decide: `fusion.classifier.logits(mute(heads.embeddings, 1))`. Heads count from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import Classifier

FURTHEST = 2.0  # of the consensus path
PATH_POINTS = 101


def mute(embeddings: Tensor, head: int) -> Tensor:
    """Head `head` says nothing: v_h = 0, which is what a map of zeros gives in the network."""
    return scale(embeddings, head, 0.0)


def solo(embeddings: Tensor, head: int) -> Tensor:
    """Only head `head` says something: all others are muted. They still take part in the softmax, as zeros."""
    _check(embeddings, head)
    alone = torch.zeros_like(embeddings)
    alone[head] = embeddings[head]
    return alone


def scale(embeddings: Tensor, head: int, factor: float) -> Tensor:
    """Head `head` speaks `factor` times as loud."""
    _check(embeddings, head)
    scaled = embeddings.clone()
    scaled[head] = scaled[head] * factor
    return scaled


def copy(embeddings: Tensor, head: int) -> Tensor:
    """Every head says what head `head` says: full agreement, so the answer is the consensus."""
    _check(embeddings, head)
    return embeddings[head].expand_as(embeddings).clone()


def swap(embeddings: Tensor, one: int, other: int) -> Tensor:
    """Two heads change places. Fusion treats all heads alike: nothing changes in the decision."""
    _check(embeddings, one, other)
    order = list(range(len(embeddings)))
    order[one], order[other] = other, one
    return embeddings[order]


def blend(embeddings: Tensor, alpha: float | Tensor) -> Tensor:
    """v(α) = v̄ + α(v - v̄), v̄ the heads' mean: 0 is the consensus, 1 this face, above 1 the disagreement exaggerated.

    Args:
        embeddings: v, (H, C).
        alpha: One number, or n of them as (n,).

    Returns:
        (H, C), or (n, H, C).
    """
    mean = embeddings.mean(dim=0)
    offsets = embeddings - mean
    if isinstance(alpha, Tensor):
        alpha = alpha[..., None, None]
    return mean + alpha * offsets


def for_each_head(classifier: Classifier, embeddings: Tensor, change: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Logits (H, K) after `change` (mute, solo or copy) was done to each head in turn."""
    return classifier.logits(torch.stack([change(embeddings, h) for h in range(len(embeddings))]))


@dataclass(frozen=True, eq=False)
class ConsensusPath:
    """The decision along v(α), from full agreement to twice the disagreement.

    Attributes:
        alphas: (n,), from 0 to 2; 1 is among them.
        logits: (n, K) float64.
        probabilities: (n, K), each row sums to 1.
    """

    alphas: Tensor
    logits: Tensor
    probabilities: Tensor


def consensus_path(classifier: Classifier, embeddings: Tensor, points: int = PATH_POINTS) -> ConsensusPath:
    """Walk from the consensus (α = 0) through this face (α = 1) to α = 2.

    Args:
        classifier: The network's.
        embeddings: v, (H, C).
        points: How many, odd so that α = 1 is one of them.
    """
    alphas = torch.linspace(0, FURTHEST, points, dtype=torch.float64)
    logits = classifier.logits(blend(embeddings.double(), alphas))
    return ConsensusPath(alphas, logits, logits.softmax(dim=1))


def transplant(classifier: Classifier, embeddings: Tensor, donor: Tensor) -> Tensor:
    """What if one head had seen another face?

    Args:
        classifier: The network's.
        embeddings: v of this face, (H, C).
        donor: v of the other face under the same network, (H, C).

    Returns:
        Logits, (H + 1, K) float64: this face's own, then those with head 0, 1 … H - 1 taken from the other face.

    Raises:
        ArgumentError: The two do not come from the same kind of network.
    """
    if embeddings.shape != donor.shape:
        raise ArgumentError(
            f"The faces' embeddings differ in shape: {tuple(embeddings.shape)} and {tuple(donor.shape)}.",
            "Explain both faces with the same weights.",
        )
    received = embeddings.expand(len(embeddings) + 1, *embeddings.shape).clone()
    for h in range(len(embeddings)):
        received[h + 1, h] = donor[h]
    return classifier.logits(received)


def _check(embeddings: Tensor, *heads: int) -> None:
    for head in heads:
        if not 0 <= head < len(embeddings):
            raise ArgumentError(f"There is no head {head}.", f"Heads count from 0 to {len(embeddings) - 1}.")
