"""Tiles: scales, colours, and the values that are read off."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import colormaps

from dan_model.explain.attributions import Attribution
from dan_model.explain.reference import compare_maps
from dan_model.show.map_drawing import Scale, colour_bar, overlay
from dan_model.show.style import HEAD_COLOURS, SEQUENTIAL, TILE_SIDE, head_colour
from dan_model.show.tiles import all_tiles, attribution_tile, compared_head_tiles, fusion_tile, head_tiles, number
from tests.fixtures.examples import EXAMPLES


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attributions=("layer_grad_cam",))


def test_the_row_is_face_heads_fusion_attributions_all_of_one_size(explanation):
    tiles = all_tiles(explanation)
    assert [tile.title for tile in tiles] == [
        "Network input", "Head 1", "Head 2", "Head 3", "Head 4", "AFN fusion", "Grad-CAM",
    ]  # fmt: skip
    assert {tile.pixels.shape for tile in tiles} == {(TILE_SIDE, TILE_SIDE, 3)}
    assert [tile.colour for tile in tiles[1:5]] == list(HEAD_COLOURS[:4])


def test_heads_share_one_scale_or_have_their_own(explanation):
    peaks = explanation.heads.spatial.amax(dim=(1, 2)).tolist()
    assert [t.scale.limit for t in head_tiles(explanation, True, shared=True)] == pytest.approx([max(peaks)] * 4)
    assert [t.scale.limit for t in head_tiles(explanation, True, shared=False)] == pytest.approx(peaks)


def test_on_a_shared_scale_equal_values_have_equal_colours_and_half_is_half(explanation):
    cells = torch.zeros(7, 7)
    cells[1, 1], cells[5, 5] = 8.0, 4.0
    grey = replace(explanation.crop, pixels=np.full((64, 64, 3), 128, np.uint8))
    tile = overlay(grey, cells, Scale(8.0, signed=False), smooth=False, side=70)
    for value, cell in ((1.0, (15, 15)), (0.5, (55, 55)), (0.0, (35, 35))):
        opacity = 0.35 + 0.4 * value
        expected = 255 * (128 / 255 * (1 - opacity) + np.array(colormaps[SEQUENTIAL](value)[:3]) * opacity)
        np.testing.assert_allclose(tile[cell], expected, atol=1)


def test_native_cells_have_sharp_edges_at_sevenths(explanation):
    cells = torch.zeros(7, 7)
    cells[2, 3] = 1.0
    grey = replace(explanation.crop, pixels=np.full((64, 64, 3), 128, np.uint8))
    tile = overlay(grey, cells, Scale(1.0, signed=False), smooth=False, side=70)
    lit = (tile != tile[0, 0]).any(axis=2)
    assert lit[20:30, 30:40].all()
    assert lit.sum() == 100


def test_signed_scales_are_centred_on_zero_which_has_no_colour(explanation):
    tile = fusion_tile(explanation, smooth=True)
    assert tile.scale.low == -tile.scale.limit
    assert tile.scale.limit == pytest.approx(float(explanation.fusion.map.abs().max()))
    bar = colour_bar(Scale(2.0, signed=True), width=101).astype(int)
    np.testing.assert_allclose(bar[0, 50], (128, 128, 128), atol=8)
    assert bar[0, 0, 2] > bar[0, 0, 0]  # blue is against
    assert bar[0, -1, 0] > bar[0, -1, 2]  # red is for


def test_a_map_without_positive_evidence_says_so(explanation):
    negative = replace(explanation.fusion, evidence=-explanation.fusion.evidence.abs())
    assert fusion_tile(replace(explanation, fusion=negative), True).note == "no positive evidence"


def test_an_empty_map_is_drawn_without_a_warning(explanation, recwarn):
    empty = replace(explanation.heads, spatial=torch.zeros(4, 7, 7))
    for smooth in (True, False):
        tiles = head_tiles(replace(explanation, heads=empty), smooth, shared=True)
        assert all(np.isfinite(tile.pixels).all() for tile in tiles)
    assert not recwarn.list


def test_values_read_off_a_tile_are_the_maps_own(explanation):
    tiles = {tile.title: tile for tile in all_tiles(explanation)}
    np.testing.assert_array_equal(tiles["Head 3"].values, explanation.heads.spatial[2])
    np.testing.assert_array_equal(tiles["AFN fusion"].values, explanation.fusion.map)
    np.testing.assert_array_equal(tiles["Grad-CAM"].values, explanation.attributions["layer_grad_cam"].cells)


def test_complete_maps_are_read_off_as_sums_and_others_as_means(explanation):
    pixels = torch.ones(224, 224)
    given = vars(explanation.attributions["layer_grad_cam"]) | {"map": pixels, "cells": None}
    names = ("integrated_gradients", "occlusion")
    complete, other = (Attribution(**given | {"method": name, "request": name}) for name in names)
    complete = replace(complete, explained=224.0**2, residual=0.0)
    np.testing.assert_allclose(attribution_tile(explanation, complete, True).values, 32 * 32)
    np.testing.assert_allclose(attribution_tile(explanation, other, True).values, 1)


def test_maps_without_a_sign_are_drawn_by_size_alone(explainer, astronaut):
    """A gradient's sign says nothing for or against: neighbours must not cancel out when the map is smoothed."""
    e = explainer.explain(astronaut, attributions=("saliency", "input_x_gradient"))
    saliency, signed = (attribution_tile(e, a, True) for a in e.attributions.values())
    assert not saliency.scale.signed
    assert signed.scale.signed
    sizes = e.attributions["saliency"].map.abs()
    assert saliency.note == f"peak {number(float(sizes.max()))}"
    expected = torch.nn.functional.adaptive_avg_pool2d(sizes[None, None], 7)[0, 0]
    torch.testing.assert_close(torch.from_numpy(saliency.values), expected)


