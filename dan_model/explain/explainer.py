"""The explainer: image in, explanation out, each part as soon as it is ready."""

from __future__ import annotations

import hashlib
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dan_model.devices import choose_device, in_full_precision
from dan_model.errors import ArgumentError
from dan_model.explain.attended_vs_used import measure_attended_vs_used
from dan_model.explain.attributions import Attribution, AttributionTask, attribute_each, parse_requests
from dan_model.explain.cache import Cache
from dan_model.explain.choices import FaceChoice, choose_face, class_index
from dan_model.explain.explanation import Explanation, Prediction
from dan_model.explain.faithfulness import (
    Faithfulness,
    ParameterRandomisation,
    measure_faithfulness,
    measure_randomisation,
)
from dan_model.explain.fusion import compute_fusion
from dan_model.explain.heads import compute_heads
from dan_model.explain.pass_order import PassLock, PassOrder
from dan_model.explain.reference import Reference, compute_class_distances
from dan_model.explain.regions import compute_regions
from dan_model.explain.score import Score
from dan_model.faces import (
    Face,
    FaceCrop,
    FaceDetector,
    ImageLike,
    Photo,
    crop_face,
    find_faces,
    to_pixels,
    to_tensor,
)
from dan_model.network import DAN, PRIORS, TRAINING_PRIOR, Stages, frozen, with_uniform_prior
from dan_model.weights import Checkpoint, load_checkpoint

CACHE_BYTES = 64_000_000  # of attributions that an explainer stores: about 300


