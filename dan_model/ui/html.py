"""HTML that several panels use: strings in, strings out."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from hashlib import sha256
from html import escape

import numpy as np
from torch import Tensor

from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.show.figure_views import FigureView
from dan_model.show.glossary import marked
from dan_model.show.map_drawing import Scale, overlay
from dan_model.show.photos import picture_address
from dan_model.show.svg import inline_svg
from dan_model.texts import translate as _

SMALL_SIDE = 112  # pixels of a small map
SAVE = (  # `assets/save.js` saves the figure before it
    f'<span class="dan-save-row">{_("Save:")} <button type="button" class="dan-save" data-kind="png">PNG</button> '
    '<button type="button" class="dan-save" data-kind="svg">SVG</button></span>'
)


def notice(text: str, kind: str = "info") -> str:
    """A line of information for the visitor; kinds are info, warning, and running while something is computed."""
    return f'<p class="dan-notice dan-{kind}" role="status">{escape(text)}</p>' if text else ""


def sentence(text: str) -> str:
    """A plain sentence, with the words of the glossary marked."""
    return f'<p class="dan-sentence">{marked(text)}</p>'


def picture(pixels: np.ndarray, alt: str, css_class: str = "") -> str:
    """An image with its pixels inside, so that nothing is written to disk."""
    return f'<img class="{css_class}" src="{picture_address(pixels)}" alt="{escape(alt, quote=True)}">'


def packed(values: Tensor) -> str:
    """Numbers as the bytes of little-endian float64, in base64, for the page's scripts."""
    return base64.b64encode(values.contiguous().numpy().astype("<f8").tobytes()).decode()


def face_key(explanation: Explanation) -> str:
    """Tells the page's scripts whether they see the same face under the same weights.

    Nothing that a pass computes: its last bits differ between machines and numbers of threads, and so between an
    explanation made in advance and a live one.
    """
    parts = explanation.input_pixels, explanation.fusion.classifier.weight.detach().numpy()
    return sha256(b"".join(part.tobytes() for part in parts)).hexdigest()[:16]


def small_map(crop: FaceCrop, values: Tensor, scale: Scale, alt: str) -> str:
    """A small picture of a map over its face."""
    return picture(overlay(crop, values, scale, True, SMALL_SIDE), alt)


def figure_views(views: Sequence[FigureView]) -> str:
    """Figures with their sentences, two in a row where there is room."""
    return f'<div class="dan-views">{"".join(_figure_view(view) for view in views)}</div>'


def _figure_view(view: FigureView) -> str:
    title, note = escape(view.title), f"<small>{marked(view.note)}</small>" if view.note else ""
    kind = "dan-notice dan-warning" if view.warning else "dan-sentence"
    drawn = ""
    if view.figure is not None:
        figure = inline_svg(view.figure, f"{view.title} {view.sentence}")
        drawn = f'<div class="dan-scroll" tabindex="0" role="region" aria-label="{title}">{figure}</div>{SAVE}'
    return (
        f'<section class="dan-view" id="dan-view-{view.name}"><h3>{title}</h3>'
        f'<p class="{kind}">{marked(view.sentence)}</p>{drawn}{note}</section>'
    )
