"""The composer: image in, explanation out, each part as soon as it is ready."""

from __future__ import annotations

import hashlib
import operator
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from dan_model.checkpoints import Checkpoint, load_checkpoint
from dan_model.devices import choose_device
from dan_model.errors import ArgumentError, CheckpointError, NoFaceError, Stopped
from dan_model.explain.attributions import Attribution, Question, attribute, parse_all
from dan_model.explain.cache import Cache
from dan_model.explain.explanation import Explanation, Prediction
from dan_model.explain.faithfulness import Faithfulness, measure_faithfulness
from dan_model.explain.fusion import read_fusion
from dan_model.explain.heads import read_heads
from dan_model.explain.reference import Reference, place
from dan_model.explain.regions import read_regions
from dan_model.explain.sanity import Sanity, check_sanity
from dan_model.explain.score import Score
from dan_model.explain.use import read_use
from dan_model.faces import Face, FaceCrop, FaceDetector, crop_face, whole_image
from dan_model.images import ImageLike, read_image
from dan_model.network import DAN, Stages, frozen
from dan_model.preprocess import to_pixels, to_tensor

FaceChoice = int | Literal["whole"] | Face
CACHE_BYTES = 64_000_000  # of attributions that an explainer keeps: some 300


class Explainer:
    """Explains faces with one network. Safe to share between threads.

    Args:
        model: The network, on the device where it shall run. Its mode and flags stay as they are.
        detector: Finds the faces. None: CenterFace, made when first needed.
        reference: What is usual under these weights, or None.
        cache_bytes: Of attributions that are kept for the same question asked again; 0: none.
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
        self._name = object()  # tells this network's results from others' in a shared cache
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
    def of(
        cls,
        checkpoint: Checkpoint,
        device: torch.device,
        detector: FaceDetector | None = None,
        cache_bytes: int = CACHE_BYTES,
    ) -> Explainer:
        """An explainer on a loaded checkpoint, with its reference statistics where it brings some.

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
        against: int | str | None = None,
        head: int | None = None,
    ) -> Explanation:
        """Explain one face of an image.

        Args:
            image: A path, PIL image or array; see `read_image`.
            target: The class to explain, by name or index. None: the predicted one.
            attributions: Names in `METHODS`, or requests with baseline and settings ("occlusion@blur:window=16", see
                `Request`), in the order they shall be computed.
            face: Which face: its place by size, "whole" for the whole image as one face, or a `Face` of `faces`.
            use: Whether to measure as well if the decision uses the cells that the heads attend (`Use`).
            against: Explain the target rather than this class.
            head: Explain this head's ledger entry alone, counted from 0.

        Raises:
            ImageError: The image cannot be used.
            NoFaceError: There is no such face. The whole image is never taken unasked.
            ArgumentError: There is no such class or method.
        """
        return list(self.stream(image, target, attributions, face, use, against, head))[-1]

    def stream(
        self,
        image: ImageLike,
        target: int | str | None = None,
        attributions: Sequence[str] = (),
        face: FaceChoice = 0,
        use: bool = False,
        against: int | str | None = None,
        head: int | None = None,
    ) -> Iterator[Explanation]:
        """Like `explain`, each part as it is ready: prediction, heads and fusion, use, one attribution at a time."""
        photo = read_image(image)
        crop = self.crop(photo, self._choose(photo, face))
        yield from self.stream_crop(crop, target, attributions, use, against=against, head=head)

    def stream_crop(
        self,
        crop: FaceCrop,
        target: int | str | None = None,
        attributions: Sequence[str] = (),
        use: bool = False,
        proceed: Callable[[], bool] = lambda: True,
        against: int | str | None = None,
        head: int | None = None,
        cache: Cache[Attribution] | None = None,
    ) -> Iterator[Explanation]:
        """Like `stream`, for a face that is cut out already: another class or method needs no photo.

        Args:
            crop: One of this explainer's crops.
            target: As in `explain`.
            attributions: As in `explain`.
            use: As in `explain`.
            proceed: Asked before each pass through the network; when it says no, the stream ends.
            against: As in `explain`.
            head: As in `explain`.
            cache: Where attributions are kept; None: the explainer's own.
        """
        wanted = None if target is None else self.class_index(target)
        rather = None if against is None else self.class_index(against)
        requests = parse_all(attributions)
        x = self.input_of(crop)
        with self._lock, frozen(self.model):
            stages = self.model.stages(x)
        explanation = self._first_results(crop, x, stages, wanted, rather, head)
        yield explanation
        if use and proceed():
            with self._lock, frozen(self.model):
                measured = read_use(self.model, stages.features, explanation.heads, explanation.fusion)
            explanation = replace(explanation, use=measured)
            yield explanation
        kept = self.cache if cache is None else cache
        face = hashlib.sha256()  # of what is seen, and of what these weights say: they may have changed meanwhile
        for tensor in (x, stages.embeddings, stages.logits):
            face.update(tensor.cpu().numpy().tobytes())
        for request in requests:
            key = (self._name, face.digest(), explanation.regions is None, explanation.score, request)
            result = kept.get(key)
            try:
                if result is None:
                    result = attribute(self.question(explanation, proceed), request)
                    kept.put(key, result)
            except Stopped:
                return
            explanation = replace(explanation, attributions={**explanation.attributions, request.text: result})
            yield explanation

    def faithfulness(
        self,
        explanation: Explanation,
        sensitivity: bool = True,
        baseline: str = "blur",
        proceed: Callable[[], bool] = lambda: True,
    ) -> Iterator[Faithfulness]:
        """Measure whether the maps of an explanation of this explainer deserve trust; see `Faithfulness`.

        Each result holds all before it: controls, then one map at a time, then their sensitivity one at a time. Ends
        early, without an error, where `proceed` says no.

        Args:
            explanation: Whose maps; only those that are ready.
            sensitivity: Whether to compute every map again for noisy copies; takes the longest by far.
            baseline: What takes the place of what is removed, in `BASELINES`.
            proceed: Asked before each pass through the network.
        """
        return measure_faithfulness(self.question(explanation, proceed), explanation, sensitivity, baseline)

    def sanity(self, explanation: Explanation, proceed: Callable[[], bool] = lambda: True) -> Iterator[Sanity]:
        """Compute an explanation's maps on networks that are more and more random; see `Sanity`.

        Each result holds all before it. The explainer's own network stays as it is.
        """
        return check_sanity(self.question(explanation, proceed), explanation)

    def input_of(self, crop: FaceCrop) -> Tensor:
        """A crop as the network gets it, (1, 3, 224, 224), on the network's device."""
        return to_tensor(crop.pixels, self.model.config.preprocess).to(next(self.model.parameters()))

    def question(self, explanation: Explanation, proceed: Callable[[], bool] = lambda: True) -> Question:
        """What methods and measurements are asked about an explanation's face and score."""
        mean_face = None if self.reference is None else self.reference.mean_face
        x = self.input_of(explanation.crop)
        return Question(self.model, x, explanation.score, self._lock, proceed, explanation.regions, mean_face)

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

    def _first_results(
        self, crop: FaceCrop, x: Tensor, stages: Stages, target: int | None, against: int | None, head: int | None
    ) -> Explanation:
        logits = stages.logits[0].cpu()
        if not torch.isfinite(logits).all():
            raise CheckpointError("With these weights the logits are not finite.", "Take other weights.")
        probabilities = logits.softmax(dim=0)
        best = int(logits.argmax())
        score = Score(best if target is None else target, against, head)
        score.check(self.model)
        return Explanation(
            labels=self.labels,
            prediction=Prediction(self.labels[best], best, probabilities, logits),
            score=score,
            crop=crop,
            input_pixels=to_pixels(x, self.model.config.preprocess),
            heads=read_heads(stages),
            fusion=read_fusion(self.model, stages, score.target, score.against),
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
