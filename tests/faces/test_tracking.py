"""A face is followed from one frame to the next as a search of the whole frame would find it."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dan_model.faces import People, follow
from dan_model.faces.tracking import GONE_SECONDS
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.films import scene


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


def test_people_keep_their_numbers_while_they_move_and_get_new_ones_elsewhere(detector):
    people = People(detector)
    both = scene(("astronaut.jpg", (0, 30)), ("hopper.jpg", (240, 30)), size=(480, 240))
    first = people(0.0, both)
    assert list(first) == [1, 2]
    astronaut = min(first, key=lambda person: first[person].box[0])  # the one on the left
    # Both move by a third of a face; each face is that of the same picture searched as a photo.
    moved = scene(("astronaut.jpg", (25, 30)), ("hopper.jpg", (215, 30)), size=(480, 240))
    second = people(0.2, moved)
    assert min(second, key=lambda person: second[person].box[0]) == astronaut
    assert {tuple(face.box) for face in second.values()} == {tuple(face.box) for face in detector(moved)}
    # One is gone: the other keeps the number. Who comes back at once is the same; after a while, or elsewhere, not.
    alone = scene(("astronaut.jpg", (25, 30)), size=(480, 240))
    assert list(people(0.4, alone)) == [astronaut]
    assert set(people(0.6, moved)) == {1, 2}
    assert list(people(0.8, alone)) == [astronaut]
    assert list(people(0.8 + GONE_SECONDS + 0.1, moved)) == [astronaut, 3]
    cut = scene(("hopper.jpg", (60, 60)), size=(480, 240), side=130)  # another face in the same place
    assert list(people(3.1, cut)) == [astronaut]
    assert list(people(3.2, scene(("hopper.jpg", (240, 30)), size=(480, 240)))) == [3]


def test_an_empty_frame_is_searched_thoroughly_only_now_and_then(detector):
    class Counting:
        thorough = 0

        def __call__(self, photo):
            self.thorough += 1
            return detector(photo)

        def upright(self, photo):
            return detector.upright(photo)

    counting, empty = Counting(), scene(size=(160, 120))
    people = People(counting)
    assert [people(i / 10, empty) for i in range(25)] == [{}] * 25
    assert counting.thorough == 3  # at 0, 1 and 2 seconds
    assert list(people(2.5, scene(("astronaut.jpg", (10, 20))))) == [1]
