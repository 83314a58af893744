"""Sentences state the numbers, worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from dan_model.explain import Explainer
from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.fusion import ABSENCES, ConsensusPath, Shapley, TugOfWar, ablate, shapley_values, tug_of_war
from dan_model.explain.heads import Overlap, compute_overlap
from dan_model.explain.regions import REGIONS
from dan_model.explain.score import Score
from dan_model.show import sentences
from dan_model.show.figure_views import head_views
from dan_model.show.sentences.words import change_of
from dan_model.show.tiles import percent
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan

LABELS = ("neutral", "happiness", "anger")


def doubles(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attended_vs_used=True)


@pytest.fixture(scope="module")
def single(detector, astronaut):
    return Explainer(random_dan(heads=1), detector).explain(astronaut)


def test_the_summary_names_the_head_that_the_class_depends_on_and_where_it_attends(explanation, explainer, single):
    for e in (explanation, explainer.explain(EXAMPLES / "hopper.jpg")):
        k, classifier, v = e.target, e.fusion.classifier, e.heads.embeddings
        own = float(e.prediction.probabilities[k])
        after = [float(classifier.logits(ablate(v, h)).softmax(dim=0)[k]) for h in range(4)]
        needed = max(range(4), key=lambda h: abs(after[h] - own))
        before, without = percent(own), percent(after[needed])
        predicted = f"Predicted: {e.labels[k]} ({before})."
        if before == without:
            nothing = f"Removing any one head changes nothing: {e.labels[k]} stays at {before}."
            assert sentences.summary(e) == f"{predicted} {nothing}"
            continue
        shares = e.regions.shares(e.heads.spatial[needed])
        share, region = f"{100 * float(shares.max()):.0f}\u00a0%", REGIONS[int(shares.argmax())]
        head = f"Without Head {needed + 1}, which puts {share} of its attention on the {region},"
        verb = f"{'falls' if after[needed] < own else 'rises'} from"
        moves = (
            f"{e.labels[k]} {'hardly changes,' if abs(after[needed] - own) < 0.001 else verb} {before} to {without}."
        )
        assert sentences.summary(e) == f"{predicted} {head} {moves}"
        assert sentences.summary(replace(e, regions=None)) == f"{predicted} Without Head {needed + 1} {moves}"
    assert "nothing to fuse" in sentences.summary(single)


def test_the_ledger_sentence(explanation):
    ledger = torch.zeros(4, 8, dtype=torch.float64)
    ledger[:, 1] = doubles(0.5, -3.0, 1.0, 0.25)
    consensus = doubles(0.5, 0.1, 0.2, 0.05, 0.05, 0.04, 0.03, 0.03).log()
    made = replace(explanation, fusion=replace(explanation.fusion, ledger=ledger, consensus=consensus))
    assert sentences.ledger_sentence(made) == (
        "If all heads were equal: neutral, 0.50, whatever the face. There, happiness has −2.30 nats. The contributions "
        "of the heads add −1.25; the largest is that of Head 2 (−3.00)."
    )
    raw = replace(made, score=Score(1, kind="logit"))
    assert "happiness has −2.30 logits" in sentences.ledger_sentence(raw)
    assert "A raw logit is not the decision" in sentences.ledger_sentence(raw)
    rather = replace(made, score=Score(1, against=2), fusion=replace(made.fusion, score=Score(1, against=2)))
    assert "There, happiness rather than surprise has −0.69 nats." in sentences.ledger_sentence(rather)


def test_the_tug_sentence():
    none = torch.zeros(4)
    tug = TugOfWar(doubles(2.0, -0.5, 1.0, -1.0), none, none, none, doubles(0.25, 0.5), 0.75)
    assert sentences.tug_sentence(tug, "happiness", "nats") == (
        "In 75\u00a0% of the channels one head has nearly the whole share, and Head 2 wins the most (50\u00a0% of "
        "all): "
        "winning a channel does not say which way it moves a class. The channels contribute +3.00 nats for happiness "
        "and −1.50 against it."
    )


def test_the_path_sentence_names_every_turn():
    logits = doubles([2, 1, 0], [2, 3, 0], [1, 3, 2], [0, 3, 4], [0, 3, 5])
    path = ConsensusPath(doubles(0, 0.5, 1, 1.5, 2), logits, logits.softmax(dim=1))
    assert sentences.path_sentence(path, LABELS, 1) == (
        "At the baseline (all heads equal) the prediction is neutral, whatever the face; then happiness from α = 0.50 "
        "on, anger from α = 1.50 on. Happiness: 0.24 → 0.67 here → 0.12 at α = 2."
    )
    still = replace(path, logits=logits[[0] * 5])
    assert "differences between the heads do not change that" in sentences.path_sentence(still, LABELS, 1)


def test_the_shapley_sentence_warns_where_absences_disagree():
    one = Shapley("zero", doubles(1.0, 3.0, 2.0), 0.0, 0.0)
    same = Shapley("mean", doubles(0.1, 0.3, 0.2), 0.0, 0.0)
    other = Shapley("removed", doubles(1.0, 2.0, 3.0), 0.0, 0.0)
    assert sentences.shapley_sentence([one, same], "anger") == (
        "All 2 ways for a head to be absent rank the heads alike for anger: Head 2, Head 3, Head 1; the values differ."
    )
    warned = sentences.shapley_sentence([one, other], "anger")
    assert "zeroed: Head 2, Head 3, Head 1; left out: Head 3, Head 2, Head 1" in warned
    assert not sentences.same_ranking([one, other])


@pytest.mark.parametrize(("closest", "verdict"), [(0.2, "different"), (0.7, "partly the same"), (0.99, "the same")])
def test_the_overlap_sentence_names_the_closest_pair(closest, verdict):
    cosine = torch.eye(3, dtype=torch.float64)
    cosine[0, 2] = cosine[2, 0] = closest
    sentence = sentences.overlap_sentence(Overlap(cosine, cosine, 10, cosine, 0.25))
    assert verdict in sentence
    assert (
        f"the mean cosine of their maps is {closest / 3:.2f}, the highest {closest:.2f} (Head 1 and Head 3)" in sentence
    )
    assert "Partition loss 0.25: the lower" in sentence


def test_the_gates_sentence():
    flat = torch.full((2, 101), 0.5)
    flat[0, 0] = 0.9  # a single channel is no selection
    assert "hardly select" in sentences.gates_sentence(flat)
    even = torch.stack([flat[1], torch.linspace(0, 1, 101)])
    assert sentences.gates_sentence(even) == (
        "The gates select channels: nine in ten of the most selective, Head 2's, lie between 0.05 and 0.95."
    )


def test_the_regions_sentence_names_heads_that_look_beside_the_face(explanation, explainer):
    spatial = torch.zeros(4, 7, 7)
    spatial[:3, 5, 3] = 1.0
    spatial[3, 0, 0] = 1.0
    sentence = sentences.regions_sentence(replace(explanation, heads=replace(explanation.heads, spatial=spatial)))
    assert "mouth; Head 4: 100\u00a0% background. Head 4 looks mostly beside the face." in sentence
    whole = explainer.explain(EXAMPLES / "no_face.jpg", face="whole")
    assert "is not known" in sentences.regions_sentence(whole)
    assert head_views(whole)[0].figure is None


def test_the_attended_vs_used_sentence_compares_with_random_cells():
    measured = AttendedVsUsed(
        Score(1),
        torch.zeros(2, 5, dtype=torch.long),
        doubles(-2, 0.1),
        doubles(-3, 0.2),
        doubles(0.4, -0.5),
        doubles(1, 1),
    )
    assert sentences.attended_vs_used_sentence(measured, "anger") == (
        "Replacing the 5 cells that Head 1 attends to most changes anger by −3.00 nats; the fusion map predicts "
        "−2.00. For Head 1 the change is larger than with any of 2 random choices of cells, for Head 2 it is not."
    )
    assert "gives no sign" in sentences.attended_vs_used_sentence(replace(measured, random=doubles(4, 0)), "anger")


def test_a_change_below_a_tenth_of_a_point_is_none_to_speak_of():
    assert change_of("fear", 0.9996, 0.9989) == "fear hardly changes, >\u00a099.9\u00a0% to 99.9\u00a0%"
    assert change_of("fear", 0.9992, 0.9989) == "fear stays at 99.9\u00a0%"
    assert change_of("fear", 0.9996, 0.9979) == "fear falls from >\u00a099.9\u00a0% to 99.8\u00a0%"
    assert change_of("fear", 0.5, 0.502) == "fear rises from 50.0\u00a0% to 50.2\u00a0%"


def test_the_transplant_sentence():
    logits = doubles([0, 5, 0], [0, 5, 0], [5, 0, 0])
    assert sentences.transplant_sentence(logits, LABELS, 1) == (
        "With the other face's Head 2, happiness falls from 98.7\u00a0% to 0.7\u00a0%. The prediction changes with "
        "Head 2 (neutral)."
    )
    assert "No single head" in sentences.transplant_sentence(logits[:2], LABELS, 1)


def test_equal_heads_are_named_equal(explanation):
    v = explanation.heads.embeddings[:1].expand(4, -1)
    assert "No head leads" in sentences.tug_sentence(tug_of_war(explanation.fusion, v), "happiness", "nats")
    none = torch.zeros_like(explanation.fusion.ledger)
    same = replace(explanation, fusion=replace(explanation.fusion, ledger=none))
    assert sentences.ledger_sentence(same).endswith("On this face no head changes that.")
    results = [shapley_values(explanation.fusion.classifier, v, absence, explanation.score) for absence in ABSENCES]
    assert sentences.shapley_sentence(results, "happiness") == "All heads have the same Shapley value for happiness."
    assert sentences.same_ranking(results)


def test_a_head_that_attends_nowhere_is_named(explanation):
    spatial = explanation.heads.spatial.clone()
    spatial[1] = 0
    dead = replace(explanation, heads=replace(explanation.heads, spatial=spatial))
    assert "Head 2: nowhere" in sentences.regions_sentence(dead)
    overlap = compute_overlap(dead.heads)
    assert overlap.iou[1].tolist() == [0, 1, 0, 0]
    assert overlap.cosine[1].tolist() == [0, 1, 0, 0]
