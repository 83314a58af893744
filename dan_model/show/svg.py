"""A matplotlib figure as SVG inside a page: text stays text, and ink takes the page's own colour."""

from __future__ import annotations

import io
import re
from html import escape

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from dan_model.show.drawing_thread import draw_in_turn
from dan_model.show.style import INK

# Removed, since it would affect the rest of the page or clash with other figures: style sheet, ids, fonts.
# A font ends with its attribute (\x22 is the quotation mark), even where no other property follows.
_GLOBAL = re.compile(r"<metadata>.*?</metadata>|<style.*?</style>|font-family: [^;\x22]*(?:; )?", re.DOTALL)


def inline_svg(figure: Figure, alt: str) -> str:
    """The figure as an `<svg>` element without a background; its `--width` is the width at which it was drawn.

    Args:
        figure: Drawn in `INK` and colours that read on dark and light; it loses its background.
        alt: The text alternative, for screen readers.
    """
    for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
        patch.set(facecolor="none", edgecolor="none")
    drawn = draw_in_turn(lambda: _print_svg(figure))
    drawn = _GLOBAL.sub("", drawn[drawn.index("<svg") :]).replace(INK.lower(), "currentColor")
    drawn = re.sub(r'<g id="[^"]*"', "<g", drawn)
    width = f"--width: {figure.get_figwidth():g}in"
    named = f'<svg role="img" aria-label="{escape(alt, quote=True)}" class="dan-figure" style="{width}"'
    return drawn.replace("<svg", named, 1)


def _print_svg(figure: Figure) -> str:
    """Printed by the canvas itself: `savefig` would draw everything twice, the first time for the layout alone."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        FigureCanvasSVG(figure).print_svg(buffer, metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