def test_heads_beyond_the_palette_start_it_again():
    assert head_colour(len(HEAD_COLOURS)) == head_colour(0)
    assert len(set(HEAD_COLOURS)) == len(HEAD_COLOURS)


@pytest.fixture(scope="module")
def cut_off(explainer, astronaut):
    """The astronaut, her photo ending at the nose: the right part of the crop is not in it."""
    face = explainer.faces(astronaut)[0]
    return explainer.explain(astronaut[:, : round(face.landmarks[2, 0])], face=face)


@pytest.mark.parametrize("smooth", [True, False])
def test_what_is_not_in_the_photo_is_hatched_and_nothing_else_changes(cut_off, smooth):
    outside = cut_off.crop.outside(TILE_SIDE)
    assert outside.mean() == pytest.approx(0.5, abs=0.1)
    elsewhere = replace(cut_off, crop=replace(cut_off.crop, photo_size=(10**6, 10**6)))
    for tile, plain in zip(all_tiles(cut_off, smooth), all_tiles(elsewhere, smooth), strict=True):
        changed = (tile.pixels != plain.pixels).any(axis=2)
        assert not changed[~outside].any()
        lines = changed & outside
        assert lines.sum() / outside.sum() == pytest.approx(0.28, abs=0.02)
        assert set(np.unique(tile.pixels[lines])) == {0, 255}
        assert (tile.values is None) == (plain.values is None)
        if tile.values is not None:
            np.testing.assert_array_equal(tile.values, plain.values)
    assert all_tiles(cut_off)[0].note == f"hatched: {100 * cut_off.crop.part_outside:.0f}\u00a0% outside"
    assert all_tiles(elsewhere)[0].note == "224×224 pixels"


def test_hatching_is_the_same_at_any_size(cut_off):
    cells, scale = torch.zeros(7, 7), Scale(1.0, signed=False)
    small, large = (overlay(cut_off.crop, cells, scale, True, side) for side in (240, 480))
    dark = [(picture == 0).all(axis=2) for picture in (small, large)]
    assert (dark[0] == dark[1][::2, ::2]).mean() > 0.97


def test_the_average_of_a_head_is_as_strong_as_its_map_and_the_difference_is_what_remains(explainer):
    e = explainer.explain(EXAMPLES / "hopper.jpg", attributions=())
    found = compare_maps(e.heads.spatial, e.reference)
    average, difference = (compared_head_tiles(e, found, which, smooth=False) for which in (False, True))
    for h, cells in enumerate(e.heads.spatial.double().numpy()):
        usual = e.reference.mean_maps[h].double().numpy()
        as_strong = usual * np.linalg.norm(cells) / np.linalg.norm(usual)
        assert average[h].values == pytest.approx(as_strong, rel=1e-5)
        assert difference[h].values == pytest.approx(cells - as_strong, abs=1e-5 * cells.max())
        assert average[h].scale.limit == max(float(e.heads.spatial.max()), max(one.values.max() for one in average))
