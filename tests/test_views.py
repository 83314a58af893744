"""Sentences say what the numbers say, and figures hold the results' own values."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from dan_model.explain.channels import TugOfWar, tug_of_war
from dan_model.explain.explainer import Explainer
from dan_model.explain.heads import Overlap, read_overlap
from dan_model.explain.interventions import ConsensusPath, mute, solo
from dan_model.explain.regions import REGIONS
from dan_model.explain.shapley import ABSENCES, Shapley, shapley_values
from dan_model.explain.use import Use
from dan_model.show import sentences
from dan_model.show.figures import panel
from dan_model.show.fusion_figures import ledger_figure, mute_figure, path_figure, shapley_figure, tug_figure
from dan_model.show.head_figures import gates_figure, overlap_figure, regions_figure, use_figure
from dan_model.show.style import INK, head_colour
from dan_model.show.svg import inline_svg
from dan_model.show.views import all_views, head_views, transplant_view
from tests.conftest import EXAMPLES, random_dan

LABELS = ("neutral", "happiness", "anger")


def doubles(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, use=True)


@pytest.fixture(scope="module")
def single(detector, astronaut):
    return Explainer(random_dan(heads=1), detector).explain(astronaut)


def test_the_summary_names_the_head_that_the_class_needs_and_where_it_looks(explanation, explainer, single):
    for e in (explanation, explainer.explain(EXAMPLES / "hopper.jpg")):
        k, classifier, v = e.target, e.fusion.classifier, e.heads.embeddings
        own = float(e.prediction.probabilities[k])
        after = [float(classifier.logits(mute(v, h)).softmax(dim=0)[k]) for h in range(4)]
        needed = max(range(4), key=lambda h: abs(after[h] - own))
        answer = f"The network reads {e.labels[k]} ({own:.3f})."
        if f"{own:.3f}" == f"{after[needed]:.3f}":
            alone = f"No head is missed by itself: without any one of them {e.labels[k]} stays at {own:.3f}."
            assert sentences.summary(e) == f"{answer} {alone}"
            continue
        shares = e.regions.shares(e.heads.spatial[needed])
        looks = (
            f"Head {needed + 1} puts {float(shares.max()):.0%} of its attention on the {REGIONS[int(shares.argmax())]}"
        )
        moves = f"{e.labels[k]} {'falls' if after[needed] < own else 'rises'} from {own:.3f} to {after[needed]:.3f}."
        assert sentences.summary(e) == f"{answer} {looks}; without it {moves}"
        assert sentences.summary(replace(e, regions=None)) == f"{answer} Without Head {needed + 1} {moves}"
    assert "nothing to fuse" in sentences.summary(single)


def test_the_ledger_sentence(explanation):
    ledger = torch.zeros(4, 8, dtype=torch.float64)
    ledger[:, 1] = doubles(0.5, -3.0, 1.0, 0.25)
    consensus = torch.full((8,), -0.2, dtype=torch.float64)
    made = replace(explanation, fusion=replace(explanation.fusion, ledger=ledger, consensus=consensus))
    assert sentences.ledger_sentence(made) == (
        "If all heads agreed, happiness would have −0.20 logits. Their disagreement adds −1.25; Head 2 moves it the "
        "furthest (−3.00)."
    )


def test_the_tug_sentence():
    none = torch.zeros(4)
    tug = TugOfWar(1, doubles(2.0, -0.5, 1.0, -1.0), none, none, none, doubles(0.25, 0.5), 0.75)
    assert sentences.tug_sentence(tug, "happiness") == (
        "In 75% of the channels one head has nearly the whole share, and Head 2 wins the most (50% of all). The "
        "channels pull +3.00 logits towards happiness and −1.50 away from it."
    )


def test_the_path_sentence_names_every_turn():
    logits = doubles([2, 1, 0], [2, 3, 0], [1, 3, 2], [0, 3, 4], [0, 3, 5])
    path = ConsensusPath(doubles(0, 0.5, 1, 1.5, 2), logits, logits.softmax(dim=1))
    assert sentences.path_sentence(path, LABELS, 1) == (
        "At full agreement the network would say neutral, whatever the face; then happiness from α = 0.50 on, anger "
        "from α = 1.50 on. Happiness: 0.24 → 0.67 here → 0.12 at α = 2."
    )
    still = replace(path, logits=logits[[0] * 5])
    assert "disagreement does not change that" in sentences.path_sentence(still, LABELS, 1)


def test_the_shapley_sentence_warns_where_absences_disagree():
    none = torch.zeros(1)
    one = Shapley("silent", doubles([1.0], [3.0], [2.0]), none, none)
    same = Shapley("average", doubles([0.1], [0.3], [0.2]), none, none)
    other = Shapley("dropped", doubles([1.0], [2.0], [3.0]), none, none)
    assert sentences.shapley_sentence([one, same], "anger", 0) == (
        "All 2 ways for a head to be absent rank the heads alike for anger: Head 2, Head 3, Head 1."
    )
    warned = sentences.shapley_sentence([one, other], "anger", 0)
    assert "silent: Head 2, Head 3, Head 1; dropped: Head 3, Head 2, Head 1" in warned
    assert not sentences.same_ranking([one, other], 0)


@pytest.mark.parametrize(("closest", "verdict"), [(0.2, "different"), (0.7, "partly the same"), (0.99, "the same")])
def test_the_overlap_sentence_names_the_closest_pair(closest, verdict):
    cosine = torch.eye(3, dtype=torch.float64)
    cosine[0, 2] = cosine[2, 0] = closest
    told = sentences.overlap_sentence(Overlap(cosine, cosine, 10, cosine, 0.25))
    assert verdict in told
    assert f"the mean cosine of their maps is {closest / 3:.2f}, the highest {closest:.2f} (Head 1 and Head 3)" in told
    assert "Partition loss 0.25;" in told


def test_the_gates_sentence():
    flat = torch.full((2, 101), 0.5)
    flat[0, 0] = 0.9  # a single channel is no selection
    assert "hardly select" in sentences.gates_sentence(flat)
    even = torch.stack([flat[1], torch.linspace(0, 1, 101)])
    assert sentences.gates_sentence(even) == (
        "The gates select channels: the most selective, Head 2's, lie between 0.05 and 0.95 in nine channels of ten."
    )


def test_the_regions_sentence_says_who_looks_beside_the_face(explanation, explainer):
    spatial = torch.zeros(4, 7, 7)
    spatial[:3, 5, 3] = 1.0
    spatial[3, 0, 0] = 1.0
    told = sentences.regions_sentence(replace(explanation, heads=replace(explanation.heads, spatial=spatial)))
    assert "mouth; Head 4: 100% background. Head 4 looks mostly beside the face." in told
    whole = explainer.explain(EXAMPLES / "no_face.jpg", face="whole")
    assert "is not known" in sentences.regions_sentence(whole)
    assert head_views(whole)[0].figure is None


def test_the_use_sentence_compares_with_random_cells():
    use = Use(
        1,
        None,
        torch.zeros(2, 5, dtype=torch.long),
        doubles(-2, 0.1),
        doubles(-3, 0.2),
        doubles(0.4, -0.5),
        doubles(1, 1),
    )
    assert sentences.use_sentence(use, "anger") == (
        "Filling the 5 cells that Head 1 attends most moves anger by −3.00 logits; the fusion map said −2.00. Further "
        "than any of 2 random fillings: Head 1."
    )
    assert "gives no sign" in sentences.use_sentence(replace(use, random=doubles(4, 0)), "anger")


def test_the_transplant_sentence():
    logits = doubles([0, 5, 0], [0, 5, 0], [5, 0, 0])
    assert sentences.transplant_sentence(logits, LABELS, 1) == (
        "With the other face's Head 2, happiness falls from 0.987 to 0.007. The answer changes with Head 2 (neutral)."
    )
    assert "No single head" in sentences.transplant_sentence(logits[:2], LABELS, 1)


def widths(axes) -> list[float]:
    return [patch.get_width() for patch in axes.patches]


def test_ledger_bars_stack_away_from_zero_and_their_sum_is_marked(explanation):
    axes = ledger_figure(explanation).axes[0]
    ledger = explanation.fusion.ledger
    assert widths(axes) == pytest.approx(ledger.flatten().tolist())
    for k in range(8):
        bars = [axes.patches[h * 8 + k] for h in range(4)]
        ends = [bar.get_x() + bar.get_width() for bar in bars]
        positive, negative = float(ledger[:, k].clamp(min=0).sum()), float(ledger[:, k].clamp(max=0).sum())
        assert max([0, *ends]) == pytest.approx(positive)
        assert min([0, *ends]) == pytest.approx(negative)
    (diamonds,) = [line for line in axes.lines if line.get_marker() == "D"]
    assert diamonds.get_xdata().tolist() == pytest.approx(ledger.sum(dim=0).tolist())


def test_the_strip_shows_every_channel_sorted_in_its_winners_colour(explanation):
    tug = tug_of_war(explanation.fusion.classifier, explanation.heads.embeddings, 1)
    top, bottom = tug_figure(tug, "happiness").axes
    drawn = [float(segment[1, 1]) for segment in top.collections[0].get_segments()]
    assert drawn == pytest.approx(tug.pull[tug.order].tolist(), abs=1e-12)
    assert drawn == sorted(drawn, reverse=True)
    colours = [to_hex(colour).upper() for colour in top.collections[0].get_colors()]
    assert colours == [head_colour(int(h)) for h in tug.winner[tug.order]]
    assert {float(line.get_ydata()[0]) for line in bottom.lines} == {0.25, 0.95}


def test_bars_of_muting_and_of_shapley_values_are_the_results(explanation):
    classifier, v = explanation.fusion.classifier, explanation.heads.embeddings
    for axes, change in zip(mute_figure(explanation).axes, (mute, solo), strict=True):
        expected = [float(classifier.logits(change(v, h)).softmax(dim=0)[1]) for h in range(4)]
        assert widths(axes) == pytest.approx(expected)
    none = torch.zeros(3, dtype=torch.float64)
    result = Shapley("silent", doubles([0, 1, 0], [0, -2, 0]), none, none)
    assert widths(shapley_figure([result], "happiness", 1).axes[0]) == [1.0, -2.0]


def test_the_path_is_drawn_for_every_class():
    logits = torch.randn(5, 3, dtype=torch.float64)
    path = ConsensusPath(doubles(0, 0.5, 1, 1.5, 2), logits, logits.softmax(dim=1))
    lines = path_figure(path, LABELS, 2).axes[0].lines[:3]
    drawn = {tuple(np.round(line.get_ydata(), 9)) for line in lines}
    assert drawn == {tuple(np.round(path.probabilities[:, k].numpy(), 9)) for k in range(3)}


def test_tables_hold_the_shares_and_the_overlap(explanation):
    texts = [text.get_text() for text in regions_figure(explanation, explanation.regions).axes[0].texts]
    maps = [*explanation.heads.spatial, explanation.fusion.map]
    shares = [*(explanation.regions.shares(cells) for cells in maps), explanation.regions.area]
    assert texts == [f"{float(share):.0%}" for row in shares for share in row]
    overlap = read_overlap(explanation.heads)
    matrices = (overlap.cosine, overlap.iou, overlap.gates)
    for axes, matrix in zip(overlap_figure(overlap).axes, matrices, strict=True):
        assert [text.get_text() for text in axes.texts] == [f"{float(value):.2f}" for value in matrix.flatten()]


def test_gates_and_use_are_drawn_as_they_are(explanation):
    lines = gates_figure(explanation.heads.gates).axes[0].lines[:4]
    for line, row in zip(lines, explanation.heads.gates, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row.sort(descending=True).values)
    cells, bars = use_figure(explanation, explanation.use).axes
    np.testing.assert_array_equal(cells.lines[2].get_ydata(), explanation.fusion.evidence[2].flatten())
    assert [patch.get_width() for patch in bars.patches[1:]] == pytest.approx(explanation.use.measured.tolist())


@pytest.mark.parametrize(("heads", "figures"), [(1, 3), (2, 10), (9, 10), (11, 9)])
def test_every_view_is_drawn_or_says_why_not(heads, figures, detector, astronaut, recwarn):
    e = Explainer(random_dan(heads=heads), detector).explain(astronaut, use=True)
    views = all_views(e)
    drawn = [inline_svg(view.figure, view.sentence) for view in views if view.figure is not None]
    assert len(drawn) == figures
    assert all(view.sentence for view in views)
    for view in views:
        if view.figure is None:
            assert any(why in view.sentence for why in ("two heads or more", "up to 10 heads, not 11", "no reference"))
        else:
            assert min(axes.get_position().width for axes in view.figure.axes) > 0.2
    assert not [w for w in recwarn.list if issubclass(w.category, UserWarning)]


def test_figures_in_pages_are_well_formed_scoped_and_take_the_pages_ink(explanation):
    for view in [*all_views(explanation), transplant_view(explanation, explanation.heads.embeddings * 2, "<b>")]:
        drawn = inline_svg(view.figure, 'a "quoted" <text>')
        root = ET.fromstring(drawn)
        assert root.get("aria-label") == 'a "quoted" <text>'
        assert "<style" not in drawn
        assert INK.lower() not in drawn
        assert "currentColor" in drawn or view.name == "region-map"  # a picture with labels of its own
        assert "DejaVu" not in drawn


def test_heads_that_say_the_same_are_told_so(explanation):
    v = explanation.heads.embeddings[:1].expand(4, -1)
    classifier = explanation.fusion.classifier
    assert "No head leads" in sentences.tug_sentence(tug_of_war(classifier, v, 1), "happiness")
    none = torch.zeros_like(explanation.fusion.ledger)
    same = replace(explanation, fusion=replace(explanation.fusion, ledger=none))
    consensus = f"{float(same.fusion.consensus[1]):+.2f}".replace("-", "−")
    assert f"say the same: happiness has the consensus, {consensus}" in sentences.ledger_sentence(same)
    results = [shapley_values(classifier, v, absence) for absence in ABSENCES]
    assert sentences.shapley_sentence(results, "happiness", 1) == "All heads are worth the same for happiness."
    assert sentences.same_ranking(results, 1)


def test_a_head_that_looks_nowhere_is_told_so(explanation):
    spatial = explanation.heads.spatial.clone()
    spatial[1] = 0
    dead = replace(explanation, heads=replace(explanation.heads, spatial=spatial))
    assert "Head 2: nowhere" in sentences.regions_sentence(dead)
    overlap = read_overlap(dead.heads)
    assert overlap.iou[1].tolist() == [0, 1, 0, 0]
    assert overlap.cosine[1].tolist() == [0, 1, 0, 0]


def test_class_names_are_no_formulas(explanation):
    odd = tuple(f"$\\bad{{$ <b>{k}" for k in range(8))
    for view in all_views(replace(explanation, labels=odd)):
        if view.figure is not None:
            inline_svg(view.figure, view.sentence)
    assert panel(replace(explanation, labels=odd)).axes
