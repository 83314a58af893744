"""The files hold the values of the explanation."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from dan_model.explain.fusion import ablate, ablate_all_but, shapley_values, tug_of_war
from dan_model.show.html_report import html_report
from dan_model.show.report import numbers, write


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
    e, v, classifier = explanation, explanation.heads.embeddings, explanation.fusion.classifier
    expected = {
        "crop": e.crop.pixels, "input": e.input_pixels, "probabilities": e.prediction.probabilities,
        "spatial": e.heads.spatial, "gates": e.heads.gates, "embeddings": v, "shares": e.fusion.shares,
        "ledger": e.fusion.ledger, "consensus": e.fusion.consensus, "evidence": e.fusion.evidence,
        "attribution_layer_grad_cam": e.attributions["layer_grad_cam"].map,
    }  # fmt: skip
    with np.load(paths[0]) as stored:
        assert set(stored.files) == set(expected)
        for name, values in expected.items():
            np.testing.assert_array_equal(stored[name], np.asarray(values))
    # What is computed for the file alone.
    for name, change in (("probability_without", ablate), ("probability_alone", ablate_all_but)):
        by_hand = [float(classifier.logits(change(v, h)).softmax(dim=0)[e.target]) for h in range(4)]
        assert found["fusion"][name] == pytest.approx(by_hand)
    assert found["fusion"]["channels_won"] == pytest.approx(tug_of_war(e.fusion, v).won.tolist())
    zero = shapley_values(classifier, v, "zero", e.score).values
    assert found["fusion"]["shapley"]["zero"] == pytest.approx(zero.tolist())
    np.testing.assert_allclose(found["face"]["crop_to_photo"], e.crop.to_photo)


def test_the_part_that_is_not_in_the_photo_and_what_is_odd_are_in_the_numbers_and_the_report(explainer, astronaut):
    face = explainer.faces(astronaut)[0]
    e = explainer.explain(astronaut[:, : round(face.landmarks[2, 0])], face=face)
    part = numbers(e)["face"]["outside"]
    assert part == e.crop.part_outside == pytest.approx(0.5, abs=0.1)
    (note,) = numbers(e)["notes"]
    assert note.startswith(f"{100 * part:.0f}\u00a0% of the crop is not in the photo")
    odd = replace(e, notes=("It was odd.",))
    assert numbers(odd)["notes"] == ["It was odd.", note]
    page = html_report(odd, "some", {})
    assert note.partition("(")[0] in page
    assert "It was odd." in page


def test_a_face_that_is_whole_in_the_photo_has_no_notes(explanation):
    assert explanation.crop.part_outside == 0.0
    assert numbers(explanation)["notes"] == []
