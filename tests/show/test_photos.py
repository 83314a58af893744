"""The photo with its faces numbered."""

from __future__ import annotations

import numpy as np
import pytest

from dan_model.show.photos import FACE_COLOUR, numbered, reduce_photo


def test_boxes_are_drawn_at_the_faces_in_the_reduced_photo():
    photo = np.zeros((1000, 2000, 3), np.uint8)
    reduced = reduce_photo(photo, 500)
    assert reduced.shape == (250, 500, 3)
    drawn = numbered(reduced, [np.array([500.0, 200.0, 900.0, 700.0]) / 4], chosen=0)
    assert not reduced.any()
    colour = np.array([int(FACE_COLOUR[i : i + 2], 16) for i in (1, 3, 5)])
    lit = np.argwhere((drawn == colour).all(axis=2))
    assert lit[:, 0].max() == pytest.approx(175, abs=1)
    assert lit[:, 1].max() == pytest.approx(225, abs=1)
