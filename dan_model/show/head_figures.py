"""Figures of the heads: a result in, a matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.explanation import Explanation
from dan_model.explain.heads import Overlap, strongest_channels
from dan_model.explain.reference import MapComparison, Reference
from dan_model.explain.regions import REGIONS, SIDE, Regions
from dan_model.show.axes import WIDTH, bare_table, legend_above, literal, new_figure, plain, shaded_table
from dan_model.show.style import DIVERGING, FAINT, INK, REGION_COLOURS, SEQUENTIAL, head_colour
from dan_model.show.tiles import head_tiles, signed, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _

MOST_NUMBERS = 6  # heads up to which the overlap is written into the cells; with more they are only shaded
WIDEST = 4  # channels with the widest gates that are named for each head
PAIRED = ("eyes", "cheeks")  # regions on both sides of the face: only the left one is named


def regions_figure(explanation: Explanation, regions: Regions) -> Figure:
    """Each map's share in every region, as a table with bars; the last row is the regions' area.

    A share above the area means that the map prefers the region to an even spread.
    """
    heads = len(explanation.heads.spatial)
    rows = [
        *((head_name(h), head_colour(h), regions.shares(explanation.heads.spatial[h])) for h in range(heads)),
        *([(_("AFN fusion"), INK, regions.shares(explanation.fusion.map))] if heads > 1 else []),
        (_("area"), FAINT, regions.area),
    ]
    figure, axes = new_figure(0.36 * len(rows) + 0.5)
    for i, (_name, colour, shares) in enumerate(rows):
        for j, (share, area) in enumerate(zip(shares.tolist(), regions.area.tolist(), strict=True)):
            axes.add_patch(Rectangle((j + 0.04, i + 0.12), 0.92, 0.76, color=FAINT, alpha=0.15, linewidth=0))
            axes.add_patch(Rectangle((j + 0.04, i + 0.12), 0.92 * share, 0.76, color=colour, alpha=0.6, linewidth=0))
            axes.vlines(j + 0.04 + 0.92 * area, i + 0.12, i + 0.88, color=INK, linewidth=0.8, linestyle=":")
            axes.text(j + 0.93, i + 0.5, whole_percent(share), ha="right", va="center", fontsize=8, color=INK)
    axes.set(xlim=(0, len(REGIONS)), ylim=(len(rows), 0))
    bare_table(axes, [name for name, *others in rows], list(map(_, REGIONS)))
    return figure


def usual_maps_figure(found: MapComparison, reference: Reference) -> Figure:
    """For every head: this face's map, the mean map, their difference, and the mean face on which it moved most."""
    heads = len(found.own)
    highest = max(float(found.own.max()), float(found.usual.max())) or 1.0
    furthest = float(found.difference.abs().max()) or 1.0
    difference = _("difference, ±{limit}").format(limit=f"{furthest:.2f}")
    rows = [
        (_("this face"), found.own, {"cmap": SEQUENTIAL, "vmin": 0, "vmax": highest}),
        (_("average"), found.usual, {"cmap": SEQUENTIAL, "vmin": 0, "vmax": highest}),
        (difference, found.difference, {"cmap": DIVERGING, "vmin": -furthest, "vmax": furthest}),
    ]
    if reference.head_faces is not None:
        grey = reference.head_faces.mean(dim=1)  # (H, s, s)
        rows.append((_("mean face"), grey, {"cmap": "gray", "vmin": 0, "vmax": 1}))
    figure = Figure(figsize=(WIDTH, WIDTH / heads * len(rows) + 0.4), layout="constrained")
    grid = figure.subplots(len(rows), heads, squeeze=False)
    for line, (name, maps, colours) in zip(grid, rows, strict=True):
        line[0].set_ylabel(name, fontsize=9, color=INK)
        for h, axes in enumerate(line):
            axes.imshow(maps[h].numpy(), **colours)
            axes.set(xticks=[], yticks=[])
            for spine in axes.spines.values():
                spine.set(color=head_colour(h), linewidth=2)
    for h, axes in enumerate(grid[0]):
        title = _("{head}, cosine {value}").format(head=head_name(h), value=f"{float(found.cosine[h]):.2f}")
        axes.set_title(title, fontsize=8, color=INK)
    return figure


def maps_figure(rows: Mapping[str, Sequence[Explanation]]) -> Figure:
    """The map of every head on the same faces, one row for each network; each map has its own scale."""
    tiles = {name: [tile for e in row for tile in head_tiles(e, True, False)] for name, row in rows.items()}
    columns = max(len(row) for row in tiles.values())
    figure = Figure(figsize=(1.15 * columns, 1.5 * len(rows)), facecolor="white", layout="constrained")
    for part, (name, row) in zip(figure.subfigures(len(rows), 1, squeeze=False)[:, 0], tiles.items(), strict=True):
        part.suptitle(literal([name])[0], fontsize=9, color=INK, x=0.01, ha="left")
        grid = part.subplots(1, columns)
        for axes in grid:
            axes.set_axis_off()
        for axes, tile in zip(grid, row, strict=False):
            axes.imshow(tile.pixels)
            axes.set_title(tile.title, fontsize=8, color=tile.colour)
    return figure


