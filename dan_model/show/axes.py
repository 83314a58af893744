"""What all figures share: size, plain axes, tables, and a legend that covers nothing."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Sequence
from functools import cache

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont
from matplotlib.ft2font import FT2Font
from matplotlib.patches import Rectangle
from torch import Tensor

from dan_model.show.drawing_thread import draw_in_turn
from dan_model.show.style import INK, SHADE

DPI = 130  # of figures and panels in files
WIDTH = 5.5  # inches; of the figure of a view
LEGEND_COLUMNS, LEGEND_SIZE = 5, 8  # at most; points
LEGEND_STYLE = {"fontsize": LEGEND_SIZE, "frameon": False, "labelcolor": INK, "handlelength": 1, "columnspacing": 1.2}
MEASURED_SIZE = 100  # points, at which widths of text are measured
_one_measures = threading.Lock()


def new_figure(height: float) -> tuple[Figure, Axes]:
    """A figure of the common width with one pair of axes; the height is in inches."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots()


def png(figure: Figure) -> bytes:
    """A figure as the bytes of a PNG file."""
    buffer = io.BytesIO()
    draw_in_turn(lambda: figure.savefig(buffer, format="png", dpi=DPI))
    return buffer.getvalue()


def plain(axes: Axes) -> None:
    """Small labels, two spines, everything in ink."""
    axes.tick_params(labelsize=8, colors=INK)
    for label in (axes.xaxis.label, axes.yaxis.label):
        label.set(fontsize=8, color=INK)
    axes.spines[:].set_color(INK)
    axes.spines[["top", "right"]].set_visible(False)


def literal(names: Sequence[str]) -> list[str]:
    """Escape dollar signs, which matplotlib reads as formulas: a checkpoint may have them in its class names."""
    return [name.replace("$", r"\$") for name in names]


def wrapped(text: str, size: float, width: float) -> str:
    """Break lines where a text of a font size (points) would be wider than `width` (inches).

    They break after semicolons, then between words, and within a word only where it alone is too wide.
    """
    lines: list[str] = []
    for line in text.split("\n"):
        if "; " in line and text_inches(line, size) > width:
            lines += wrapped(line.replace("; ", ";\n"), size, width).split("\n")
            continue
        kept = ""
        for word in re.split(r"(?<= )", line):
            if kept and text_inches((kept + word).rstrip(), size) > width:
                lines.append(kept.rstrip())
                kept = ""
            kept += word
            while text_inches(kept.rstrip(), size) > width:
                fitting = next((n for n in range(len(kept) - 1, 1, -1) if text_inches(kept[:n], size) <= width), 1)
                lines.append(kept[:fitting])
                kept = kept[fitting:]
        lines.append(kept.rstrip())
    return "\n".join(lines)


def text_inches(text: str, size: float) -> float:
    """The width of a line in the font of the figures, in inches; the size is in points."""
    if not text.strip():
        return 0.0
    with _one_measures:
        font = _measured_font()
        font.set_text(text)
        return font.get_width_height()[0] / 64 / MEASURED_SIZE * size / 72  # in 64ths of a pixel, which is a point here


@cache
def _measured_font() -> FT2Font:
    """The font of the figures, once for all threads: matplotlib's own fonts are kept for each thread that asks."""
    font = FT2Font(findfont(FontProperties()))
    font.set_size(MEASURED_SIZE, 72)
    return font


def legend_above(
    axes: Axes, columns: int = LEGEND_COLUMNS, handles: Sequence[Artist] | None = None, width: float = WIDTH - 0.6
) -> None:
    """The legend above the axes, in as many lines as it takes; of what is drawn, or of `handles`.

    Args:
        axes: Below the legend.
        columns: At most so many.
        handles: What to name; else everything that has a label.
        width: Inches from the left end of the axes to what the legend must not cover.
    """
    handles = handles or axes.get_legend_handles_labels()[0]
    columns = fitting_columns([str(handle.get_label()) for handle in handles], width, columns)
    axes.legend(
        handles=handles,
        ncols=columns,
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.2,
        **LEGEND_STYLE,
    )


def legend_rows(names: Sequence[str], width: float = WIDTH - 0.6, columns: int = LEGEND_COLUMNS) -> int:
    """How many lines a legend of these names takes, which has the width (inches) and at most so many columns."""
    return -(-len(names) // fitting_columns(names, width, columns))


def fitting_columns(names: Sequence[str], width: float, most: int) -> int:
    """The number of columns, at most `most`, in which the entries of a legend fit into `width` (inches).

    Not more columns than its lines need: four entries that do not fit into one line stand in two columns.
    """
    beside = 3 * LEGEND_SIZE / 72  # inches; the sample of the colour, and what keeps the columns apart
    widths = [text_inches(name, LEGEND_SIZE) + beside for name in names]
    for columns in range(min(most, len(names)), 1, -1):
        if sum(max(column) for column in np.array_split(widths, columns)) <= width:
            return -(-len(names) // -(-len(names) // columns))
    return 1


def shaded_table(axes: Axes, values: Tensor, rows: Sequence[str], columns: Sequence[str], numbers: bool = True) -> None:
    """A table of values (rows, columns) in [0, 1]: each cell is shaded by its value, and shows it if `numbers`."""
    for i, j in np.ndindex(len(rows), len(columns)):
        value = float(values[i, j])
        axes.add_patch(Rectangle((j, i), 1, 1, facecolor=SHADE, alpha=0.04 + 0.5 * value, linewidth=0))
        if not numbers:
            continue
        axes.text(j + 0.5, i + 0.5, f"{value:.2f}", ha="center", va="center", fontsize=8, color=INK)
    axes.set(xlim=(0, len(columns)), ylim=(len(rows), 0))
    bare_table(axes, rows, columns)


def bare_table(axes: Axes, rows: Sequence[str], columns: Sequence[str]) -> None:
    """Row names on the left, column names on top, nothing else."""
    axes.set_xticks([j + 0.5 for j in range(len(columns))], columns)
    axes.set_yticks([i + 0.5 for i in range(len(rows))], rows)
    axes.xaxis.tick_top()
    plain(axes)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
