"""The tab Cover: what the browser sends is read or refused, and both sides are on the same scales."""

from __future__ import annotations

import base64

import numpy as np
import pytest

from dan_model.explain.cover import Cover, explain_covered
from dan_model.explain.regions import REGIONS
from dan_model.show.tiles import percent
from dan_model.ui.link import linked_face, linked_request
from dan_model.ui.panels.cover import CELLS, before_and_after, controls, parse_cover
from tests.fixtures.examples import EXAMPLES


def test_the_bits_of_the_browser_become_the_mask():
    cells = np.zeros((CELLS, CELLS), dtype=bool)
    cells[3, 5] = cells[CELLS - 1, CELLS - 1] = True
    read = parse_cover(base64.b64encode(np.packbits(cells).tobytes()).decode(), "blur")
    assert np.array_equal(read.mask, cells)
    assert read.fill == "blur"


@pytest.mark.parametrize(
    ("mask", "fill"),
    [(None, "grey"), ("AAAA", "grey"), ("!" * 523, "grey"), ("A" * 10_000, "grey"), ("A" * 524, "gold"), (7, 7)],
)
def test_anything_else_is_no_cover(mask, fill):
    assert parse_cover(mask, fill) is None


def test_the_cells_carry_their_region(explainer):
    e = explainer.explain(EXAMPLES / "hopper.jpg")
    drawn = controls(e)
    index = drawn.split('data-regions="')[1].split('"')[0]
    assert len(index) == CELLS * CELLS
    # The parts of the cells by region are nearly those of the pixels.
    for r, name in enumerate(REGIONS):
        assert index.count(str(r)) / len(index) == pytest.approx(float(e.regions.area[r]), abs=0.01), name


def test_before_and_after_show_the_numbers_of_both(explainer):
    e = explainer.explain(EXAMPLES / "hopper.jpg")
    covered = explain_covered(explainer, e, Cover(np.eye(1, dtype=bool)))
    drawn = before_and_after(e, covered)
    for one in (e, covered):
        for p in one.prediction.probabilities.tolist():
            assert percent(p) in drawn.replace("&lt;", "<").replace("&gt;", ">")
    assert drawn.count("<figure>") == 2 * 5


def test_a_link_asks_only_for_what_there_is(explainer):
    plain = ["the predicted class", "all other classes", "the whole network"]
    assert linked_request({"class": "anger", "against": "fear", "head": "Head 2"}, explainer) == [
        "anger",
        "fear",
        "Head 2",
    ]
    assert linked_request({"class": "<b>", "head": 9, "face": "7"}, explainer) == plain
    assert linked_request("?class=anger", explainer) == plain
    assert linked_face({"face": "2"}, ["1", "2"]) == "2"
    assert linked_face({"face": "3"}, ["1", "2"]) == "1"
    assert linked_face({"face": ["2"]}, []) is None
