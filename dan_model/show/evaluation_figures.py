"""Figures of an evaluation."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from dan_model.learn.evaluation import BINS, Evaluation
from dan_model.show.axes import literal, new_figure, plain, shaded_table
from dan_model.show.style import FAINT, INK, SHADE
from dan_model.show.tiles import number

ROW = 0.35  # inches; the height of a class


def confusion_figure(measured: Evaluation) -> Figure:
    """The part of each true class (row) that is predicted as each class (column)."""
    counts = np.array(measured.confusion)
    parts = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure, axes = new_figure(ROW * len(measured.labels) + 1.0)
    names = literal(measured.labels)
    rows = [f"{name} ({total:,})" for name, total in zip(names, counts.sum(axis=1), strict=True)]
    shaded_table(axes, parts, rows, names)
    axes.tick_params(axis="x", rotation=35)
    axes.set_title(
        f"accuracy {measured.accuracy:.3f}, balanced {measured.balanced_accuracy:.3f}", fontsize=9, color=INK
    )
    return figure


def reliability_figure(logits: Tensor, classes: Tensor, measured: Evaluation) -> Figure:
    """Accuracy against confidence in `BINS` bins; on the diagonal if calibrated, darker for bins with more faces.

    Args:
        logits: (N, K).
        classes: (N,).
        measured: The evaluation of the same faces.
    """
    confidence, predicted = logits.softmax(dim=1).max(dim=1)
    right = (predicted == classes).double().numpy()
    bins = np.minimum((confidence.numpy() * BINS).astype(int), BINS - 1)
    figure, axes = new_figure(3.4)
    axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle=":")
    for b in range(BINS):
        here = bins == b
        if here.any():
            part = here.mean()
            axes.bar((b + 0.5) / BINS, right[here].mean(), 0.9 / BINS, color=SHADE, alpha=0.25 + 0.75 * part**0.5)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="confidence", ylabel="accuracy")
    axes.set_title(
        f"ECE {number(measured.ece)}; {number(measured.ece_after)} at temperature {measured.temperature:.2f}",
        fontsize=9,
        color=INK,
    )
    plain(axes)
    return figure
