"""HTML that several panels use: strings in, strings out."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image
from torch import Tensor

from dan_model.faces import FaceCrop
from dan_model.show.figure_views import FigureView
from dan_model.show.svg import inline_svg
from dan_model.show.tiles import Scale, overlay

SMALL_SIDE = 112  # pixels of a small map


def notice(text: str, kind: str = "info") -> str:
    """A line of information for the visitor; kinds are info and warning."""
    return f'<p class="dan-notice dan-{kind}" role="status">{escape(text)}</p>' if text else ""


def sentence(text: str) -> str:
    """A plain sentence."""
    return f'<p class="dan-sentence">{escape(text)}</p>'


def picture(pixels: np.ndarray, alt: str, css_class: str = "") -> str:
    """An image with its PNG inside, so that nothing is written to disk."""
    return f'<img class="{css_class}" src="{_png(pixels)}" alt="{escape(alt, quote=True)}">'


def small_map(crop: FaceCrop, values: Tensor, scale: Scale, alt: str) -> str:
    """A small picture of a map over its face."""
    return picture(overlay(crop, values, scale, True, SMALL_SIDE), alt)


def figure_views(views: Sequence[FigureView]) -> str:
    """Figures with their sentences, two in a row where there is room."""
    return f'<div class="dan-views">{"".join(_figure_view(view) for view in views)}</div>'


def _figure_view(view: FigureView) -> str:
    title, note = escape(view.title), f"<small>{escape(view.note)}</small>" if view.note else ""
    kind = "dan-notice dan-warning" if view.warning else "dan-sentence"
    drawn = ""
    if view.figure is not None:
        figure = inline_svg(view.figure, f"{view.title} {view.sentence}")
        drawn = f'<div class="dan-scroll" tabindex="0" role="region" aria-label="{title}">{figure}</div>'
    return (
        f'<section class="dan-view" id="dan-view-{view.name}"><h3>{title}</h3>'
        f'<p class="{kind}">{escape(view.sentence)}</p>{drawn}{note}</section>'
    )


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
