"""Figures of the faithfulness of maps: a result in, a matplotlib Figure out."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from dan_model.explain.faithfulness import (
    CURVES,
    Faithfulness,
    MapFaithfulness,
    MapName,
    ParameterRandomisation,
)
from dan_model.show.axes import LEGEND_STYLE, WIDTH, bare_table, fitting_columns, legend_rows, plain
from dan_model.show.style import DIVERGING, FAINT, INK, METHOD_COLOURS, head_colour
from dan_model.texts import translate as _

ROW = 0.27  # inches; the height of a map in a list
NAME, NAMES_WIDTH = 0.17, WIDTH - 0.3  # inches; the height of a line in the legend above curves, and its width


def areas_figure(found: Faithfulness) -> Figure:
    """The areas under both curves of every map; the band is the range of the random maps, the dotted line edges."""
    maps = found.maps
    figure = Figure(figsize=(WIDTH, ROW * len(maps) + 1.1), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    titles = _("deletion: lower is better"), _("insertion: higher is better")
    for axes, curve, title in zip(panels, CURVES, titles, strict=True):
        areas = found.random_areas(curve)
        axes.axvspan(min(areas), max(areas), color=FAINT, alpha=0.3, linewidth=0)
        axes.axvline(float(np.mean(areas)), color=FAINT, linewidth=1)
        axes.axvline(getattr(found.edges, f"{curve}_auc"), color=INK, linewidth=0.9, linestyle=":")
        for i, one in enumerate(maps):
            mark = "o" if one.name.request is None else "s"
            axes.plot(getattr(one, f"{curve}_auc"), i, mark, color=map_colour(found.maps, i), markersize=6)
        axes.set_title(title, fontsize=9, color=INK)
        axes.set_xlabel(_("mean {unit} along the curve").format(unit=_(found.unit)))
        plain(axes)
    panels[0].set_yticks(range(len(maps)), [one.name.title for one in maps])
    panels[0].set_ylim(len(maps) - 0.4, -0.6)
    return figure


def curves_figure(found: Faithfulness) -> Figure:
    """The deletion and the insertion curve of every map, named above; thin and grey: random maps, dotted: edges."""
    names = [one.name.title for one in found.maps] + [_("picture's edges"), _("random maps")]
    figure = Figure(figsize=(WIDTH, 2.6 + NAME * legend_rows(names, NAMES_WIDTH, 3)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, curve in zip(panels, CURVES, strict=True):
        for i, one in enumerate(found.maps):
            style = "-" if one.name.request is None else "--"
            _curve(axes, one, curve, one.name.title, color=map_colour(found.maps, i), linewidth=1.5, linestyle=style)
        _curve(axes, found.edges, curve, _("picture's edges"), color=INK, linewidth=1.1, linestyle=":")
        for number, one in enumerate(found.random):
            named = _("random maps") if number == 0 else "_"  # matplotlib leaves out what begins with an underscore
            _curve(axes, one, curve, named, color=FAINT, linewidth=0.5, alpha=0.5, zorder=1.5)
        axes.set_xlabel(_("part of the face taken away") if curve == "deletion" else _("part of the face put back"))
        axes.set_xlim(0, 1)
        plain(axes)
    panels[0].set_ylabel(_(found.unit))
    _names_above(figure, panels[0])
    return figure


def numbers_figure(found: Faithfulness) -> Figure:
    """Infidelity and sensitivity of every map as a table."""
    rows = [
        (one.name.title, f"{one.infidelity:.2f}", "" if one.sensitivity is None else f"{one.sensitivity:.2f}")
        for one in (*found.maps, found.edges)
    ]
    rows[-1] = (_("picture's edges"), *rows[-1][1:])
    columns = [_("infidelity ↓"), _("sensitivity ↓")]
    figure = Figure(figsize=(WIDTH, ROW * len(rows) + 0.5), layout="constrained")
    axes = figure.subplots()
    for i, (_name, *cells) in enumerate(rows):
        for j, text in enumerate(cells):
            axes.text(j + 0.5, i + 0.5, text or "–", ha="center", va="center", fontsize=8, color=INK)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    bare_table(axes, [row[0] for row in rows], columns)
    return figure


def agreement_figure(found: Faithfulness) -> Figure:
    """Rank correlation between all maps, edges last; red for alike, blue for opposite."""
    names = [*(one.name.title for one in found.maps), _("picture's edges")]
    values = found.agreement.numpy()
    side = max(3.4, 0.37 * len(names) + 2.2)
    figure = Figure(figsize=(max(WIDTH, side), side * 0.86), layout="constrained")
    axes = figure.subplots()
    axes.imshow(values, cmap=DIVERGING, vmin=-1, vmax=1)
    for i, j in np.ndindex(*values.shape):
        value = float(values[i, j])
        if np.isfinite(value):
            ink = "white" if abs(value) > 0.6 else "#222222"
            text = f"{round(value, 1) + 0.0:.1f}".replace("-", "−")  # no −0.0
            axes.text(j, i, text, ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(range(len(names)), names, rotation=60, ha="left", rotation_mode="anchor")
    axes.set_yticks(range(len(names)), names)
    axes.xaxis.tick_top()
    plain(axes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


def randomisation_figure(found: ParameterRandomisation) -> Figure:
    """How similar every map stays to the true one while the network is randomised from the top."""
    steps = [_("nothing"), *map(_, found.layers)]
    figure = Figure(figsize=(WIDTH, 3.3 + 0.16 * len(found.names)), layout="constrained")
    axes = figure.subplots()
    for i, name in enumerate(found.names):
        axes.plot(
            range(len(steps)), found.similarity(name.key), "-o" if name.request is None else "--s", markersize=3,
            linewidth=1.3, color=name_colour(found.names, i), label=name.title,
        )  # fmt: skip
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(ylim=(-1.05, 1.05), ylabel=_("rank correlation with the true map"))
    axes.set_xticks(range(len(steps)), steps, rotation=25, ha="right")
    axes.set_xlabel(_("random from the top down to …"))
    plain(axes)
    _names_above(figure, axes)
    return figure


def map_colour(maps: tuple[MapFaithfulness, ...], index: int) -> str:
    """The `name_colour` of a measured map."""
    return name_colour(tuple(one.name for one in maps), index)


def name_colour(names: tuple[MapName, ...], index: int) -> str:
    """The colour of the head; ink for the fusion map; for attributions, the colours of a palette in turn."""
    name = names[index]
    if name.head is not None:
        return head_colour(name.head)
    if name.request is None:
        return INK
    before = sum(other.request is not None for other in names[:index])
    palette = colormaps[METHOD_COLOURS]
    return to_hex(palette(before % palette.N))


def _curve(axes: Axes, one: MapFaithfulness, curve: str, name: str, **style: Any) -> None:
    values = getattr(one, curve).numpy()
    axes.plot(np.linspace(0, 1, len(values)), values, label=name, **style)


def _names_above(figure: Figure, axes: Axes) -> None:
    """The legend of the curves of `axes`, above all axes of the figure."""
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles,
        names,
        ncols=fitting_columns(names, NAMES_WIDTH, 3),
        loc="outside upper left",
        **LEGEND_STYLE,
    )
