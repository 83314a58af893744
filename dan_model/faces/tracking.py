"""A face from one frame to the next: sought near its last place, in a fifth of the time of a whole photo.

`follow` does that for one face, `People` for all faces of a film, which it numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from dan_model.faces.detection import SAME_FACE, Face, FaceDetector, moved_face, overlap

WINDOW = 2.2  # side of the square in which a face is sought, as a multiple of its last box's longer side
WINDOW_SIDE = 160  # pixels of that square on the detector's canvas: the face then has about 70
SURE = 0.6  # lowest score of a face that is followed: one that turns away is sought in the whole frame instead
WHOLE_SECONDS = 1.0  # after which an empty frame of a film is searched thoroughly again
GONE_SECONDS = 2.0  # after which a person of a film who was missing and comes back is another one
NEAR = 1 / 3  # intersection over union of wider boxes of one person in two frames: moved by less than its own width


def follow(detector: FaceDetector, photo: np.ndarray, last: np.ndarray) -> Face | None:
    """The face near the last box, or None where it is lost: then the whole frame must be searched.

    Args:
        detector: Finds the faces.
        photo: (H, W, 3) uint8 RGB; the present frame.
        last: The face's box in the frame before, (4,), in pixels.
    """
    height, width = photo.shape[:2]
    side = WINDOW * float(max(last[2] - last[0], last[3] - last[1]))
    left, top = (last[:2] + last[2:]) / 2 - side / 2
    if not np.isfinite(side) or side < 1 or side > WINDOW * max(width, height):
        return None
    # Outside the frame the window is black.
    window = Image.fromarray(photo).transform(
        (WINDOW_SIDE, WINDOW_SIDE),
        Image.Transform.AFFINE,
        (side / WINDOW_SIDE, 0, left, 0, side / WINDOW_SIDE, top),
        Image.Resampling.BILINEAR,
    )
    found = [face for face in detector.on_canvas(np.asarray(window)) if (face.score or 0.0) >= SURE]
    if not found:
        return None
    # The one nearest to the middle, where it was.
    middle = WINDOW_SIDE / 2
    nearest = min(found, key=lambda face: float(np.hypot(*((face.box[:2] + face.box[2:]) / 2 - middle))))
    scale = side / WINDOW_SIDE
    face = moved_face(nearest, np.eye(2) * scale, np.array([left, top]))
    box = face.box.clip(0, (width, height, width, height))
    return Face(box, face.score, face.landmarks) if (box[2:] > box[:2]).all() else None


class People:
    """The people of a film, from frame to frame, numbered from 1 as they appear.

    Each frame is searched as a photo is, so that its faces are those of the same picture elsewhere. A person is a face
    that stays near its place: who comes back later, or elsewhere, gets another number, and after a cut a face in the
    same place keeps it. While nobody is there, small faces and those that lie are found up to `WHOLE_SECONDS` late.

    Args:
        detector: Finds the faces.
    """

    def __init__(self, detector: FaceDetector) -> None:
        self._detector = detector
        self._seen: dict[int, tuple[Face, float]] = {}  # by person: the last face, and when
        self._present: list[int] = []  # in the frame before
        self._searched = -np.inf
        self.count = 0

    def __call__(self, time: float, photo: np.ndarray) -> dict[int, Face]:
        """The faces of a frame by person, in the order of their numbers.

        Args:
            time: Of the frame, in seconds; not before that of the frame before.
            photo: (H, W, 3) uint8 RGB.
        """
        self._seen = {
            person: one
            for person, one in self._seen.items()
            if person in self._present or time - one[1] <= GONE_SECONDS
        }
        found = self._named(self._search(time, photo))
        # Whom the search missed is sought near the last place.
        for person in self._present:
            if person not in found and person in self._seen:
                face = follow(self._detector, photo, self._seen[person][0].box)
                if face is not None and all(overlap(face.box, other.box) < SAME_FACE for other in found.values()):
                    found[person] = face
        self._present = sorted(found)
        self._seen |= {person: (face, time) for person, face in found.items()}
        return {person: found[person] for person in self._present}

    def _search(self, time: float, photo: np.ndarray) -> Sequence[Face]:
        """All faces; where nobody was there in the frame before, one pass is enough for a while."""
        due = time - self._searched >= WHOLE_SECONDS
        if not due and not self._present and not self._detector.upright(photo):
            return ()
        self._searched = time
        return self._detector(photo)

    def _named(self, faces: Sequence[Face]) -> dict[int, Face]:
        """The faces by person: whoever was seen last nearest to its place, or somebody new."""
        pairs = [
            (overlap(_wider(face.box), _wider(last.box)), person, n)
            for n, face in enumerate(faces)
            for person, (last, _) in self._seen.items()
        ]
        names: dict[int, int] = {}  # by face
        for nearness, person, n in sorted(pairs, reverse=True):
            if nearness >= NEAR and n not in names and person not in names.values():
                names[n] = person
        for n in range(len(faces)):
            if n not in names:
                self.count += 1
                names[n] = self.count
        return {names[n]: face for n, face in enumerate(faces)}


def _wider(box: np.ndarray) -> np.ndarray:
    """A box of twice the width and height around the same middle."""
    middle, half = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    return np.concatenate([middle - half, middle + half])
