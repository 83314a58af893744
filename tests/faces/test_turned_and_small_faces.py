"""Faces that lie, and small faces in large photos, are found where they are."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.fixtures.examples import EXAMPLES


def turned(name: str, degrees: float) -> np.ndarray:
    image = Image.open(EXAMPLES / name).convert("RGB")
    return np.asarray(image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=(120, 120, 120)))


@pytest.mark.parametrize("degrees", [90, 180, 270])
@pytest.mark.parametrize("name", ["hopper.jpg", "astronaut.jpg", "mean_surprise.png", "mean_happiness.png"])
def test_a_photo_on_its_side_reads_as_the_upright_one(small_explainer, name, degrees):
    upright = small_explainer.explain(EXAMPLES / name).prediction.probabilities
    found = small_explainer.explain(turned(name, degrees)).prediction.probabilities
    assert float((found - upright).abs().max()) < 0.001


@pytest.mark.parametrize(
    ("name", "degrees"),
    [
        ("astronaut.jpg", 45),
        ("astronaut.jpg", 135),
        ("astronaut.jpg", 200),
        ("astronaut.jpg", 300),
        ("hopper.jpg", 135),
    ],
)
def test_a_turned_face_has_its_landmarks_where_they_are_in_the_photo(detector, name, degrees):
    """The same points as in the upright photo, turned by hand; the last one is first found lying otherwise."""
    image = Image.open(EXAMPLES / name)
    upright = detector(np.asarray(image.convert("RGB")))[0]
    photo = turned(name, degrees)
    found = detector(photo)[0]
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    expected = (upright.landmarks - np.array(image.size) / 2) @ turn.T + np.array(photo.shape[1::-1]) / 2
    assert np.abs(found.landmarks - expected).max() < 0.06 * max(upright.size)


def test_small_faces_in_a_photo_of_twelve_megapixels_are_found_once_each(detector):
    face = Image.open(EXAMPLES / "astronaut.jpg").convert("RGB").resize((130, 130))
    photo = Image.new("RGB", (4000, 3000), (110, 120, 130))
    places = [(x, y) for y in (300, 1100, 1900, 2700) for x in (200, 1200, 2200, 3200)]
    for place in places:
        photo.paste(face, place)
    found = detector(np.asarray(photo))
    assert len(found) == len(places)
    centres = {(round((f.box[0] + f.box[2]) / 2 / 100), round((f.box[1] + f.box[3]) / 2 / 100)) for f in found}
    assert len(centres) == len(places)
    for x, y in places:
        assert any(x < f.box[0] < f.box[2] < x + 130 and y < f.box[1] < f.box[3] < y + 130 for f in found)


def test_an_ordinary_photo_takes_one_pass_of_the_detector(detector, astronaut, monkeypatch):
    passes = []
    network = detector._network
    monkeypatch.setattr(detector, "_network", lambda *a, **k: passes.append(1) or network(*a, **k))
    detector(astronaut)
    assert passes == [1]
