"""The enlarged tile: its layer over the grey face is the tile; native is native, with the ends of its own scale."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
from PIL import Image

from dan_model.faces import Face
from dan_model.show.map_drawing import layer, overlay
from dan_model.show.tiles import attribution_tile, head_tiles, number
from dan_model.ui.enlarged import SIDE, enlarged
from dan_model.ui.session import Session
from tests.fixtures.examples import EXAMPLES


def pixels(address: str) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))), dtype=float)


@pytest.fixture
def e(explainer):
    return explainer.explain(EXAMPLES / "hopper.jpg", attributions=("saliency", "region_ablation"))


@pytest.fixture
def cut_off(explainer):
    """A face whose crop is not all in the photo."""
    photo = np.asarray(Image.open(EXAMPLES / "hopper.jpg").convert("RGB"))
    face = explainer.faces(photo)[0]
    left = int(face.landmarks[2, 0])  # at the nose
    return explainer.explain(photo[:, left:], face=Face(face.box, 1.0, face.landmarks - [left, 0]))


@pytest.mark.parametrize("smooth", [True, False])
def test_a_layer_over_a_face_that_is_cut_off_is_the_hatched_tile(cut_off, smooth):
    assert 0.4 < cut_off.crop.part_outside < 0.6
    tile = head_tiles(cut_off, smooth, shared=True)[1]
    shown = enlarged(Session(), cut_off, "Head 2")
    over = pixels(shown["smooth" if smooth else "native"]["picture"])
    opacity = over[..., 3:] / 255
    mixed = pixels(shown["grey"])[..., None] * (1 - opacity) + over[..., :3] * opacity
    assert np.abs(mixed - overlay(cut_off.crop, tile.drawn, tile.scale, smooth, SIDE)).max() <= 2
    hatched = (over[..., 3] == 255) & (over[..., :3].min(axis=2) == over[..., :3].max(axis=2))
    assert hatched[:, : SIDE // 3].mean() == pytest.approx(0.28, abs=0.02)
    assert not hatched[:, SIDE * 2 // 3 :].any()
    for name in ("face", "grey"):
        picture = pixels(shown[name]).reshape(SIDE, SIDE, -1)
        assert set(np.unique(picture[hatched])) == {0, 255}


@pytest.mark.parametrize("smooth", [True, False])
def test_a_layer_over_the_grey_face_is_the_tile(e, smooth):
    tile = head_tiles(e, smooth, shared=True)[1]
    shown = enlarged(Session(), e, "Head 2")
    over = pixels(shown["smooth" if smooth else "native"]["picture"])
    opacity = over[..., 3:] / 255
    mixed = pixels(shown["grey"])[..., None] * (1 - opacity) + over[..., :3] * opacity
    expected = overlay(e.crop, tile.drawn, tile.scale, smooth, SIDE)
    assert np.abs(mixed - expected).max() <= 2  # both are rounded


def test_native_pixels_are_not_smoothed_however_the_rows_are_drawn(e):
    (saliency, _) = e.attributions.values()
    plain = attribution_tile(e, saliency, smooth=False)
    for session in (Session(smooth=True), Session(smooth=False)):
        shown = enlarged(session, e, "Saliency")
        assert np.array_equal(pixels(shown["native"]["picture"]), layer(e.crop, plain.drawn, plain.scale, False, SIDE))
        assert shown["native"]["ends"] == [number(0), number(float(np.percentile(saliency.map.abs(), 99.5)))]
        assert shown["smooth"]["ends"] != shown["native"]["ends"]


def test_regions_have_their_values_and_an_unknown_title_nothing(e):
    (_, ablation) = e.attributions.values()
    shown = enlarged(Session(), e, "Region ablation")
    largest = float(ablation.by_region[int(ablation.by_region.abs().argmax())])
    assert shown["regions"][0][1] == f"{largest:+.2f} nats".replace("-", "−")
    assert shown["smooth"] == shown["native"]  # a map that is constant on each region is never smoothed
    assert enlarged(Session(), e, "Head 9") == {}
