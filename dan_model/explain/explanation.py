"""The explanation of one face, as `Explainer` returns it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from dan_model.errors import CheckpointError
from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.attributions import Attribution
from dan_model.explain.fusion import Fusion, ablate, for_each_head
from dan_model.explain.heads import Heads
from dan_model.explain.reference import ClassDistances, Reference
from dan_model.explain.regions import Regions
from dan_model.explain.score import Score
from dan_model.faces import FaceCrop

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Prediction:
    """The prediction of the network.

    Attributes:
        label: The class with the highest probability.
        index: Its index.
        probabilities: The softmax of the logits, (K,), sums to 1.
        logits: (K,).
    """

    label: str
    index: int
    probabilities: Tensor
    logits: Tensor

    @classmethod
    def from_logits(cls, logits: Tensor, labels: tuple[str, ...]) -> Prediction:
        """The prediction that follows from logits (K,).

        Raises:
            CheckpointError: They are not finite.
        """
        if not logits.isfinite().all():
            raise CheckpointError("With these weights the logits are not finite.", "Take other weights.")
        best = int(logits.argmax())
        return cls(labels[best], best, logits.softmax(dim=0), logits)


@dataclass(frozen=True, eq=False)
class Explanation:
    """The explanation of one face, on the CPU.

    Attributes:
        labels: The K class names in index order.
        prediction: The prediction of the network.
        score: What the evidence and the attributions explain.
        prior: In `PRIORS`; under "uniform", everything here is that of the network with its class prior taken off.
        crop: The face, cropped, with the transform back to the photo.
        input_pixels: What the network sees, (224, 224, 3) uint8.
        heads: What each head attends to.
        fusion: How the heads became a decision.
        regions: Where brows, eyes, mouth … lie in the crop; None where no landmarks are known.
        reference: Statistics over many faces under these weights; None where the weights have none.
        class_distances: The distance of the face to each class; None without a reference.
        provenance: Where the weights come from, as in `config.json`.
        attended_vs_used: Whether the decision depends on the attended cells; None where it was not requested or is
            still being computed.
        attributions: By request, as text, in the order of the requests; those that are ready.
        notes: What was odd about the photo and how it was read nevertheless, in sentences.
    """

    labels: tuple[str, ...]
    prediction: Prediction
    score: Score
    prior: str
    crop: FaceCrop
    input_pixels: np.ndarray
    heads: Heads
    fusion: Fusion
    regions: Regions | None
    reference: Reference | None
    class_distances: ClassDistances | None
    provenance: Mapping[str, Any]
    attended_vs_used: AttendedVsUsed | None = None
    attributions: Mapping[str, Attribution] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def target(self) -> int:
        """The class index that is explained."""
        return self.score.target

    @property
    def description(self) -> str:
        """The explained score, in words."""
        return self.score.describe(self.labels)

    @cached_property
    def most_needed_head(self) -> int:
        """The head without which the probability of the explained class changes most."""
        if len(self.heads.embeddings) == 1:
            return 0
        change = self.probabilities_with(ablate) - self.prediction.probabilities[self.target]
        return int(change.abs().argmax())

    def probabilities_with(self, change: Callable[[Tensor, int], Tensor]) -> Tensor:
        """The probability of the explained class with an intervention applied to each head in turn, (H,).

        Args:
            change: `ablate`, `ablate_all_but` or `copy` of `explain.fusion`.
        """
        return for_each_head(self.fusion.classifier, self.heads.embeddings, change).softmax(dim=1)[:, self.target]

    # An explanation shows itself: the room of the figures is above this one, and is imported when it is asked for.

    def plot(self) -> Figure:
        """The panel: prediction, every map, and the contributions of the heads, as a matplotlib figure."""
        from dan_model.show.panel import panel

        return panel(self)

    def save(self, path: str | Path) -> None:
        """Write the report (`.html`), which opens without a network, or the panel (`.png`, `.svg`, `.pdf`).

        Raises:
            ArgumentError: The name ends in something else.
        """
        from dan_model.show.notebook import save

        save(self, Path(path))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from dan_model.show.notebook import explanation_html

        return explanation_html(self)
