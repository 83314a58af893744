"""The panel of an explanation: prediction, tiles and contributions in one figure."""

from __future__ import annotations

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from dan_model.explain.explanation import Explanation
from dan_model.show.axes import literal, plain, wrapped
from dan_model.show.map_drawing import colour_bar
from dan_model.show.style import head_colour
from dan_model.show.tiles import Tile, all_tiles, number, percent, signed
from dan_model.texts import head_name
from dan_model.texts import translate as _

TILE_INCHES = 1.55
TILES_IN_A_ROW = 9
ROW_INCHES = 2.1  # height of a row of tiles, without the lines of the titles above them
TITLE_SIZE, SCALE_SIZE, HEADING_SIZE = 8, 6.5, 11  # points
LINE_INCHES = 1.3 / 72  # height of a line of text for each point of its size
GAP_INCHES = 0.12  # between the titles of two neighbours


def panel(explanation: Explanation, smooth: bool = True, shared: bool = True) -> Figure:
    """Prediction, tiles in rows with their colour bars, and the contributions of the heads to the target class.

    Args:
        explanation: What to show.
        smooth: Draw maps smoothly instead of in their native cells or pixels.
        shared: One colour scale for all heads instead of one for each.
    """
    tiles = all_tiles(explanation, smooth, shared)
    rows = [tiles[i : i + TILES_IN_A_ROW] for i in range(0, len(tiles), TILES_IN_A_ROW)]
    width = TILE_INCHES * len(rows[0]) + 0.4
    heading = wrapped(_heading(explanation), HEADING_SIZE, width - 2 * GAP_INCHES)
    titles = [[_title(tile) for tile in row] for row in rows]
    lines = [1 + max(title.count("\n") for title in row) for row in titles]
    heights = [ROW_INCHES + LINE_INCHES * TITLE_SIZE * count for count in lines]
    heights = [LINE_INCHES * HEADING_SIZE * (1.8 + heading.count("\n")), *heights, 2.3]
    figure = Figure(figsize=(width, sum(heights)), facecolor="white", layout="constrained")
    parts = figure.subfigures(len(heights), 1, height_ratios=heights)
    top, *middle, bottom = parts  # type: ignore[misc]
    top.text(0.01, 0.85, heading, fontsize=HEADING_SIZE, ha="left", va="top")
    for part, row, named in zip(middle, rows, titles, strict=True):
        _draw_tiles(part, row, named, len(rows[0]))
    left, right = bottom.subplots(1, 2)
    _draw_probabilities(left, explanation)
    _draw_ledger(right, explanation, width / 2)
    return figure


def _heading(explanation: Explanation) -> str:
    target = literal([explanation.description])[0]
    prediction = explanation.prediction
    predicted = literal([prediction.label])[0]
    confidence = float(prediction.probabilities[prediction.index])
    title = _("Prediction: {label} {probability}    Explained: {score}")
    return title.format(label=predicted, probability=f"{confidence:.2f}", score=target)


def _title(tile: Tile) -> str:
    """Title and note of a tile, broken into lines that are no wider than the tile."""
    return wrapped("\n".join(literal([tile.title, tile.note])), TITLE_SIZE, TILE_INCHES - GAP_INCHES)


def _draw_tiles(figure: matplotlib.figure.SubFigure, tiles: list[Tile], titles: list[str], places: int) -> None:
    grid = figure.subplots(2, places, height_ratios=(20, 1), squeeze=False)
    for axes in grid[:, len(tiles) :].flat:
        axes.set_axis_off()
    for (picture, bar), tile, title in zip(grid.T, tiles, titles, strict=False):
        picture.imshow(tile.pixels)
        picture.set_title(title, fontsize=TITLE_SIZE)
        picture.set_xticks([])
        picture.set_yticks([])
        for spine in picture.spines.values():
            spine.set(color=tile.colour or "#888888", linewidth=2.5 if tile.colour else 0.8)
        if tile.scale is None:
            bar.set_axis_off()
            continue
        bar.imshow(colour_bar(tile.scale), aspect="auto", extent=(tile.scale.low, tile.scale.limit, 0, 1))
        ticks = [tile.scale.low, 0.0, tile.scale.limit] if tile.scale.signed else [0.0, tile.scale.limit]
        bar.set_xticks(ticks, [number(tick) for tick in ticks], fontsize=SCALE_SIZE)
        bar.set_yticks([])
        label = f"{tile.unit}\n{tile.group}".rstrip()
        bar.set_xlabel(wrapped(label, SCALE_SIZE, TILE_INCHES - GAP_INCHES), fontsize=SCALE_SIZE)


def _draw_probabilities(axes: Axes, explanation: Explanation) -> None:
    values = explanation.prediction.probabilities.numpy()
    colours = ["#333333" if k == explanation.prediction.index else "#AAAAAA" for k in range(len(values))]
    axes.barh(literal(explanation.labels), values, color=colours)
    for k, value in enumerate(values):
        axes.text(value + 0.01, k, percent(value), va="center", fontsize=7)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1.12), xlabel=_("probability"))
    plain(axes)


def _draw_ledger(axes: Axes, explanation: Explanation, width: float) -> None:
    """For the explained classes: the baseline (consensus), the contribution of each head, and their sum, the score.

    Args:
        axes: Where it is drawn.
        explanation: What to show.
        width: Of the axes with their labels, in inches.
    """
    fusion, score = explanation.fusion, explanation.score
    contributions = fusion.contributions.tolist()
    rows = [_("baseline"), *map(head_name, range(len(contributions))), _("this face")]
    values = [
        float(score.pick(fusion.consensus)),
        *contributions,
        float(score.of_logits(explanation.prediction.logits)),
    ]
    starts = [0.0]
    for value in values[:-2]:
        starts.append(starts[-1] + value)
    starts.append(0.0)
    colours = ["#888888", *(head_colour(h) for h in range(len(contributions))), "#333333"]
    axes.barh(rows, values, left=starts, color=colours)
    axes.axvline(0, color="#333333", linewidth=0.8)
    low, high = axes.get_xlim()
    for i, (value, start) in enumerate(zip(values, starts, strict=True)):
        axes.text(max(start, start + value) + 0.01 * (high - low), i, signed(value), va="center", fontsize=7)
    axes.set_xlim(low, high + 0.08 * (high - low))
    axes.invert_yaxis()
    axis = _("contributions to {score}, {unit} (residual {residual})").format(
        score=literal([score.describe_classes(explanation.labels)])[0], unit=_(score.unit),
        residual=number(float(score.pick(fusion.residual).abs())),
    )  # fmt: skip
    axes.set_xlabel(wrapped(axis, 8, width - 1))
    plain(axes)
