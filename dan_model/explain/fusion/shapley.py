"""What is each head worth? Exact Shapley values over all coalitions of heads.

The Shapley value of a head is its effect on the score, averaged over all orders in which the heads can be added. What
the network computes *without* a head can be defined in three ways, and they may rank the heads differently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion.classifier import Classifier
from dan_model.explain.score import Score
from dan_model.texts import untranslated as N_

ABSENCES: Mapping[str, str] = {
    "zero": N_("v = 0: the head is switched off, and still takes part in the comparison"),
    "mean": N_("v = the mean of the heads present: the head is equal to them"),
    "removed": N_("taken out of the stack: fewer heads are compared"),
}
"""The ways for a head to be absent. In "zero" and "mean" the coalition without any head is at the consensus, for all
heads are equal. In "removed" it has S = 0, and so has a coalition of one head: there is no other to compare it with."""

MAX_HEADS = 10  # 1,024 coalitions
ROUNDING = 1e-6  # values that differ by less than this part of the largest count as equal


@dataclass(frozen=True, eq=False)
class Shapley:
    """The Shapley value of every head for the score, float64, in its unit.

    Attributes:
        absence: Name in `ABSENCES`.
        values: (H,), signed; the sum over the heads is full - empty.
        full: The score with all heads: the network's own.
        empty: The score without any head.
    """

    absence: str
    values: Tensor
    full: float
    empty: float

    @property
    def ranking(self) -> tuple[int, ...]:
        """The heads from the highest value to the lowest, (H,); equal ones by their number."""
        steps = (self.values / (ROUNDING * self._scale)).round()
        return tuple(steps.argsort(descending=True, stable=True).tolist())

    @property
    def all_equal(self) -> bool:
        """Whether all heads have the same value."""
        return float(self.values.max() - self.values.min()) <= ROUNDING * self._scale

    @property
    def _scale(self) -> float:
        """The unit for comparing values: 1, or the largest value if that is more."""
        return max(1.0, float(self.values.abs().max()))


def shapley_values(classifier: Classifier, embeddings: Tensor, absence: str, score: Score) -> Shapley:
    """Compute exact values from all 2^H coalitions.

    Args:
        classifier: The classifier of the network.
        embeddings: v, (H, C).
        absence: Name in `ABSENCES`.
        score: What is explained; all heads together contribute to it, also where it names one.

    Raises:
        ArgumentError: There is no such absence, a single head, or more than `MAX_HEADS`.
    """
    heads = len(embeddings)
    if absence not in ABSENCES:
        raise ArgumentError(f"There is no absence {absence!r}.", f"Choose from: {', '.join(ABSENCES)}.")
    if not 2 <= heads <= MAX_HEADS:
        raise ArgumentError(
            f"Exact Shapley values are not available for {heads} heads.", f"They are for 2 to {MAX_HEADS} heads."
        )
    codes = torch.arange(2**heads)
    present = ((codes[:, None] >> torch.arange(heads)) & 1).bool()  # (2^H, H): row n holds the bits of n
    scores = score.of_logits(_coalition_logits(classifier, embeddings.double(), present, absence))  # (2^H,)
    values = []
    for h in range(heads):
        without = codes[~present[:, h]]
        weights = [_weight(size, heads) for size in present[without].sum(dim=1).tolist()]
        values.append(torch.tensor(weights, dtype=torch.float64) @ (scores[without + 2**h] - scores[without]))
    return Shapley(absence, torch.stack(values), full=float(scores[-1]), empty=float(scores[0]))


def _coalition_logits(classifier: Classifier, embeddings: Tensor, present: Tensor, absence: str) -> Tensor:
    """The logits (N, K) of N coalitions, given as truth values (N, H)."""
    there = present[..., None]  # (N, H, 1)
    if absence == "removed":
        log_shares = embeddings.masked_fill(~there, -math.inf).log_softmax(dim=1)  # (N, H, C)
        return classifier.from_fused(torch.where(there, log_shares, 0.0).sum(dim=1))
    filling = torch.zeros(())
    if absence == "mean":
        filling = (embeddings * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)
    return classifier.logits(torch.where(there, embeddings, filling.double()))


def _weight(size: int, heads: int) -> float:
    """The fraction of all orders in which exactly these `size` heads come before a given other one."""
    return math.factorial(size) * math.factorial(heads - size - 1) / math.factorial(heads)
