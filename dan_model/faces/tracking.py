"""A face from one camera frame to the next: sought near its last place, in a fifth of the time of a whole photo."""

from __future__ import annotations

import numpy as np
from PIL import Image

from dan_model.faces.detection import Face, FaceDetector, moved_face

WINDOW = 2.2  # side of the square in which a face is sought, as a multiple of its last box's longer side
WINDOW_SIDE = 160  # pixels of that square on the detector's canvas: the face then has about 70
SURE = 0.6  # lowest score of a face that is followed: one that turns away is sought in the whole frame instead


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
