"""The composer: image in, explanation out, each part as soon as it is ready."""

from __future__ import annotations

import operator
import threading
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dan_model.checkpoints import Checkpoint, load_checkpoint
from dan_model.devices import choose_device
from dan_model.errors import ArgumentError, CheckpointError, NoFaceError, Stopped
from dan_model.explain.attributions import Attribution, Question, attribute, check_methods
from dan_model.explain.fusion import Fusion, read_fusion
from dan_model.explain.heads import Heads, read_heads
from dan_model.explain.reference import ClassPlace, Reference, place
from dan_model.explain.regions import Regions, read_regions
from dan_model.explain.use import Use, read_use
from dan_model.faces import Face, FaceCrop, FaceDetector, crop_face, whole_image
from dan_model.images import ImageLike, read_image
from dan_model.network import DAN, Stages, frozen
from dan_model.preprocess import to_pixels, to_tensor

FaceChoice = int | Literal["whole"] | Face


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
        target: The class index that fusion and attributions explain.
        crop: The face, cut out, with the way back to the photo.
        input_pixels: What the network sees, (224, 224, 3) uint8.
        heads: What each head looks at.
        fusion: How the heads became a decision.
        regions: Where brows, eyes, mouth … lie in the crop; None where no landmarks are known.
        reference: What is usual under these weights; None where they bring no statistics.
        place: Where the face lies among the classes; None without a reference.
        use: Looked at versus used; None where it was not asked for, or is still to come.
        attributions: By method name, in the order they were asked for; those that are ready.
    """

    labels: tuple[str, ...]
    prediction: Prediction
    target: int
    crop: FaceCrop
    input_pixels: np.ndarray
    heads: Heads
    fusion: Fusion
    regions: Regions | None
    reference: Reference | None
    place: ClassPlace | None
    use: Use | None
    attributions: Mapping[str, Attribution]


class Explainer:
    """Explains faces with one network. Safe to share between threads.

    Args:
        model: The network, on the device where it shall run. Its mode and flags stay as they are.
        detector: Finds the faces. None: CenterFace, made when first needed.
        reference: What is usual under these weights, or None.
    """

    def __init__(self, model: DAN, detector: FaceDetector | None = None, reference: Reference | None = None) -> None:
        self.model = model
        self.detector = detector
        self.reference = reference
        self._lock = threading.RLock()  # passes take turns: some methods hang hooks on the model

    @classmethod
    def from_pretrained(
        cls, weights: str | Path | None = None, preset: str | None = None, device: str = "auto"
    ) -> Explainer:
        """An explainer on the embedded weights, a folder, a published file or a Hub repository; see `load_checkpoint`.

        Where an earlier download serves because the Hub does not answer, that is said as a warning. The network goes to
        the device by that name (`choose_device`).
        """
        chosen = choose_device(device)
        checkpoint = load_checkpoint(weights, preset)
        if checkpoint.notice:
            warnings.warn(checkpoint.notice, stacklevel=2)
        return cls.of(checkpoint, chosen)

    @classmethod
    def of(cls, checkpoint: Checkpoint, device: torch.device, detector: FaceDetector | None = None) -> Explainer:
        """An explainer on a loaded checkpoint, with its reference statistics where it brings some.

        Raises:
            CheckpointError: The statistics cannot be read.
        """
        reference = None if checkpoint.reference is None else Reference.load(checkpoint.reference, checkpoint.model)
        return cls(checkpoint.model.to(device), detector, reference)

    @property
    def labels(self) -> tuple[str, ...]:
        """The K class names in index order."""
        return tuple(self.model.config.labels)

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return next(self.model.parameters()).device

    def faces(self, image: ImageLike) -> tuple[Face, ...]:
        """All faces in an image, largest first, in pixels of the upright image.

        Raises:
            ImageError: The image cannot be used.
        """
        if self.detector is None:
            self.detector = FaceDetector()
        return self.detector(read_image(image))

    def crop(self, photo: np.ndarray, face: Face) -> FaceCrop:
        """Cut a face out of a photo (H, W, 3) as this network was trained to see it."""
        return crop_face(photo, face, self.model.config.preprocess)

    def explain(
        self,
        image: ImageLike,
        target: int | str | None = None,
        attributions: Sequence[str] = (),
        face: FaceChoice = 0,
        use: bool = False,
    ) -> Explanation:
        """Explain one face of an image.

        Args:
            image: A path, PIL image or array; see `read_image`.
            target: The class to explain, by name or index. None: the predicted one.
            attributions: Names in `METHODS`, in the order they shall be computed.
            face: Which face: its place by size, "whole" for the whole image as one face, or a `Face` of `faces`.
            use: Whether to measure as well if the decision uses the cells that the heads attend (`Use`).

        Raises:
            ImageError: The image cannot be used.
            NoFaceError: There is no such face. The whole image is never taken unasked.
            ArgumentError: There is no such class or method.
        """
        return list(self.stream(image, target, attributions, face, use))[-1]

    def stream(
        self,
        image: ImageLike,
        target: int | str | None = None,
        attributions: Sequence[str] = (),
        face: FaceChoice = 0,
        use: bool = False,
    ) -> Iterator[Explanation]:
        """Like `explain`, each part as it is ready: prediction, heads and fusion, use, one attribution at a time."""
        photo = read_image(image)
        yield from self.stream_crop(self.crop(photo, self._choose(photo, face)), target, attributions, use)

    def stream_crop(
        self,
        crop: FaceCrop,
        target: int | str | None = None,
        attributions: Sequence[str] = (),
        use: bool = False,
        proceed: Callable[[], bool] = lambda: True,
    ) -> Iterator[Explanation]:
        """Like `stream`, for a face that is cut out already: another class or method needs no photo.

        Args:
            crop: One of this explainer's crops.
            target: As in `explain`.
            attributions: As in `explain`.
            use: As in `explain`.
            proceed: Asked before each pass through the network; when it says no, the stream ends.
        """
        index = None if target is None else self.class_index(target)
        check_methods(attributions)
        x = to_tensor(crop.pixels, self.model.config.preprocess).to(next(self.model.parameters()))
        with self._lock, frozen(self.model):
            stages = self.model.stages(x)
        explanation = self._first_results(crop, x, stages, index)
        yield explanation
        if use and proceed():
            with self._lock, frozen(self.model):
                measured = read_use(self.model, stages.features, explanation.heads, explanation.fusion)
            explanation = replace(explanation, use=measured)
            yield explanation
        for method in dict.fromkeys(attributions):
            try:
                result = attribute(Question(self.model, x, explanation.target, self._lock, proceed), method)
            except Stopped:
                return
            explanation = replace(explanation, attributions={**explanation.attributions, method: result})
            yield explanation

    def class_index(self, target: int | str) -> int:
        """The index of a class given by name or index.

        Raises:
            ArgumentError: There is no such class.
        """
        if isinstance(target, str) and target in self.labels:
            return self.labels.index(target)
        index = _integer(target)
        if index is not None and 0 <= index < len(self.labels):
            return index
        raise ArgumentError(f"There is no class {target!r}.", f"Choose from: {', '.join(self.labels)}.")

    def _choose(self, photo: np.ndarray, choice: FaceChoice) -> Face:
        if isinstance(choice, Face):
            return choice
        if isinstance(choice, str) and choice == "whole":
            return whole_image(photo)
        faces = self.faces(photo)
        if not faces:
            raise NoFaceError(
                "No face was found in this image.", 'Take another image, or choose the whole one: "whole".'
            )
        index = _integer(choice)
        if index is None or not 0 <= index < len(faces):
            raise NoFaceError(f"There is no face {choice!r}.", f"This image has {len(faces)}, numbered from 0 by size.")
        return faces[index]

    def _first_results(self, crop: FaceCrop, x: Tensor, stages: Stages, target: int | None) -> Explanation:
        logits = stages.logits[0].cpu()
        if not torch.isfinite(logits).all():
            raise CheckpointError("With these weights the logits are not finite.", "Take other weights.")
        probabilities = logits.softmax(dim=0)
        best = int(logits.argmax())
        target = best if target is None else target
        return Explanation(
            labels=self.labels,
            prediction=Prediction(self.labels[best], best, probabilities, logits),
            target=target,
            crop=crop,
            input_pixels=to_pixels(x, self.model.config.preprocess),
            heads=read_heads(stages),
            fusion=read_fusion(self.model, stages, target),
            regions=read_regions(crop, self.model.config.preprocess),
            reference=self.reference,
            place=None if self.reference is None else place(stages.features[0], self.reference),
            use=None,
            attributions={},
        )


def _integer(value: object) -> int | None:
    """A whole number of any kind, NumPy's included, but no truth value; None for anything else."""
    if isinstance(value, (bool, np.bool_)):
        return None
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        return None
