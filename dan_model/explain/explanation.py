"""Everything about one face, as `Explainer` gives it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from dan_model.explain.attributions import Attribution
from dan_model.explain.fusion import Fusion
from dan_model.explain.heads import Heads
from dan_model.explain.reference import ClassPlace, Reference
from dan_model.explain.regions import Regions
from dan_model.explain.score import Score
from dan_model.explain.use import Use
from dan_model.faces import FaceCrop


@dataclass(frozen=True, eq=False)
class Prediction:
    """What the network answers.

    Attributes:
        label: The class with the highest probability.
        index: Its index.
        probabilities: Softmax of the logits, (K,), sum to 1.
        logits: (K,).
    """

    label: str
    index: int
    probabilities: Tensor
    logits: Tensor


@dataclass(frozen=True, eq=False)
class Explanation:
    """Everything about one face, on the CPU.

    Attributes:
        labels: The K class names in index order.
        prediction: What the network answers.
        score: What evidence and attributions explain.
        crop: The face, cut out, with the way back to the photo.
        input_pixels: What the network sees, (224, 224, 3) uint8.
        heads: What each head looks at.
        fusion: How the heads became a decision.
        regions: Where brows, eyes, mouth … lie in the crop; None where no landmarks are known.
        reference: What is usual under these weights; None where they bring no statistics.
        place: Where the face lies among the classes; None without a reference.
        use: Looked at versus used; None where it was not asked for, or is still to come.
        attributions: By request, as text, in the order they were asked for; those that are ready.
    """

    labels: tuple[str, ...]
    prediction: Prediction
    score: Score
    crop: FaceCrop
    input_pixels: np.ndarray
    heads: Heads
    fusion: Fusion
    regions: Regions | None
    reference: Reference | None
    place: ClassPlace | None
    use: Use | None
    attributions: Mapping[str, Attribution]

    @property
    def target(self) -> int:
        """The class index that is explained."""
        return self.score.target

    @property
    def told(self) -> str:
        """What is explained, in words."""
        return self.score.told(self.labels)
