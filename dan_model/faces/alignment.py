"""Face -> aligned square crop, with the exact way back to the photo.

Coordinates are continuous: pixel i covers [i, i + 1), its centre lies at i + 0.5. Points are (x, y).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from dan_model.config import LandmarkTemplate, PreprocessConfig
from dan_model.errors import NoFaceError
from dan_model.faces.detection import Face, FaceDetector, whole_image

AVERAGE_SIDE = 224  # pixels; of the average face
MAX_CROP_SIDE = 672  # pixels; twice the size of a tile
OUTSIDE_SIDE = 500  # pixels a side with which the part of a crop that is not in the photo is measured


@dataclass(frozen=True, eq=False)
class FaceCrop:
    """A square, upright crop of a face, at the photo's resolution but with at most `MAX_CROP_SIDE` pixels a side.

    Attributes:
        face: The face, in the photo's pixels.
        pixels: (S, S, 3) uint8 RGB.
        to_photo: (2, 3); maps a crop position (x, y, 1), x and y in [0, 1], to the photo's pixels.
        side: Side of the crop, in pixels of the photo.
        small: Whether the crop has fewer of the photo's pixels than the network's training images have.
        photo_size: Height and width of the photo.
    """

    face: Face
    pixels: np.ndarray
    to_photo: np.ndarray
    side: float
    small: bool
    photo_size: tuple[int, int]
    _greys: dict[int, np.ndarray] = field(default_factory=dict, init=False, repr=False)

    def grey(self, side: int) -> np.ndarray:
        """The crop in grey, (side, side) uint8; kept, since every map is drawn over it."""
        if side not in self._greys:
            resized = Image.fromarray(self.pixels).convert("L").resize((side, side), Image.Resampling.LANCZOS)
            self._greys[side] = np.asarray(resized)
        return self._greys[side]

    @cached_property
    def part_outside(self) -> float:
        """The part of the crop that is not in the photo, in [0, 1]; there, the photo's edge pixels are repeated."""
        return float(self.outside(OUTSIDE_SIDE).mean())

    def outside(self, side: int) -> np.ndarray:
        """Which pixels of the crop, drawn with (side, side) pixels, have their centre outside the photo; bool."""
        height, width = self.photo_size
        centres = (np.arange(side) + 0.5) / side
        (a, b, left), (c, d, top) = self.to_photo
        x, y = np.add.outer(b * centres + left, a * centres), np.add.outer(d * centres + top, c * centres)
        found: np.ndarray = (x < 0) | (x > width) | (y < 0) | (y > height)
        return found

    def place_on_photo(self, values: np.ndarray, photo_size: tuple[int, int]) -> np.ndarray:
        """Warp a map of the crop to its place in the photo.

        Args:
            values: Numbers over the crop at any resolution, (s, s) or (s, s, n).
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


def template_face(photo: np.ndarray, preprocess: PreprocessConfig) -> Face:
    """The whole photo as a face that is already aligned with the template, such as an image of the training set."""
    face, template = whole_image(photo), preprocess.landmark_template
    if template is None:
        return face
    return Face(face.box, None, np.array(template.points) * face.size)


def crop_face(photo: np.ndarray, face: Face, preprocess: PreprocessConfig) -> FaceCrop:
    """Crop a face the way the network's training images were cropped.

    With landmarks and a template: by the similarity transform (rotation, scale, shift) that maps the landmarks to the
    template with the least squared error. Otherwise: the square around the box, with the configured margin (none for
    the whole image). Outside the photo, its edge pixels are repeated.

    Args:
        photo: (H, W, 3) uint8 RGB.
        face: One of the detector's faces in this photo, or `whole_image(photo)`.
        preprocess: The checkpoint's preprocessing.

    Raises:
        NoFaceError: The face has no extent: its box or its landmarks coincide in one point, or are not finite.
    """
    # The transform from the crop to the photo, and the crop's side in pixels of the photo.
    if face.landmarks is not None and preprocess.landmark_template is not None:
        to_photo = _similarity(np.array(preprocess.landmark_template.points), face.landmarks)
    else:
        to_photo = _square(face, 0.0 if face.score is None else preprocess.margin)
    side = float(np.hypot(*to_photo[:, 0]))
    if not np.isfinite(to_photo).all() or side < 1:
        raise NoFaceError("This face has no extent.", "Choose another face, or the whole image.")
    # Resample. A crop with fewer pixels than the photo is first reduced by averaging: sampling would skip pixels.
    target = int(np.clip(round(side), 16, MAX_CROP_SIDE))
    region, offset = _surroundings(photo, to_photo)
    to_region = to_photo / (target, target, 1) - [[0, 0, offset[0]], [0, 0, offset[1]]]
    shrink = max(1, int(side / target))
    region = np.asarray(Image.fromarray(region).reduce(shrink))
    pixels = np.rint(_warp(region, to_region / shrink, (target, target))).astype(np.uint8)
    small = side < (preprocess.detail_size or preprocess.image_size)
    return FaceCrop(face, pixels, to_photo, side, small, photo.shape[:2])


def median_template(photos: Iterable[np.ndarray], detector: FaceDetector) -> tuple[LandmarkTemplate, int]:
    """Derive a landmark template from cropped faces, so that new crops are aligned in the same way.

    Args:
        photos: Square face crops of a training set, each (S, S, 3) uint8.
        detector: Finds the landmarks.

    Returns:
        The median position of each landmark, and the number of crops in which exactly one face was found.

    Raises:
        NoFaceError: The detector found no face in any of them.
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
    """Crop the only face of a photo (H, W, 3); None if there is no face, more than one, or one without extent."""
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
    """Compute the mean of aligned faces.

    Args:
        photos: Face crops of a training set, each (S, S, 3) uint8.
        detector: Finds the landmarks by which the faces are aligned.
        preprocess: The checkpoint's preprocessing, with a landmark template.

    Returns:
        (AVERAGE_SIDE, AVERAGE_SIDE, 3) uint8, and the number of photos in which exactly one face was found.

    Raises:
        NoFaceError: The detector found no face in any of them.
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


def _similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The least-squares similarity transform (2, 3) from source to target points, both (N, 2).

    Written with complex numbers, a similarity is w = a·z + b.
    """
    z, w = source @ (1, 1j), target @ (1, 1j)
    centred = z - z.mean()
    a = np.vdot(centred, w - w.mean()) / np.vdot(centred, centred)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def _square(face: Face, margin: float) -> np.ndarray:
    """The transform (2, 3) from the crop to the square around a face's box."""
    side = max(face.size) * (1 + 2 * margin)
    left, top = (face.box[:2] + face.box[2:]) / 2 - side / 2
    return np.array([[side, 0, left], [0, side, top]])


def _surroundings(photo: np.ndarray, to_photo: np.ndarray) -> tuple[np.ndarray, tuple[int, int]]:
    """The part of the photo that the crop covers, and its upper left corner (x, y); saves work on large photos."""
    height, width = photo.shape[:2]
    corners = to_photo @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])  # (2, 4)
    left, top = (int(np.clip(v.min() - 2, 0, n - 1)) for v, n in zip(corners, (width, height), strict=True))
    right, bottom = (int(np.clip(v.max() + 3, 1, n)) for v, n in zip(corners, (width, height), strict=True))
    return photo[top : max(bottom, top + 1), left : max(right, left + 1)], (left, top)


def _warp(image: np.ndarray, to_image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resample an image bilinearly; outside, its edge pixels are repeated.

    Args:
        image: (h, w, n).
        to_image: (2, 3); maps pixel coordinates of the result to those of the image.
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
    """The centre (x, y, 1) of every pixel, (H, W, 3)."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    return np.stack([x, y, np.ones_like(x)], axis=-1)
