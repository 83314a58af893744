"""The map report against hand-made networks: a stencil, and one whose map is the brightness of the picture."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from dan_model.config import PreprocessConfig
from dan_model.learn import non_faces
from dan_model.learn.batches import Pixels
from dan_model.learn.face_set import FaceSet
from dan_model.learn.map_report import MOVES, measure_maps
from dan_model.learn.non_faces import load_non_faces

SIDE = 42  # six pixels for each cell
CONFIG = PreprocessConfig(image_size=SIDE, detail_size=SIDE, grayscale=True, mean=(0.0,) * 3, std=(1.0,) * 3)
STENCIL = torch.rand(7, 7, generator=torch.Generator().manual_seed(0))


class HandMade(torch.nn.Module):
    """Head 1 has one map for everything; the map of head 2 is the brightness of each cell."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(preprocess=CONFIG)
        self.stencil = torch.nn.Parameter(STENCIL)

    def stages(self, x: torch.Tensor) -> SimpleNamespace:
        bright = F.adaptive_avg_pool2d(x[:, :1], 7)
        return SimpleNamespace(spatial=torch.cat([self.stencil.expand_as(bright), bright], dim=1))


def faces_of(folder, pictures: list[np.ndarray]) -> Pixels:
    paths = [folder / f"{i}.png" for i in range(len(pictures))]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture.astype(np.uint8)).save(path)
    return Pixels(FaceSet("made", ("a",), tuple(paths), torch.ones(len(paths), 1)), CONFIG)


@pytest.fixture(scope="module")
def of_single_cells(tmp_path_factory):
    """Five pictures with one white cell each: three times the same one, a corner, and one in the middle column."""
    pictures = []
    for row, column in [(2, 1), (2, 1), (2, 1), (0, 0), (5, 3)]:
        picture = np.zeros((SIDE, SIDE))
        picture[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] = 255
        pictures.append(picture)
    return measure_maps(HandMade(), faces_of(tmp_path_factory.mktemp("cells"), pictures))


def test_a_stencil_has_all_its_energy_in_the_mean_map_and_stays(of_single_cells):
    report = of_single_cells
    first = [values[0] for values in (report.energy, report.energy_moved, report.cosine, report.cosine_non_faces,
                                      report.peak)]  # fmt: skip
    assert first == pytest.approx([1] * 5, abs=1e-6)
    assert [report.stays[kind][0] for kind in MOVES] == pytest.approx([1] * len(MOVES), abs=1e-5)
    mirrored = np.corrcoef(STENCIL.flatten(), STENCIL.flip(1).flatten())[0, 1]
    assert report.follows["mirror"][0] == pytest.approx(mirrored, abs=1e-5)


def test_energy_cosine_and_peak_of_single_cells_are_those_worked_out_by_hand(of_single_cells):
    # The mean map is (3, 1, 1)/5 in three cells: its energy is 11/25, and its cosine to a single cell 3/√11 or 1/√11.
    assert of_single_cells.energy[1] == pytest.approx(11 / 25, abs=1e-6)
    assert of_single_cells.cosine[1] == pytest.approx(np.sqrt(11) / 5, abs=1e-6)
    assert of_single_cells.peak[1] == pytest.approx(3 / 5)


def test_a_mirrored_cell_follows_and_stays_only_in_the_middle_column(of_single_cells):
    # Two maps with one bright cell each: over 49 cells their correlation is 1 for the same cell, else -1/48.
    assert of_single_cells.follows["mirror"][1] == pytest.approx(1, abs=1e-5)
    assert of_single_cells.stays["mirror"][1] == pytest.approx((1 - 4 / 48) / 5, abs=1e-5)


def test_a_map_made_of_the_pixels_follows_every_move(tmp_path):
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    random = np.random.default_rng(0)
    centres = random.uniform(0.3, 0.7, (12, 2))
    blobs = [255 * np.exp(-((x - a) ** 2 + (y - b) ** 2) / 0.08) for a, b in centres]
    pixels = faces_of(tmp_path, blobs)
    report = measure_maps(HandMade(), pixels)
    for kind in MOVES:
        assert report.follows[kind][1] > 0.97
    assert report.stays["shift"][1] < 0.7
    assert report.energy[1] > report.energy_moved[1]
    again, fewer = measure_maps(HandMade(), pixels), measure_maps(HandMade(), pixels, most=4)
    assert again.to_dict() == report.to_dict()
    assert (report.faces, fewer.faces) == (12, 4)
    json.dumps(report.to_dict(), allow_nan=False)
    assert f"{report.follows['turn'][1]:.2f} / {report.stays['turn'][1]:.2f}" in report.to_text()


def test_pictures_without_a_face_are_always_the_same_and_need_no_further_package(monkeypatch):
    names, pictures = load_non_faces(CONFIG)
    assert pictures.shape == (len(names), 1, SIDE, SIDE)
    assert torch.equal(pictures, load_non_faces(CONFIG)[1])
    assert len({tuple(picture.flatten().tolist()) for picture in pictures}) == len(names)
    monkeypatch.setattr(non_faces, "find_spec", lambda name: None)
    generated, _ = load_non_faces(CONFIG)
    assert generated == names[: len(generated)]
    assert {"noise of 1 px", "rings", "ramp"} <= set(generated)
