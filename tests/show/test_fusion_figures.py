"""Figures of the fusion hold the values of the results."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from dan_model.explain.fusion import ConsensusPath, Shapley, ablate, ablate_all_but, tug_of_war
from dan_model.show.fusion_figures import ablation_figure, ledger_figure, path_figure, shapley_figure, tug_figure
from dan_model.show.style import head_colour

LABELS = ("neutral", "happiness", "anger")


def doubles(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut)


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
    tug = tug_of_war(explanation.fusion, explanation.heads.embeddings)
    top, bottom = tug_figure(tug, "happiness", "nats").axes
    drawn = [float(segment[1, 1]) for segment in top.collections[0].get_segments()]
    assert drawn == pytest.approx(tug.pull[tug.order].tolist(), abs=1e-12)
    assert drawn == sorted(drawn, reverse=True)
    colours = [to_hex(colour).upper() for colour in top.collections[0].get_colors()]
    assert colours == [head_colour(int(h)) for h in tug.winner[tug.order]]
    assert {float(line.get_ydata()[0]) for line in bottom.lines} == {0.25, 0.95}


def test_bars_of_ablation_and_of_shapley_values_are_the_results(explanation):
    classifier, v = explanation.fusion.classifier, explanation.heads.embeddings
    for axes, change in zip(ablation_figure(explanation).axes, (ablate, ablate_all_but), strict=True):
        expected = [float(classifier.logits(change(v, h)).softmax(dim=0)[1]) for h in range(4)]
        assert widths(axes) == pytest.approx(expected)
    result = Shapley("zero", doubles(1, -2), 0.0, 0.0)
    assert widths(shapley_figure([result], "happiness").axes[0]) == [1.0, -2.0]


def test_the_path_is_drawn_for_every_class():
    logits = torch.randn(5, 3, dtype=torch.float64)
    path = ConsensusPath(doubles(0, 0.5, 1, 1.5, 2), logits, logits.softmax(dim=1))
    lines = path_figure(path, LABELS, 2).axes[0].lines[:3]
    drawn = {tuple(np.round(line.get_ydata(), 9)) for line in lines}
    assert drawn == {tuple(np.round(path.probabilities[:, k].numpy(), 9)) for k in range(3)}
