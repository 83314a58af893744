"""The files hold the values of the explanation."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from dan_model.show.report import arrays, numbers, write


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attributions=("layer_grad_cam",))


def test_files_hold_what_the_explanation_holds(explanation, tmp_path):
    paths = write(explanation, tmp_path / "face.v1")
    assert [p.name for p in paths] == ["face.v1.npz", "face.v1.json", "face.v1.png"]
    found = json.loads(paths[1].read_text())
    assert found == json.loads(json.dumps(numbers(explanation)))
    assert found["prediction"]["label"] == "happiness"
    contributions = [row["happiness"] for row in found["fusion"]["ledger"]]
    own = math.log(found["prediction"]["probabilities"]["happiness"])
    assert sum(contributions) + found["fusion"]["consensus"]["happiness"] == pytest.approx(own, abs=1e-4)
    assert found["fusion"]["contributions"] == pytest.approx(contributions)
    assert (found["score"], found["unit"], found["prior"]) == ("log-probability", "nats", "training")
    with np.load(paths[0]) as stored:
        for name, array in arrays(explanation).items():
            np.testing.assert_array_equal(stored[name], array)
