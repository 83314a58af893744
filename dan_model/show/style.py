"""Every colour, in one place. Heads have one colour each, everywhere; maps have one of two colour scales."""

from __future__ import annotations

HEAD_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#CC79A7", "#F0E442", "#0072B2", "#D55E00", "#999999")
"""By head, from the first on (Okabe and Ito's colour-blind safe palette); heads beyond start again."""

SEQUENTIAL = "inferno"  # attention: 0 is dark, perceptually uniform
DIVERGING = "RdBu_r"  # signed maps: blue is against the class, red for it, white is zero

INK = "#333333"  # text and lines of figures; on the page, the page's own text colour
FAINT = "#999999"  # background elements; readable on dark and on light
SHADE = "#0072B2"  # cells of tables, the stronger the higher the value

METHOD_COLOURS = "Dark2"  # of attributions, in figures that also show heads
CLASS_COLOURS = "tab10"  # of classes, in the picture of the reference faces
REGION_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#D55E00", "#F0E442", "#0072B2", "#CC79A7", "#999999")
"""Of the face's regions, in the order of `explain.regions.REGIONS`; used in one figure, which names them too."""

TILE_SIDE = 336  # pixels; seven cells of 48


def head_colour(head: int) -> str:
    """The colour of a head, as #RRGGBB."""
    return HEAD_COLOURS[head % len(HEAD_COLOURS)]
