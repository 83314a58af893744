from __future__ import annotations

import numpy as np
import pytest
import torch

from dan_model.config import PreprocessConfig
from dan_model.explain import Explainer
from dan_model.explain.regions import REGIONS, SIDE, Regions, compute_regions, draw_regions
from dan_model.faces import crop_face, whole_image
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.landmarks import FACE
from tests.fixtures.models import random_dan


@pytest.fixture(scope="module")
def regions() -> Regions:
    return Regions(draw_regions(FACE))


def at(regions: Regions, x: float, y: float) -> str:
    return REGIONS[int(regions.map[int(y * SIDE), int(x * SIDE)])]


def test_every_landmark_lies_in_its_region_and_the_rest_around_them(regions):
    for (x, y), name in zip(FACE, ("eyes", "eyes", "nose", "mouth", "mouth"), strict=True):
        assert at(regions, x, y) == name
    for x, y, name in (
        (0.5, 0.75, "mouth"), (0.32, 0.29, "brows"), (0.5, 0.3, "brows"), (0.5, 0.15, "forehead"), (0.5, 0.93, "chin"),
        (0.25, 0.6, "cheeks"), (0.75, 0.6, "cheeks"), (0.02, 0.02, "background"), (0.98, 0.98, "background"),
        (0.5, 0.41, "nose"),
    ):  # fmt: skip
        assert at(regions, x, y) == name, (x, y)


def test_a_map_that_is_zero_outside_one_region_has_all_of_its_share_there(regions):
    for r in range(len(REGIONS)):
        lit = (regions.map == r).float() * 3
        torch.testing.assert_close(regions.shares(lit), torch.eye(len(REGIONS), dtype=torch.float64)[r])


@pytest.mark.parametrize("size", [(7, 7), (1, 1), (14, 14), (5, 9), (224, 224), (448, 448)])
def test_shares_sum_to_one_at_any_resolution_signed_or_not(regions, size):
    values = torch.randn(size)
    shares = regions.shares(values)
    assert float(shares.sum()) == pytest.approx(1)
    assert float(shares.min()) >= 0
    torch.testing.assert_close(regions.shares(-7 * values), shares)


def test_a_constant_map_has_the_areas_as_shares_and_a_map_of_zeros_has_none(regions):
    torch.testing.assert_close(regions.shares(torch.ones(7, 7)), regions.area)
    counted = torch.stack([(regions.map == r).double().mean() for r in range(len(REGIONS))])
    torch.testing.assert_close(regions.area, counted)
    assert float(regions.shares(torch.zeros(7, 7)).abs().max()) == 0


def test_a_cell_counts_for_each_region_that_it_covers_by_area(regions):
    values = torch.zeros(7, 7)
    values[5, 3] = 2.0
    cell = regions.map[5 * 32 : 6 * 32, 3 * 32 : 4 * 32]
    expected = torch.stack([(cell == r).double().mean() for r in range(len(REGIONS))])
    torch.testing.assert_close(regions.shares(values), expected)


def test_regions_rotate_and_scale_with_the_face():
    turned = (FACE - 0.5) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) * 0.8 + 0.5  # a quarter turn, smaller
    regions = Regions(draw_regions(turned))
    for (x, y), name in zip(turned, ("eyes", "eyes", "nose", "mouth", "mouth"), strict=True):
        assert at(regions, x, y) == name
    forehead = np.array([0.5, 0.15])
    assert at(regions, *((forehead - 0.5) @ np.array([[0.0, 1.0], [-1.0, 0.0]]) * 0.8 + 0.5)) == "forehead"


def test_every_face_has_regions_aligned_or_not_and_whole_images_have_none(explainer, detector, astronaut):
    aligned = explainer.explain(astronaut)
    boxed = Explainer(random_dan(), detector).explain(astronaut)
    for e in (aligned, boxed):
        for cells in (*e.heads.spatial, e.fusion.map):
            assert float(e.regions.shares(cells).sum()) == pytest.approx(1)
    assert explainer.explain(EXAMPLES / "no_face.jpg", face="whole").regions is None


def test_an_unaligned_crops_regions_lie_on_its_own_landmarks(detector, astronaut):
    config = PreprocessConfig(margin=0.3)
    face = detector(astronaut)[0]
    crop = crop_face(astronaut, face, config)
    regions = compute_regions(crop, config)
    back = np.linalg.inv(np.vstack([crop.to_photo, [0, 0, 1]]))
    for landmark, name in zip(face.landmarks, ("eyes", "eyes", "nose", "mouth", "mouth"), strict=True):
        x, y, _ = back @ [*landmark, 1]
        assert at(regions, x, y) == name
    assert compute_regions(crop_face(astronaut, whole_image(astronaut), config), config) is None
