"""What is explained: a class, a class rather than another, or the contribution of one head to either."""

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
        target: Class index: the score is its logit.
        against: Another class index: the score is how far the target's logit lies above this one's.
        head: Only the contribution of this head, its entry in the fusion ledger; None: all of the score.
    """

    target: int
    against: int | None = None
    head: int | None = None

    def validate(self, model: DAN) -> None:
        """Check that the network has these classes and this head.

        Raises:
            ArgumentError: It does not.
        """
        classes, heads = len(model.config.labels), model.config.num_heads
        for index in (self.target, self.against):
            if index is not None and not 0 <= index < classes:
                raise ArgumentError(f"There is no class {index}.", f"Classes are numbered from 0 to {classes - 1}.")
        if self.against == self.target:
            raise ArgumentError("A class cannot be compared with itself.", "Choose two different classes.")
        if self.head is not None and not 0 <= self.head < heads:
            raise ArgumentError(f"There is no head {self.head + 1}.", f"Heads are numbered from 1 to {heads}.")
        if self.head is not None and heads == 1:
            raise ArgumentError("A network with a single head has no fusion ledger.", "Explain the class itself.")

    def describe(self, labels: Sequence[str]) -> str:
        """The score in words, for example "anger rather than fear"."""
        name = labels[self.target] + ("" if self.against is None else f" rather than {labels[self.against]}")
        return name if self.head is None else f"the contribution of Head {self.head + 1} to {name}"

    def compute(self, model: DAN, stages: Stages) -> Tensor:
        """The score of each face of a batch, (B,); differentiable."""
        if self.head is None:
            logits = stages.logits
            return logits[:, self.target] if self.against is None else self._difference(logits)
        shifts = fusion_shifts(stages.embeddings.cpu().double())  # (B, H, C)
        return (shifts[:, self.head] @ self.class_weights(Classifier.from_model(model))).to(stages.logits)

    def class_weights(self, classifier: Classifier) -> Tensor:
        """The weights of the folded classifier for this score, (C,)."""
        return classifier.weight[self.target] if self.against is None else self._difference(classifier.weight.T)

    def evidence(self, fusion: Fusion) -> Tensor:
        """The fusion map of this score, (7, 7): of one head's contribution, or of all heads together."""
        return fusion.map if self.head is None else fusion.evidence[self.head]

    def curve_value(self, model: DAN, stages: Stages) -> Tensor:
        """What deletion and insertion curves show, (B,): the probability of the target, or among the two classes.

        The contribution of a head is not a probability: its curves show the score itself, in logits.
        """
        if self.head is not None:
            return self.compute(model, stages)
        if self.against is not None:
            return torch.sigmoid(self.compute(model, stages))
        return stages.logits.softmax(dim=1)[:, self.target]

    @property
    def curve_unit(self) -> str:
        """The unit of `curve_value`."""
        return "probability" if self.head is None else "logit"

    def _difference(self, values: Tensor) -> Tensor:
        return values[:, self.target] - values[:, self.against]
