"""What if a head had another output? Answered from the embeddings, without running the network again.

Each intervention takes embeddings v (H, C) and returns new ones, so they can be chained. `Classifier.logits` gives the
decision that follows: `fusion.classifier.logits(ablate(heads.embeddings, 1))`. Heads are counted from 0.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion.classifier import Classifier

LARGEST_ALPHA = 2.0  # the end of the consensus path
PATH_POINTS = 101


def ablate(embeddings: Tensor, head: int) -> Tensor:
    """Switch one head off: v_h = 0, the embedding that an attention map of zeros gives in the network."""
    return scale(embeddings, head, 0.0)


def ablate_all_but(embeddings: Tensor, head: int) -> Tensor:
    """Switch all other heads off. As zeros, they still take part in the softmax over the heads."""
    _check(embeddings, head)
    alone = torch.zeros_like(embeddings)
    alone[head] = embeddings[head]
    return alone


def scale(embeddings: Tensor, head: int, factor: float) -> Tensor:
    """Multiply the embedding of one head by a factor."""
    _check(embeddings, head)
    scaled = embeddings.clone()
    scaled[head] = scaled[head] * factor
    return scaled


def copy(embeddings: Tensor, head: int) -> Tensor:
    """Give every head the embedding of one of them: all heads are equal, so the decision is the consensus."""
    _check(embeddings, head)
    return embeddings[head].expand_as(embeddings).clone()


def swap(embeddings: Tensor, one: int, other: int) -> Tensor:
    """Exchange two heads. The fusion treats all heads alike, so the decision does not change."""
    _check(embeddings, one, other)
    order = list(range(len(embeddings)))
    order[one], order[other] = other, one
    return embeddings[order]


def blend(embeddings: Tensor, alpha: float | Tensor) -> Tensor:
    """Scale the differences between the heads: v(α) = v̄ + α(v - v̄), with v̄ the mean over the heads.

    Args:
        embeddings: v, (H, C).
        alpha: One number, or n of them as (n,): 0 is the consensus, 1 this face, 2 doubles the differences.

    Returns:
        (H, C), or (n, H, C).
    """
    mean = embeddings.mean(dim=0)
    offsets = embeddings - mean
    if isinstance(alpha, Tensor):
        alpha = alpha[..., None, None]
    return mean + alpha * offsets


def for_each_head(classifier: Classifier, embeddings: Tensor, change: Callable[[Tensor, int], Tensor]) -> Tensor:
    """Logits (H, K) with `change` (`ablate`, `ablate_all_but` or `copy`) applied to each head in turn."""
    return classifier.logits(torch.stack([change(embeddings, h) for h in range(len(embeddings))]))


@dataclass(frozen=True, eq=False)
class ConsensusPath:
    """The decision along v(α), from the consensus to doubled differences between the heads.

    Attributes:
        alphas: (n,), from 0 to 2; 1 is among them.
        logits: (n, K) float64.
        probabilities: (n, K), each row sums to 1.
    """

    alphas: Tensor
    logits: Tensor
    probabilities: Tensor


def consensus_path(classifier: Classifier, embeddings: Tensor, points: int = PATH_POINTS) -> ConsensusPath:
    """Compute the decision from the consensus (α = 0) through this face (α = 1) to α = 2.

    Args:
        classifier: The classifier of the network.
        embeddings: v, (H, C).
        points: The number of points; odd, so that α = 1 is one of them.
    """
    alphas = torch.linspace(0, LARGEST_ALPHA, points, dtype=torch.float64)
    logits = classifier.logits(blend(embeddings.double(), alphas))
    return ConsensusPath(alphas, logits, logits.softmax(dim=1))


def transplant(classifier: Classifier, embeddings: Tensor, other: Tensor) -> Tensor:
    """Replace one head at a time by the same head of another face.

    Args:
        classifier: The classifier of the network.
        embeddings: v of this face, (H, C).
        other: v of the other face under the same network, (H, C).

    Returns:
        Logits, (H + 1, K) float64: those of this face, then those with head 0, 1 … H - 1 of the other face.

    Raises:
        ArgumentError: The two do not come from the same kind of network.
    """
    if embeddings.shape != other.shape:
        raise ArgumentError(
            f"The embeddings of the two faces differ in shape: {tuple(embeddings.shape)} and {tuple(other.shape)}.",
            "Explain both faces with the same weights.",
        )
    received = embeddings.expand(len(embeddings) + 1, *embeddings.shape).clone()
    for h in range(len(embeddings)):
        received[h + 1, h] = other[h]
    return classifier.logits(received)


def _check(embeddings: Tensor, *heads: int) -> None:
    for head in heads:
        if not 0 <= head < len(embeddings):
            raise ArgumentError(f"There is no head {head}.", f"Heads are counted from 0 to {len(embeddings) - 1}.")
