"""The table over many faces, worked out by hand."""

from __future__ import annotations

import pytest

from dan_model.explain.faithfulness import UPPER_LAYERS
from dan_model.show.faithfulness_table import markdown, summarise


def measured(deletion: float, insertion: float, infidelity: float = 1.0, sensitivity: float | None = None) -> dict:
    return {
        "deletion_auc": deletion, "insertion_auc": insertion, "infidelity": infidelity, "sensitivity": sensitivity,
    }  # fmt: skip


def face(one: dict, randomisation: dict | None = None) -> dict:
    random = [measured(0.4, 0.5), measured(0.6, 0.7)]
    tests = {"maps": {"saliency": one}, "random": random, "edges": measured(0.5, 0.6)}
    return {
        "faithfulness": tests,
        "randomisation": None if randomisation is None else {"maps": {"saliency": randomisation}},
    }


def test_the_table_by_hand():
    randomised = {"similarity": [1.0, 0.5, 0.2], "detail": [0.9] * UPPER_LAYERS + [0.1]}
    faces = [
        face(measured(0.2, 0.8, 3.0, 0.5), randomised),
        face(measured(0.3, 0.6, 1.0)),
        face(measured(0.4, 0.9, 2.0)),
    ]
    table = summarise(faces)
    row = table["saliency"]
    assert row["deletion"] == pytest.approx(0.3)
    assert row["deletion_error"] == pytest.approx(0.1 / 3**0.5)
    assert row["insertion"] == pytest.approx(2.3 / 3)
    assert row["beats_random"] == pytest.approx(1 / 3)  # the second not on insertion; a tie on deletion is no win
    assert (row["infidelity"], row["sensitivity"]) == (2.0, 0.5)
    assert (row["similarity"], row["detail"]) == pytest.approx((0.2, 0.9))
    assert (row["faces"], row["randomisation_faces"]) == (3, 1)
    assert table["random"]["deletion"] == pytest.approx(0.5)
    assert table["random"]["beats_random"] is None
    assert table["edges"]["insertion"] == pytest.approx(0.6)
    assert row["deletion_gain"] == pytest.approx(0.2)  # the random maps of each face: 0.5 and 0.6 on average
    assert row["insertion_gain"] == pytest.approx(0.5 / 3)
    assert row["insertion_gain_error"] == pytest.approx(0.0882, abs=1e-4)
    assert (row["deletion_better"], row["insertion_better"]) == pytest.approx((1, 2 / 3))
    gains = "+0.200 ± 0.058, +0.167 ± 0.088 | 100%, 67%"
    assert f"| Saliency | 0.300 ± 0.058 | 0.767 ± 0.088 | {gains} | 33% | 2.00 | 0.50 | 0.20 | 0.90 |" in markdown(
        table
    )


def test_random_maps_of_one_face_are_not_independent():
    """Two faces: each one's random maps agree, the faces differ; the error is that of two faces, not of four maps."""
    faces = [face(measured(0.5, 0.5)), face(measured(0.5, 0.5))]
    for one, area in zip(faces, (0.2, 0.6), strict=True):
        one["faithfulness"]["random"] = [measured(area, area), measured(area, area)]
    row = summarise(faces)["random"]
    assert (row["deletion"], row["deletion_error"]) == pytest.approx((0.4, 0.2))
