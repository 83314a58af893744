"""What is explained: a class, a class rather than another, or what one head's ledger entry says about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import Classifier, Fusion, fusion_shifts
from dan_model.network import DAN, Stages


@dataclass(frozen=True)
class Score:
    """One number that the network computes for a face, in logits.

    Attributes:
        target: Class index: its logit.
        against: Another class index: how far the target's logit lies above that one's.
        head: Only this head's entry in the fusion ledger for it; None: all of it.
    """

    target: int
    against: int | None = None
    head: int | None = None

    def check(self, model: DAN) -> None:
        """Raise an ArgumentError if the network has no such class or head."""
        classes, heads = len(model.config.labels), model.config.num_heads
        for index in (self.target, self.against):
            if index is not None and not 0 <= index < classes:
                raise ArgumentError(f"There is no class {index}.", f"Classes are numbered from 0 to {classes - 1}.")
        if self.against == self.target:
            raise ArgumentError("A class cannot be explained rather than itself.", "Choose another one.")
        if self.head is not None and not 0 <= self.head < heads:
            raise ArgumentError(f"There is no head {self.head + 1}.", f"Heads are numbered from 1 to {heads}.")
        if self.head is not None and heads == 1:
            raise ArgumentError("With a single head there is no ledger.", "Explain the class itself.")

    def told(self, labels: Sequence[str]) -> str:
        """In words."""
        name = labels[self.target] + ("" if self.against is None else f" rather than {labels[self.against]}")
        return name if self.head is None else f"Head {self.head + 1}'s ledger entry for {name}"

    def read(self, model: DAN, stages: Stages) -> Tensor:
        """The score of each face of a batch, (B,); differentiable."""
        if self.head is None:
            logits = stages.logits
            return logits[:, self.target] if self.against is None else self._difference(logits)
        shifts = fusion_shifts(stages.embeddings.cpu().double())  # (B, H, C)
        return (shifts[:, self.head] @ self.row(Classifier.of(model))).to(stages.logits)

    def row(self, classifier: Classifier) -> Tensor:
        """The folded classifier's weights for this score, (C,)."""
        return classifier.weight[self.target] if self.against is None else self._difference(classifier.weight.T)

    def evidence(self, fusion: Fusion) -> Tensor:
        """The fusion map that this score has, (7, 7): of one head's entry, or of all heads together."""
        return fusion.map if self.head is None else fusion.evidence[self.head]

    def answer(self, model: DAN, stages: Stages) -> Tensor:
        """The score as people compare it over images, (B,): the target's probability, or its probability among the two.

        A head's ledger entry has none: it stays in logits.
        """
        if self.head is not None:
            return self.read(model, stages)
        if self.against is not None:
            return torch.sigmoid(self.read(model, stages))
        return stages.logits.softmax(dim=1)[:, self.target]

    @property
    def unit(self) -> str:
        """Of `answer`."""
        return "probability" if self.head is None else "logit"

    def _difference(self, values: Tensor) -> Tensor:
        return values[:, self.target] - values[:, self.against]
