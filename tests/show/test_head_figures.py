"""Figures of the heads hold the values of the results."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from dan_model.explain.heads import compute_overlap
from dan_model.show.head_figures import attended_vs_used_figure, gates_figure, overlap_figure, regions_figure
from dan_model.show.tiles import signed


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attended_vs_used=True)


def test_tables_hold_the_shares_and_the_overlap(explanation):
    texts = [text.get_text() for text in regions_figure(explanation, explanation.regions).axes[0].texts]
    maps = [*explanation.heads.spatial, explanation.fusion.map]
    shares = [*(explanation.regions.shares(cells) for cells in maps), explanation.regions.area]
    assert texts == [f"{100 * float(share):.0f}\u00a0%" for row in shares for share in row]
    overlap = compute_overlap(explanation.heads)
    matrices = (overlap.cosine, overlap.iou, overlap.gates)
    for axes, matrix in zip(overlap_figure(overlap).axes, matrices, strict=True):
        assert [text.get_text() for text in axes.texts] == [f"{float(value):.2f}" for value in matrix.flatten()]


def test_gates_and_attended_vs_used_are_drawn_as_they_are(explanation):
    lines = gates_figure(explanation.heads.gates).axes[0].lines[:4]
    for line, row in zip(lines, explanation.heads.gates, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), row.sort(descending=True).values)
    cells, bars = attended_vs_used_figure(explanation, explanation.attended_vs_used).axes
    np.testing.assert_array_equal(cells.lines[2].get_ydata(), explanation.fusion.evidence[2].flatten())
    assert [patch.get_width() for patch in bars.patches[1:]] == pytest.approx(
        explanation.attended_vs_used.measured.tolist()
    )


def test_every_head_has_its_value_at_its_bar_however_short_and_right_of_bar_and_prediction(explanation):
    found = explanation.attended_vs_used
    short = replace(found, measured=found.measured.index_fill(0, torch.tensor([1]), -0.03))
    figure = attended_vs_used_figure(explanation, short)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    bars = figure.axes[1]
    assert [text.get_text() for text in bars.texts] == [signed(value) for value in short.measured]
    assert bars.texts[1].get_text() == "−0.03"
    for h, text in enumerate(bars.texts):
        box = text.get_window_extent(canvas.get_renderer())
        ends = [(float(value), h) for value in (short.measured[h], short.predicted[h], 0)]
        assert box.x0 > bars.transData.transform(ends)[:, 0].max()
        assert figure.bbox.count_contains(box.corners()) == 4
