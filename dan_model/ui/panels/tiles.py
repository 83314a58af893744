"""The tiles: the face, every head, the fusion and the attributions, in one row."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from dan_model.explain.attributions import AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.explain.score import LOG_PROBABILITY
from dan_model.show.sentences import score_note
from dan_model.show.tiles import Tile, all_tiles, colour_bar, number
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.html import picture
from dan_model.ui.results import TILES, Part
from dan_model.ui.session import Session
from dan_model.ui.state import NATIVE, SMOOTH, PageState
from dan_model.ui.theme import asset


@dataclass(frozen=True)
class Drawing:
    """The components that say how maps are drawn."""

    smooth: gr.Radio
    shared: gr.Checkbox


def drawing() -> Drawing:
    """Add the components that say how maps are drawn to the page that is being built."""
    return Drawing(
        gr.Radio([SMOOTH, NATIVE], value=SMOOTH, label="Draw maps", elem_id="dan-drawing"),
        gr.Checkbox(True, label="One colour scale for all heads", elem_id="dan-shared"),
    )


def part() -> Part:
    """Add the panel to the page that is being built."""
    return Part(TILES, gr.HTML(elem_id="dan-tiles", js_on_load=asset("tiles.js")), draw)


def draw(session: Session, state: PageState) -> str:
    """The tiles, drawn as the visitor wants them when they are done, not when drawing began."""
    while True:
        wanted = (session.smooth, session.shared)
        row = tile_row(state.explanation, *wanted, state.pending)
        if wanted == (session.smooth, session.shared):
            return row


def redraw(session: Session) -> Any:
    """The tiles of what is shown, after the visitor chose another way to draw them."""
    row, drawn = gr.skip(), None
    while session.state is not None and session.state is not drawn:  # another attribution may arrive meanwhile
        drawn = session.state
        row = draw(session, drawn)
    return row


def tile_row(explanation: Explanation, smooth: bool, shared: bool, pending: Sequence[str] = ()) -> str:
    """All tiles in one row; attributions that are still being computed already have their place."""
    ready = "".join(_tile(tile) for tile in all_tiles(explanation, smooth, shared))
    waiting = "".join(_waiting_tile(AttributionRequest.parse(text).title) for text in pending)
    target = escape(explanation.description)
    readout = (
        '<output class="dan-readout" aria-live="polite">Point at a map to read its values; click to enlarge.</output>'
    )
    score = explanation.score
    special = score.kind != LOG_PROBABILITY or score.head is not None
    note = f"Fusion map and attributions explain <b>{target}</b>.{score_note(explanation)}"
    explained = f'<p class="dan-explained-score">{note}</p>'
    return (
        f"{explained if special else ''}"
        f'<div class="dan-row" role="group" aria-label="Maps for {target}">{ready}{waiting}</div>{readout}'
    )


def _tile(tile: Tile) -> str:
    chip = f'<span class="dan-chip" style="background:{tile.colour}"></span>' if tile.colour else ""
    edge = f' style="border-color:{tile.colour}"' if tile.colour else ""
    values = "" if tile.values is None else json.dumps([[f"{v:.4g}" for v in row] for row in tile.values.tolist()])
    return (
        f'<figure class="dan-tile" data-title="{escape(tile.title, quote=True)}" '
        f'data-unit="{escape(tile.cell_unit, quote=True)}" data-values="{escape(values, quote=True)}">'
        f'<button type="button" class="dan-zoom" aria-label="Enlarge {escape(tile.title, quote=True)}"{edge}>'
        f"{picture(tile.pixels, f'{tile.title}, {tile.note}')}</button>"
        f"<figcaption>{chip}<b>{escape(tile.title)}</b><span>{escape(tile.note)}</span></figcaption>{_bar(tile)}</figure>"
    )


def _bar(tile: Tile) -> str:
    if tile.scale is None:
        return ""
    return (
        f'<div class="dan-bar">{picture(colour_bar(tile.scale), "colour scale")}'
        f"<div><span>{number(tile.scale.low)}</span><span>{number(tile.scale.limit)}</span></div>"
        f"<small>{escape(tile.group or tile.unit)}</small></div>"
    )


def _waiting_tile(title: str) -> str:
    return (
        f'<figure class="dan-tile dan-waiting"><div class="dan-zoom"></div>'
        f"<figcaption><b>{escape(title)}</b><span>computing …</span></figcaption></figure>"
    )


def wire(choice: Drawing, tiles: Part, context: PageContext) -> None:
    """Connect the panel: the tiles follow the choice of how maps are drawn."""

    # Each event sets its own choice alone: two quick ones may arrive in either order.
    def on_smooth(smooth: str, request: gr.Request) -> Any:
        session = context.session(request)
        session.smooth = smooth == SMOOTH
        return redraw(session)

    def on_shared(shared: bool, request: gr.Request) -> Any:
        session = context.session(request)
        session.shared = shared
        return redraw(session)

    choice.smooth.input(on_smooth, choice.smooth, tiles.component, **QUEUED)
    choice.shared.input(on_shared, choice.shared, tiles.component, **QUEUED)
