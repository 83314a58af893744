"""What is each head worth? Exact Shapley values over all coalitions of heads.

A head's value is its marginal effect on a logit, averaged over all orders in which the heads could join. What the
network says *without* a head has no single answer, so there are three, and they may rank the heads differently.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import Classifier

ABSENCES: Mapping[str, str] = {
    "silent": "v = 0: the head sees nothing, and its silence counts in the comparison",
    "average": "v = the mean of the heads present: the head agrees with them",
    "dropped": "taken out of the stack: fewer heads are compared",
}
"""The ways for a head to be absent. A coalition of nobody is at the consensus in "silent" and "average": all heads say
the same. In "dropped" it has S = 0, as has a coalition of one: it has nobody to disagree with."""

MAX_HEADS = 10  # 1,024 coalitions
ROUNDING = 1e-6  # values closer than this part of the largest count as equal


@dataclass(frozen=True, eq=False)
class Shapley:
    """Every head's worth for every class, in logits, float64.

    Attributes:
        absence: Name in `ABSENCES`.
        values: (H, K), signed; sum over the heads to full - empty.
        full: Logits with all heads, (K,): the network's answer.
        empty: Logits with no head, (K,).
    """

    absence: str
    values: Tensor
    full: Tensor
    empty: Tensor

    def ranking(self, target: int) -> tuple[int, ...]:
        """Heads from the highest value for a class to the lowest, (H,); equal ones in their own order."""
        values = self.values[:, target]
        steps = (values / (ROUNDING * self._scale(target))).round()
        return tuple(steps.argsort(descending=True, stable=True).tolist())

    def alike(self, target: int) -> bool:
        """Whether all heads have the same value for a class."""
        values = self.values[:, target]
        return float(values.max() - values.min()) <= ROUNDING * self._scale(target)

    def _scale(self, target: int) -> float:
        """What values for a class are measured against: 1 logit, or the largest of them."""
        return max(1.0, float(self.values[:, target].abs().max()))


def shapley_values(classifier: Classifier, embeddings: Tensor, absence: str) -> Shapley:
    """Exact values from all 2^H coalitions.

    Args:
        classifier: The network's.
        embeddings: v, (H, C).
        absence: Name in `ABSENCES`.

    Raises:
        ArgumentError: No such absence, a single head, or more than `MAX_HEADS`.
    """
    heads = len(embeddings)
    if absence not in ABSENCES:
        raise ArgumentError(f"There is no absence {absence!r}.", f"Choose from: {', '.join(ABSENCES)}.")
    if not 2 <= heads <= MAX_HEADS:
        raise ArgumentError(f"{heads} heads have no exact Shapley values here.", f"From 2 to {MAX_HEADS} heads have.")
    codes = torch.arange(2**heads)
    present = ((codes[:, None] >> torch.arange(heads)) & 1).bool()  # (2^H, H): row n holds the bits of n
    worth = _worth(classifier, embeddings.double(), present, absence)  # (2^H, K)
    values = []
    for h in range(heads):
        without = codes[~present[:, h]]
        weights = [_weight(size, heads) for size in present[without].sum(dim=1).tolist()]
        values.append(torch.tensor(weights, dtype=torch.float64) @ (worth[without + 2**h] - worth[without]))
    return Shapley(absence, torch.stack(values), full=worth[-1], empty=worth[0])


def _worth(classifier: Classifier, embeddings: Tensor, present: Tensor, absence: str) -> Tensor:
    """The logits (N, K) of N coalitions, given as (N, H) truth values."""
    there = present[..., None]  # (N, H, 1)
    if absence == "dropped":
        log_shares = embeddings.masked_fill(~there, -math.inf).log_softmax(dim=1)  # (N, H, C)
        return classifier.from_fused(torch.where(there, log_shares, 0.0).sum(dim=1))
    filling = torch.zeros(())
    if absence == "average":
        filling = (embeddings * there).sum(dim=1, keepdim=True) / there.sum(dim=1, keepdim=True).clamp(min=1)
    return classifier.logits(torch.where(there, embeddings, filling.double()))


def _weight(size: int, heads: int) -> float:
    """Part of all orders in which exactly these `size` heads stand before a given other one."""
    return math.factorial(size) * math.factorial(heads - size - 1) / math.factorial(heads)