class Explainer:
    """Explains faces with one network. Safe to share between threads.

    Args:
        model: The network, on the device where it runs. Its mode and flags stay as they are.
        detector: Finds the faces. None: CenterFace, created when it is first needed.
        reference: Statistics over many faces under these weights, or None.
        cache_bytes: How many bytes of attributions are stored, for requests that are repeated; 0: none.
    """

    def __init__(
        self,
        model: DAN,
        detector: FaceDetector | None = None,
        reference: Reference | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.model = model
        self.detector = detector
        self.reference = reference
        self.cache: Cache[Attribution] = Cache(cache_bytes)
        self._key = object()  # distinguishes the results of this network in a shared cache
        self._order = PassOrder()  # one pass at a time: some methods register hooks on the model

    def __getstate__(self) -> dict[str, Any]:
        """A copy has its own network, and an empty cache: a lock cannot be copied."""
        return {
            "model": self.model,
            "detector": self.detector,
            "reference": self.reference,
            "cache_bytes": self.cache.limit,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    @classmethod
    def from_pretrained(
        cls, weights: str | Path | None = None, preset: str | None = None, device: str = "auto"
    ) -> Explainer:
        """An explainer on the embedded weights, a folder, a published file or a Hub repository; see `load_checkpoint`.

        `device` is a name for `choose_device`. A warning says where an earlier download stands in for the Hub.
        """
        chosen = choose_device(device)
        checkpoint = load_checkpoint(weights, preset)
        if checkpoint.notice:
            warnings.warn(checkpoint.notice, stacklevel=2)
        return cls.from_checkpoint(checkpoint, chosen)

    @classmethod
    def from_checkpoint(
        cls,
        checkpoint: Checkpoint,
        device: torch.device,
        detector: FaceDetector | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Explainer:
        """An explainer on a loaded checkpoint, with its reference statistics if it has any.

        Raises:
            CheckpointError: The statistics cannot be read.
        """
        reference = None if checkpoint.reference is None else Reference.load(checkpoint.reference, checkpoint.model)
        model = checkpoint.model.to(device).to(memory_format=torch.channels_last)  # a fifth faster on CPUs
        return cls(model, detector, reference, cache_bytes)

    @property
    def labels(self) -> tuple[str, ...]:
        """The K class names in index order."""
        return tuple(self.model.config.labels)

    @property
    def device(self) -> torch.device:
        """The device of the network."""
        return next(self.model.parameters()).device

    def faces(self, image: ImageLike) -> tuple[Face, ...]:
        """All faces in an image, largest first, in pixels of the upright image. See `find_faces`."""
        return self.find_faces(image)[1]

    def find_faces(self, image: ImageLike, stretch: bool = False) -> tuple[Photo, tuple[Face, ...]]:
        """An image as it was read, and all its faces, largest first; see `faces.find_faces`.

        Raises:
            ImageError: The image cannot be used.
        """
        if self.detector is None:
            self.detector = FaceDetector()
        return find_faces(image, self.detector, stretch)

    def crop(self, photo: np.ndarray, face: Face) -> FaceCrop:
        """Crop a face from a photo (H, W, 3) as this network was trained to see it."""
        return crop_face(photo, face, self.model.config.preprocess)

    def explain(
        self,
        image: ImageLike,
        target: int | str | None = None,
        attributions: str | Sequence[str] = (),
        face: FaceChoice = 0,
        attended_vs_used: bool = False,
        against: int | str | None = None,
        head: int | None = None,
        score: str | None = None,
        prior: str = TRAINING_PRIOR,
    ) -> Explanation:
        """Explain one face of an image.

        Args:
            image: A path, PIL image or array; see `read_image`.
            target: The class to explain, by name or index. None: the predicted one.
            attributions: Names in `METHODS`, or requests with baseline and settings ("occlusion@blur:window=16", see
                `AttributionRequest`), in the order in which they are computed; a single one may be given as it is.
            face: Which face: its rank by size, from 0; "whole" for the whole image as one face; or a `Face` of `faces`.
            attended_vs_used: Whether to measure if the decision depends on the attended cells (`AttendedVsUsed`).
            against: Explain the target rather than this class, a contrast. None: compared with no single class.
            head: Explain only the contribution of this head, counted from 0. None: all heads.
            score: What is explained of the target, in `SCORES`. None: the contrast where `against` is given, else the
                log-probability.
            prior: In `PRIORS`. "uniform": what the network would say if every class were equally likely.

        Raises:
            ImageError: The image cannot be used.
            NoFaceError: There is no such face. The whole image is only explained on request.
            ArgumentError: There is no such class, method, score or prior.
        """
        parts = self.stream(
            image, target, attributions, face,
            against=against, head=head, attended_vs_used=attended_vs_used, score=score, prior=prior,
        )  # fmt: skip
        return deque(parts, maxlen=1).pop()

    def stream(
        self,
        image: ImageLike,
        target: int | str | None = None,
        attributions: str | Sequence[str] = (),
        face: FaceChoice = 0,
        *,
        against: int | str | None = None,
        head: int | None = None,
        attended_vs_used: bool = False,
        score: str | None = None,
        prior: str = TRAINING_PRIOR,
        should_continue: Callable[[], bool] = lambda: True,
    ) -> Iterator[Explanation]:
        """Like `explain`, each part as it is ready: heads and fusion, then the attributions, coarse before fine."""
        photo, chosen = choose_face(image, face, self.find_faces)
        crop = self.crop(photo.pixels, chosen)
        for part in self.stream_crop(
            crop, target, attributions, attended_vs_used, should_continue, against, head, score=score, prior=prior
        ):
            yield replace(part, notes=photo.notes)

    @in_full_precision
    def stream_crop(
        self,
        crop: FaceCrop,
        target: int | str | None = None,
        attributions: str | Sequence[str] = (),
        attended_vs_used: bool = False,
        should_continue: Callable[[], bool] = lambda: True,
        against: int | str | None = None,
        head: int | None = None,
        cache: Cache[Attribution] | None = None,
        score: str | None = None,
        prior: str = TRAINING_PRIOR,
    ) -> Iterator[Explanation]:
        """Like `stream`, for one of this explainer's crops: another class or method needs no photo.

        `should_continue` is called before each pass through the network; when it returns False, the stream ends.
        `cache` is where attributions are stored; None: the explainer's own cache.
        """
        target, against = (None if one is None else self.class_index(one) for one in (target, against))
        requests, model = parse_requests(attributions), self.network(prior)
        # Heads and fusion, from one pass.
        x = self.input_of(crop)
        lock = PassLock(self._order)
        with lock, frozen(model), torch.no_grad():
            stages = model.stages(x)
        explanation = self.explain_stages(crop, stages, target, against, head, score, prior, x)
        yield explanation
        # Whether the attended cells are used.
        if attended_vs_used and should_continue():
            with lock, frozen(model):
                measured = measure_attended_vs_used(model, stages.features, explanation.heads, explanation.fusion)
            explanation = replace(explanation, attended_vs_used=measured)
            yield explanation
        # Attributions; the key has what the network computes, for its weights may have changed.
        digest = hashlib.sha256()
        for tensor in (x, stages.embeddings, stages.logits):
            digest.update(tensor.cpu().numpy().tobytes())
        key = (self._key, digest.digest(), explanation.regions is None, explanation.score)
        task = replace(self.task(explanation, should_continue), lock=lock)
        for request, result in attribute_each(task, requests, key, self.cache if cache is None else cache):
            explanation = replace(explanation, attributions={**explanation.attributions, request.text: result})
            yield explanation

    def explain_stages(
        self,
        crop: FaceCrop,
        stages: Stages,
        target: int | str | None = None,
        against: int | str | None = None,
        head: int | None = None,
        score: str | None = None,
        prior: str = TRAINING_PRIOR,
        x: Tensor | None = None,
    ) -> Explanation:
        """What `explain` says of a crop without attributions, from the stages (B = 1) of its pass; no further pass.

        `x` is the crop as the network's input, if it is computed already.
        """
        prediction = Prediction.from_logits(stages.logits[0].cpu(), self.labels)
        chosen = self.class_index(prediction.index if target is None else target)
        explained = Score(chosen, None if against is None else self.class_index(against), head, score or "")
        config, model = self.model.config, self.network(prior)
        explained.validate(len(self.labels), config.num_heads)
        return Explanation(
            labels=self.labels,
            prediction=prediction,
            score=explained,
            prior=prior,
            crop=crop,
            input_pixels=to_pixels(self.input_of(crop) if x is None else x, config.preprocess),
            heads=compute_heads(stages),
            fusion=compute_fusion(model, stages, explained),
            regions=compute_regions(crop, config.preprocess),
            reference=self.reference,
            class_distances=None
            if self.reference is None
            else compute_class_distances(stages.features[0], self.reference),
            provenance=config.provenance,
        )

    @in_full_precision
    def faithfulness(
        self,
        explanation: Explanation,
        sensitivity: bool = True,
        baseline: str = "blur",
        should_continue: Callable[[], bool] = lambda: True,
    ) -> Iterator[Faithfulness]:
        """Measure whether the maps of an explanation of this explainer deserve trust; see `Faithfulness`.

        Each result includes those before it: the controls, then one map at a time, then the sensitivity of one map at a
        time. Ends early, without an error, when `should_continue` returns False.

        Args:
            explanation: An explanation of this explainer; its maps that are ready are measured.
            sensitivity: Whether to compute every map again for noisy copies, which takes the longest by far.
            baseline: What replaces the removed patches, in `BASELINES`.
            should_continue: Called before each pass through the network.
        """
        return measure_faithfulness(self.task(explanation, should_continue), explanation, sensitivity, baseline)

    @in_full_precision
    def randomisation(
        self, explanation: Explanation, should_continue: Callable[[], bool] = lambda: True
    ) -> Iterator[ParameterRandomisation]:
        """Compute the maps of an explanation with more and more random weights; see `ParameterRandomisation`.

        Each result includes those before it. The network of the explainer stays as it is.
        """
        return measure_randomisation(self.task(explanation, should_continue), explanation)

    def input_of(self, crop: FaceCrop) -> Tensor:
        """A crop as the input of the network, (1, 3, 224, 224), on its device."""
        return to_tensor(crop.pixels, self.model.config.preprocess).to(next(self.model.parameters()))

    def task(self, explanation: Explanation, should_continue: Callable[[], bool] = lambda: True) -> AttributionTask:
        """The task of explaining the face and the score of an explanation, for methods and measurements."""
        mean_face = None if self.reference is None else self.reference.mean_face
        model, x, e = self.network(explanation.prior), self.input_of(explanation.crop), explanation
        return AttributionTask(model, x, e.score, PassLock(self._order), should_continue, e.regions, mean_face)

    def network(self, prior: str) -> DAN:
        """The network under one of `PRIORS`.

        Raises:
            ArgumentError: There is no such prior, or the class prior of these weights is not known.
        """
        if prior not in PRIORS:
            raise ArgumentError(f"There is no prior {prior!r}.", f"Choose from: {', '.join(PRIORS)}.")
        return self.model if prior == TRAINING_PRIOR else with_uniform_prior(self.model)

    def class_index(self, target: int | str) -> int:
        """The index of a class given by name or index.

        Raises:
            ArgumentError: There is no such class.
        """
        return class_index(self.labels, target)