def region_map_figure(explanation: Explanation, regions: Regions) -> Figure:
    """The regions, tinted and named, over the input of the network."""
    figure = Figure(figsize=(2.9, 2.9), layout="constrained")
    axes = figure.subplots()
    palette = np.array([to_rgb(colour) for colour in REGION_COLOURS])
    face = np.asarray(Image.fromarray(explanation.input_pixels).convert("L").resize((SIDE, SIDE))) / 255
    axes.imshow(0.6 * face[..., None] + 0.4 * palette[regions.map.numpy()])
    for r, name in enumerate(REGIONS[:-1]):
        rows, columns = np.nonzero(regions.map.numpy() == r)
        if name in PAIRED:
            left = columns < columns.mean()
            rows, columns = rows[left], columns[left]
        if len(rows):
            axes.text(
                columns.mean(), rows.mean(), _(name), ha="center", va="center", fontsize=8, color="black",
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 1.2},
            )  # fmt: skip
    axes.set_axis_off()
    return figure


def overlap_figure(overlap: Overlap) -> Figure:
    """Three matrices over the pairs of heads: cosine of the maps, IoU of their top cells, cosine of the gates."""
    heads = len(overlap.cosine)
    matrices = {
        _("maps: cosine"): overlap.cosine,
        _("maps: IoU of the top {count} cells").format(count=overlap.cells): overlap.iou,
        _("channel gates: cosine"): overlap.gates,
    }
    figure = Figure(figsize=(WIDTH, 2.45), layout="constrained")
    for axes, (title, matrix) in zip(figure.subplots(1, 3), matrices.items(), strict=True):
        names = [str(h + 1) for h in range(heads)]
        shaded_table(axes, matrix, names, names, numbers=heads <= MOST_NUMBERS)
        axes.set_title(title, fontsize=8, color=INK)
    return figure


def gates_figure(gates: Tensor) -> Figure:
    """Each head's gates from the widest to the narrowest, and the numbers of its widest channels."""
    heads, channels = gates.shape
    figure, axes = new_figure(2.3 + 0.1 * heads)
    for h, row in enumerate(gates.sort(dim=1, descending=True).values.numpy()):
        axes.plot(range(1, channels + 1), row, color=head_colour(h), linewidth=1.8)
    widest = strongest_channels(gates, min(WIDEST, channels)) + 1
    for h in range(heads):
        named = ", ".join(str(c) for c in widest[h].tolist())
        label = _("{head}, most open: {channels}").format(head=head_name(h), channels=named)
        axes.plot([], [], color=head_colour(h), linewidth=1.8, label=label)
    axes.set(xlim=(1, channels), ylim=(0, 1), ylabel=_("gate"), xlabel=_("channels, sorted for each head"))
    plain(axes)
    legend_above(axes, 2)
    return figure


def attended_vs_used_figure(explanation: Explanation, found: AttendedVsUsed) -> Figure:
    """Left, the evidence of each cell against its attention; right, the change when the attended cells are replaced."""
    heads = len(found.measured)
    figure = Figure(figsize=(WIDTH, 2.5 + 0.1 * heads), layout="constrained")
    # Left: every cell of every head.
    cells, bars = figure.subplots(1, 2, width_ratios=(1, 1.15))
    for h in range(heads):
        attention, evidence = explanation.heads.spatial[h].flatten(), explanation.fusion.evidence[h].flatten()
        peak = float(attention.max()) or 1.0
        rank = f"{h + 1}: ρ {signed(found.correlation[h])}"
        dots = {"color": head_colour(h), "markersize": 3, "alpha": 0.8, "label": rank}
        cells.plot(attention.numpy() / peak, evidence.numpy(), "o", **dots)
    cells.axhline(0, color=INK, linewidth=0.8)
    cells.set(
        xticks=(0, 0.5, 1),
        xlabel=_("attention, part of the head's peak"),
        ylabel=_("evidence of the cell, {unit}").format(unit=_(found.score.unit)),
    )
    # Right: the change for each head, over the range of random cells.
    label = literal([found.score.describe(explanation.labels)])[0]
    low, high, times = float(found.random.min()), float(found.random.max()), _("{count} × random cells")
    bars.axvspan(low, high, color=FAINT, alpha=0.35, linewidth=0, label=times.format(count=len(found.random)))
    bars.barh(range(heads), found.measured.numpy(), color=[head_colour(h) for h in range(heads)], height=0.6)
    bars.plot(found.predicted.numpy(), range(heads), "D", color=INK, markersize=4.5, label=_("fusion map's prediction"))
    bars.axvline(0, color=INK, linewidth=0.8)
    for h, (value, expected) in enumerate(zip(found.measured.tolist(), found.predicted.tolist(), strict=True)):
        # Right of bar and diamond: a bar of nearly nothing is no missing one.
        bars.annotate(
            signed(value), (max(value, expected, 0), h), (5, 0), textcoords="offset points", va="center",
            fontsize=8, color=INK,
        )  # fmt: skip
    bars.margins(x=0.22)
    bars.set_yticks(range(heads), list(map(head_name, range(heads))))
    bars.invert_yaxis()
    bars.set_xlabel(_("change of {score}, {unit}").format(score=label, unit=_(found.score.unit)))
    for axes, width in ((cells, 2.2), (bars, 2.4)):
        plain(axes)
        legend_above(axes, 2, width=width)
    return figure
