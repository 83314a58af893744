"""A face is followed from one frame to the next as a search of the whole frame would find it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dan_model.faces import follow
from tests.fixtures.examples import EXAMPLES


def frame(x: int, y: int, side: int = 240, angle: float = 0.0) -> np.ndarray:
    """A camera frame of 480 × 360 pixels with a face at a place."""
    face = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB").resize((side, side)).rotate(angle)
    picture = Image.new("RGB", (480, 360), (90, 90, 90))
    picture.paste(face, (x, y))
    return np.asarray(picture)


@pytest.mark.parametrize(
    ("x", "y", "side", "angle"), [(100, 40, 240, 0), (120, 50, 240, 0), (85, 30, 270, 0), (100, 45, 220, 12)]
)
def test_a_face_that_moves_grows_or_tilts_is_found_where_the_whole_frame_has_it(detector, x, y, side, angle):
    last = detector(frame(100, 40))[0].box
    moved = frame(x, y, side, angle)
    found, expected = follow(detector, moved, last), detector(moved)[0]
    assert found is not None
    eyes = np.linalg.norm(expected.landmarks[1] - expected.landmarks[0])
    assert np.abs(found.landmarks - expected.landmarks).max() < 0.12 * eyes


def test_a_face_that_left_its_place_is_lost(detector):
    last = detector(frame(0, 0, 150))[0].box
    assert follow(detector, frame(330, 210, 150), last) is None


@pytest.mark.parametrize("last", [[5, 5, 5, 5], [0, 0, np.inf, 9], [0, 0, 1e9, 1e9], [9, 9, -9, -9]])
def test_no_place_is_no_face(detector, last):
    assert follow(detector, frame(100, 40), np.array(last, dtype=float)) is None


def test_of_two_faces_the_followed_one_stays(detector):
    picture = np.asarray(Image.open(EXAMPLES / "two_faces.jpg").convert("RGB"))
    for face in detector(picture):
        found = follow(detector, picture, face.box)
        assert np.abs(found.box - face.box).max() < 0.2 * max(face.size)
