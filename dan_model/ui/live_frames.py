"""One camera frame -> its face, prediction and maps as JSON. Nothing of a frame is kept, logged or written to disk.

The browser sends a frame with where the face was in the frame before, so that the server stores nothing between frames.
"""

from __future__ import annotations

import base64
import binascii
import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from torch import Tensor

from dan_model.errors import DanError
from dan_model.explain import Explainer
from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ablate, channels_won, integrate
from dan_model.explain.score import Score
from dan_model.faces import Face, follow, read_image

MAX_FRAME = 200_000  # characters of a frame as a data: address; 320 × 240 pixels have about 20,000
MAX_SIDE = 960  # pixels of a frame
START = "data:image/jpeg;base64,"
WHOLE_EVERY = 30  # frames after which the whole frame is searched again, for a larger face
LEVELS = 255  # of a cell in an answer
MAX_VIEWERS = 8  # at once; further ones are refused
VIEWER_SECONDS = 5.0  # after the last frame, a viewer's place is free again
PATIENCE = 2.0  # seconds that a frame waits for its turn; then it is dropped


@dataclass(frozen=True)
class FrameRequest:
    """What the browser sends with a frame.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, not mirrored.
        last: Box of the face in the frame before, (4,), in parts of the frame; None to search the whole frame.
        chosen: Where the visitor clicked, (2,), in parts of the frame, to choose a face; or None.
        off: The heads that are switched off, from 0.
    """

    pixels: np.ndarray
    last: np.ndarray | None
    chosen: np.ndarray | None
    off: tuple[int, ...]

    @classmethod
    def parse(cls, sent: Mapping[str, Any], heads: int) -> FrameRequest | None:
        """A request from what a browser sent; None for anything that is none, or a frame that cannot be read."""
        frame, off = sent.get("frame"), sent.get("off", [])
        if not isinstance(frame, str) or not frame.startswith(START) or len(frame) > MAX_FRAME:
            return None
        if not isinstance(off, list) or not all(type(h) is int and 0 <= h < heads for h in off):
            return None
        try:
            pixels = read_image(base64.b64decode(frame[len(START) :], validate=True))
        except (DanError, ValueError, binascii.Error):
            return None
        if max(pixels.shape[:2]) > MAX_SIDE:
            return None
        return cls(pixels, _numbers(sent.get("last"), 4), _numbers(sent.get("chosen"), 2), tuple(off))


def answer_frame(explainer: Explainer, request: FrameRequest) -> dict[str, Any]:
    """What the browser draws of a frame; `{"face": null}` where no face is found.

    Returns:
        `face`: the box, in parts of the frame. `to_frame`: six numbers, row by row, that map a position in the crop to
        the frame, all in parts. `probabilities` of the classes. `cells`: 49 whole numbers up to `LEVELS` for each head,
        all on one scale. `target`: the index of the predicted class. `contributions` of the heads to its
        log-probability, in nats. `won`: the part of the channels that each head wins. Prediction and contributions are
        those with the heads that the visitor switched off; what the heads attend to, and win, does not change.
    """
    size = np.array(request.pixels.shape[1::-1])  # width, height
    face = find_face(explainer, request)
    if face is None:
        return {"face": None}
    crop = explainer.crop(request.pixels, face)
    e = next(explainer.stream_crop(crop))
    cells = e.heads.spatial.flatten(start_dim=1)
    levels = (cells / (float(cells.max()) or 1.0) * LEVELS).round().int()
    probabilities, contributions = _decision(e, request.off)
    return {
        "face": _rounded((face.box.reshape(2, 2) / size).flatten()),
        "to_frame": _rounded((crop.to_photo / size[:, None]).flatten(), 5),
        "probabilities": _rounded(probabilities, 4),
        "target": int(probabilities.argmax()),
        "cells": levels.tolist(),
        "contributions": _rounded(contributions, 2),
        "won": _rounded(channels_won(e.heads.embeddings)),
    }


def find_face(explainer: Explainer, request: FrameRequest) -> Face | None:
    """The face near the last one; else the one that was clicked, or the largest; None where there is none."""
    size = np.array(request.pixels.shape[1::-1])
    if request.last is not None and request.chosen is None and explainer.detector is not None:
        face = follow(explainer.detector, request.pixels, (request.last.reshape(2, 2) * size).flatten())
        if face is not None:
            return face
    faces = explainer.faces(request.pixels)
    if request.chosen is None or not faces:
        return next(iter(faces), None)
    point = request.chosen * size
    return min(faces, key=lambda one: float(np.hypot(*((one.box[:2] + one.box[2:]) / 2 - point))))


class Turns:
    """Frames of several viewers take turns, one at a time, in the order in which they came.

    Args:
        clock: Returns the seconds of a steady clock.
    """

    def __init__(self, clock: Any = time.monotonic) -> None:
        self._clock = clock
        self._condition = threading.Condition()
        self._waiting: deque[object] = deque()
        self._seen: dict[str, float] = {}  # by viewer
        self._under_way: set[str] = set()

    def viewers(self) -> int:
        """How many viewers sent a frame lately."""
        now = self._clock()
        return sum(now - seen <= VIEWER_SECONDS for seen in self._seen.values())

    @contextmanager
    def turn(self, viewer: str) -> Iterator[str | None]:
        """Wait for the turn of a viewer's frame.

        Yields:
            None when it is its turn; else why it is refused: "full", "busy", or "twice" for a second frame at once.
        """
        mine = object()
        with self._condition:
            now = self._clock()
            self._seen = {one: seen for one, seen in self._seen.items() if now - seen <= VIEWER_SECONDS}
            refusal = "full" if viewer not in self._seen and len(self._seen) >= MAX_VIEWERS else None
            refusal = "twice" if viewer in self._under_way else refusal
            if refusal is None:
                self._seen[viewer] = now
                self._under_way.add(viewer)
                self._waiting.append(mine)
                if not self._condition.wait_for(lambda: self._waiting[0] is mine, PATIENCE):
                    refusal = "busy"
                    self._leave(viewer, mine)
        try:
            yield refusal
        finally:
            if refusal is None:
                with self._condition:
                    self._leave(viewer, mine)

    def _leave(self, viewer: str, mine: object) -> None:
        self._under_way.discard(viewer)
        self._waiting.remove(mine)
        self._condition.notify_all()


def _decision(e: Explanation, off: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The probabilities, and the contributions of the heads to the predicted class.

    Heads that are switched off have zero embeddings, as on the rest of the page.
    """
    if not off:
        return e.prediction.probabilities, e.fusion.contributions
    embeddings, classifier = reduce(ablate, off, e.heads.embeddings), e.fusion.classifier
    probabilities = classifier.logits(embeddings).softmax(dim=0)
    score = Score(int(probabilities.argmax()))
    return probabilities, score.pick(integrate(classifier, embeddings, score).ledger)


def _numbers(sent: object, count: int) -> np.ndarray | None:
    """So many finite numbers; None for anything else."""
    if not isinstance(sent, list) or len(sent) != count:
        return None
    if not all(isinstance(one, (int, float)) and math.isfinite(one) for one in sent):
        return None
    return np.array(sent, dtype=np.float64)


def _rounded(values: Any, digits: int = 3) -> list[float]:
    return [round(float(one), digits) for one in values]
