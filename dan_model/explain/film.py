"""A film explained, one sampled frame at a time: who is there, and what heads and fusion make of each face.

Nothing of a frame is kept but numbers, so that the length of a film does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from dan_model.errors import ArgumentError, NoFaceError
from dan_model.explain.explainer import Explainer
from dan_model.explain.fusion import channels_won
from dan_model.faces import FaceDetector, FilmFrame, People, whole_image
from dan_model.network import TRAINING_PRIOR


@dataclass(frozen=True, eq=False)
class FilmFace:
    """One person's face in one sample of a film.

    Attributes:
        person: The number of the person, from 1; see `People`.
        box: Left, top, right, bottom in pixels of the frame, (4,).
        label: The predicted class.
        probabilities: Of the K classes, (K,).
        contributions: Of each head to the explained class, (H,), in the unit of the score (nats by default).
        won: The fraction of all channels that each head wins, (H,), as in `TugOfWar`.
        spatial: The map of each head, (H, 7, 7), >= 0.
        to_photo: (2, 3); maps a crop position (x, y, 1), x and y in [0, 1], to the frame's pixels.
    """

    person: int
    box: np.ndarray
    label: str
    probabilities: np.ndarray
    contributions: np.ndarray
    won: np.ndarray
    spatial: np.ndarray
    to_photo: np.ndarray


@dataclass(frozen=True, eq=False)
class FilmSample:
    """What one sampled frame of a film shows.

    Attributes:
        time: Seconds since the film's first frame.
        faces: By person; empty where no face was found.
        left_out: Faces that were found but not explained, beyond the most that were asked for.
    """

    time: float
    faces: tuple[FilmFace, ...]
    left_out: int = 0


class FilmExplainer:
    """Explains the frames of one film, which must come in the order of their times.

    Args:
        explainer: Explains the faces.
        most: How many faces of a frame are explained at most, the largest ones. None: all.
        whole: Whether each frame is taken as one face, without face detection.
        target: As for `Explainer.explain`; so are `against`, `head`, `score` and `prior`. They decide what
            the contributions are to.

    Raises:
        ArgumentError: There is no such class, score or prior.
    """

    def __init__(
        self,
        explainer: Explainer,
        most: int | None = None,
        whole: bool = False,
        target: int | str | None = None,
        against: int | str | None = None,
        head: int | None = None,
        score: str | None = None,
        prior: str = TRAINING_PRIOR,
    ) -> None:
        if most is not None and most < 1:
            raise ArgumentError(f"At most {most} faces cannot be explained.", "Give a number above 0.")
        if explainer.detector is None:
            explainer.detector = FaceDetector()
        self._explainer, self._most, self._whole = explainer, most, whole
        self._explained = {"target": target, "against": against, "head": head, "score": score, "prior": prior}
        self.people = People(explainer.detector)

    def __call__(self, frame: FilmFrame) -> FilmSample:
        """Explain the faces of a frame."""
        faces = {1: whole_image(frame.pixels)} if self._whole else self.people(frame.time, frame.pixels)
        by_size = sorted(faces, key=lambda person: -faces[person].size[0] * faces[person].size[1])
        chosen = sorted(by_size[: self._most])
        explained = []
        for person in chosen:
            try:
                crop = self._explainer.crop(frame.pixels, faces[person])
            except NoFaceError:  # without extent
                continue
            e = next(self._explainer.stream_crop(crop, **self._explained))  # type: ignore[arg-type]
            explained.append(
                FilmFace(
                    person, faces[person].box, e.prediction.label, e.prediction.probabilities.numpy(),
                    e.fusion.contributions.numpy(), channels_won(e.heads.embeddings).numpy(), e.heads.spatial.numpy(),
                    crop.to_photo,
                )
            )  # fmt: skip
        return FilmSample(frame.time, tuple(explained), len(faces) - len(explained))
