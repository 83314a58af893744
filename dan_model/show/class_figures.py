"""Figures of the distance of a face to each class, and of its position among the reference faces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from matplotlib import colormaps
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from dan_model.explain.reference import ClassDistances, Reference
from dan_model.show.axes import WIDTH, literal, plain
from dan_model.show.style import CLASS_COLOURS, FAINT, INK
from dan_model.show.tiles import whole_percent
from dan_model.texts import translate as _


def distances_figure(class_distances: ClassDistances, labels: Sequence[str], target: int) -> Figure:
    """The distance to each class centre, in index order; the explained class is bold."""
    figure = Figure(figsize=(WIDTH, 0.32 * len(labels) + 0.6), layout="constrained")
    axes = figure.subplots()
    distances = class_distances.distances.tolist()
    axes.barh(range(len(labels)), distances, color=[class_colour(k) for k in range(len(labels))], height=0.72)
    for k, distance in enumerate(distances):
        axes.annotate(
            f"{distance:.2f}", (distance, k), (3, 0), textcoords="offset points", va="center", fontsize=8, color=INK
        )
    axes.set_yticks(range(len(labels)), literal(labels))
    axes.get_yticklabels()[target].set_fontweight("bold")
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.set_xlabel(_("distance of the pooled features to the class's centre"))
    plain(axes)
    return figure


def projection_figure(class_distances: ClassDistances, reference: Reference, labels: Sequence[str]) -> Figure | None:
    """The reference faces along their two principal axes, the class centres as large dots, and this face as a star.

    None where the reference has no such axes.
    """
    points, classes, axes_of, mean = reference.points, reference.classes, reference.axes, reference.mean
    if points is None or classes is None or axes_of is None or mean is None or class_distances.point is None:
        return None
    figure = Figure(figsize=(WIDTH, 4.2), layout="constrained")
    axes = figure.subplots()
    for k in range(len(labels)):
        x, y = points[classes == k].T.numpy()
        axes.plot(x, y, ".", color=class_colour(k), markersize=3.5, alpha=0.5, markeredgewidth=0)
    centres = (reference.centres - mean) @ axes_of.T
    for k, (x, y) in enumerate(centres.tolist()):
        axes.plot(x, y, "o", color=class_colour(k), markersize=8, markeredgecolor="white")
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    heights = _apart(centres[:, 1].tolist(), 0.05 * (high - low))
    for (x, y), height, label in zip(centres.tolist(), heights, literal(labels), strict=True):
        axes.annotate(
            label, (x, y), (x + 0.03 * (right - left), height), fontsize=8.5, fontweight="bold",
            color=INK, va="center", arrowprops={"arrowstyle": "-", "color": INK, "linewidth": 0.7},
        )  # fmt: skip
    axes.plot(*class_distances.point.tolist(), "*", color=INK, markersize=15, markeredgecolor=FAINT)
    parts = [0.0, 0.0] if reference.explained is None else reference.explained.tolist()
    axes.set_xlabel(_("first axis ({share} of the variance)").format(share=whole_percent(parts[0])))
    axes.set_ylabel(_("second axis ({share})").format(share=whole_percent(parts[1])))
    plain(axes)
    return figure


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Heights of labels, in the same order, pushed up where one is less than a gap above the next below."""
    order = sorted(range(len(heights)), key=heights.__getitem__)
    found = list(heights)
    for below, above in pairwise(order):
        found[above] = max(found[above], found[below] + gap)
    return found


def class_colour(k: int) -> str:
    """The colour of a class, as #rrggbb; heads have colours of their own."""
    palette = colormaps[CLASS_COLOURS]
    return to_hex(palette(k % palette.N))
