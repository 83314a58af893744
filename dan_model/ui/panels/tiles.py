"""The tiles: a row of the heads and the fusion, and a row of the attributions."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import gradio as gr

from dan_model.explain.attributions import AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.explain.reference import compare_maps
from dan_model.explain.score import LOG_PROBABILITY
from dan_model.show.glossary import marked
from dan_model.show.map_drawing import colour_bar
from dan_model.show.sentences import score_note, usual_maps_sentence
from dan_model.show.tiles import Tile, attribution_tile, compared_head_tiles, fusion_tile, head_tiles, number
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.enlarged import enlarge_function
from dan_model.ui.html import picture
from dan_model.ui.results import HEADS_ROW, TILES, Part
from dan_model.ui.session import Session
from dan_model.ui.state import COMPARED, DIFFERENCE, SMOOTH, THIS_FACE, PageState
from dan_model.ui.theme import scripts


def heads_part(context: PageContext) -> Part:
    """Add the row of the heads and the fusion to the page that is being built."""
    return Part(HEADS_ROW, _row("dan-heads-row", context), draw_heads)


def attributions_part(context: PageContext) -> Part:
    """Add the row of the attributions to the page that is being built."""
    return Part(TILES, _row("dan-attributions-row", context), draw_attributions)


def _row(name: str, context: PageContext) -> gr.HTML:
    functions = [enlarge_function(context)]
    return gr.HTML(elem_id=name, js_on_load=scripts("session", "enlarged", "tiles"), server_functions=functions)


def draw_heads(session: Session, state: PageState) -> str:
    """The tiles of the heads and the fusion, drawn as the visitor wants them when they are done."""
    e = state.explanation
    return _as_wanted(session, lambda smooth, shared, compared: heads_row(e, smooth, shared, compared, session.key))


def draw_attributions(session: Session, state: PageState) -> str:
    """The tiles of the attributions, drawn as the visitor wants them when they are done."""
    return _as_wanted(session, lambda smooth, *others: attributions_row(state.explanation, smooth, state.pending))


def _as_wanted(session: Session, draw: Callable[[bool, bool, str], str]) -> str:
    """A row that is drawn again if the visitor chose another way to draw meanwhile."""
    while True:
        wanted = (session.smooth, session.shared, session.compared)
        row = draw(*wanted)
        if wanted == (session.smooth, session.shared, session.compared):
            return row


def redraw(session: Session) -> list[Any]:
    """Both rows of what is shown, after the visitor chose another way to draw them."""
    rows, drawn = [gr.skip(), gr.skip()], None
    while session.state is not None and session.state is not drawn:  # another attribution may arrive meanwhile
        drawn = session.state
        rows = [draw_heads(session, drawn), draw_attributions(session, drawn)]
    return rows


def heads_row(explanation: Explanation, smooth: bool, shared: bool, compared: str = THIS_FACE, key: str = "") -> str:
    """The tiles of the heads, each with its switches, and of the fusion; the heads' maps may be their averages.

    `key` names the session that has these choices: enlarged and downloaded, the maps are drawn in the same way.
    """
    reference = explanation.reference
    found = None if reference is None else compare_maps(explanation.heads.spatial, reference)
    if found is None or compared == THIS_FACE:
        heads = head_tiles(explanation, smooth, shared)
    else:
        heads = compared_head_tiles(explanation, found, compared == DIFFERENCE, smooth)
    tiles = "".join(_tile(tile, h, len(heads) > 1) for h, tile in enumerate(heads))
    fusion = _tile(fusion_tile(explanation, smooth))
    label = _("Maps for {score}").format(score=escape(explanation.description))
    hint = f'<span class="dan-to-point">{_("Point at a map to read every map at that place; click to enlarge.")}</span>'
    hint += f'<span class="dan-to-tap">{_("Tap a map to enlarge it.")}</span>'
    line = f'<span class="dan-hint">{hint}</span>'
    if found is not None and reference is not None:
        line = f"{_choice(compared)}<span>{marked(usual_maps_sentence(found, reference))}</span>{line}"
    outcome = f'<span></span> <button type="button" class="dan-undo" data-switch="reset">{_("Undo")}</button>'
    return (
        f'<div class="dan-row" role="group" aria-label="{label}" data-session="{escape(key)}">{tiles}{fusion}</div>'
        f'<p class="dan-outcome" hidden>{outcome}</p><div class="dan-line">{line}</div>'
    )


def _choice(compared: str) -> str:
    """Buttons that choose between this face, the average face, and their difference."""
    buttons = "".join(
        f'<button type="button" class="dan-compared" data-index="{i}" aria-pressed="{str(name == compared).lower()}">'
        f"{name}</button>"
        for i, name in enumerate(COMPARED)
    )
    return f'<span class="dan-segments" role="group" aria-label="{_("Maps of the heads")}">{buttons}</span>'


def attributions_row(explanation: Explanation, smooth: bool, pending: Sequence[str] = ()) -> str:
    """The tiles of the attributions; those that are still being computed already have their place."""
    ready = "".join(_tile(attribution_tile(explanation, one, smooth)) for one in explanation.attributions.values())
    waiting = "".join(_waiting_tile(AttributionRequest.parse(text).title) for text in pending)
    target, score = escape(explanation.description), explanation.score
    special = score.kind != LOG_PROBABILITY or score.head is not None
    note = _("Fusion map and attributions explain <b>{score}</b>.").format(score=target) + score_note(explanation)
    explained = f'<p class="dan-explained-score">{note}</p>' if special else ""
    more = f'<button type="button" class="dan-more-methods">{_("+ more methods")}</button>'
    label = _("Attributions for {score}").format(score=target)
    row = f'<div class="dan-row" role="group" aria-label="{label}">{ready}{waiting}{more}</div>'
    return f"{explained}{row}"


def _tile(tile: Tile, head: int | None = None, switches: bool = False) -> str:
    chip = f'<span class="dan-chip" style="background:{tile.colour}"></span>' if tile.colour else ""
    edge = f' style="border-color:{tile.colour}"' if tile.colour else ""
    values = (
        "" if tile.values is None else json.dumps([[f"{v:.4g}".replace("-", "−") for v in row] for row in tile.values])
    )
    of_head = "" if head is None else f' data-head="{head}"'
    title, unit = escape(tile.title, quote=True), escape(tile.cell_unit, quote=True)
    return (
        f'<figure class="dan-tile"{of_head} data-title="{title}" data-unit="{unit}" '
        f'data-values="{escape(values, quote=True)}">'
        f'<button type="button" class="dan-zoom" aria-label="{_("Enlarge {title}").format(title=title)}"{edge}>'
        f"{picture(tile.pixels, f'{tile.title}, {tile.note}')}</button>"
        f"<figcaption>{chip}<b>{escape(tile.title)}</b><span>{escape(tile.note)}</span></figcaption>"
        f"{_bar(tile)}{'' if head is None or not switches else _switches(head)}</figure>"
    )


def _switches(head: int) -> str:
    """Switch a head off, or all others; the bench computes what follows."""
    buttons = "".join(
        f'<button type="button" class="dan-switch" data-switch="{what}" data-head="{head}" aria-pressed="false" '
        f'aria-label="{name}: {head_name(head)}">{name}</button>'
        for what, name in {"off": _("off"), "only": _("only")}.items()
    )
    return f'<div class="dan-switches">{buttons}</div>'


def _bar(tile: Tile) -> str:
    if tile.scale is None:
        return ""
    return (
        f'<div class="dan-bar">{picture(colour_bar(tile.scale), _("colour scale"))}'
        f"<div><span>{number(tile.scale.low)}</span><span>{number(tile.scale.limit)}</span></div>"
        f"<small>{escape(tile.group or tile.unit)}</small></div>"
    )


def _waiting_tile(title: str) -> str:
    return (
        f'<figure class="dan-tile dan-waiting"><div class="dan-zoom"></div>'
        f"<figcaption><b>{escape(title)}</b><span>{_('computing …')}</span></figcaption></figure>"
    )


def wire(smooth: gr.Radio, shared: gr.Checkbox, rows: Sequence[Part], context: PageContext) -> None:
    """Connect the panel: the tiles follow the choice of how maps are drawn.

    Args:
        smooth: Chooses smooth maps or native cells.
        shared: Chooses one colour scale for all heads.
        rows: Heads, then attributions.
        context: Of the page.
    """

    # Each event sets its own choice alone: two quick ones may arrive in either order.
    def on_smooth(chosen: str, request: gr.Request) -> list[Any]:
        session = context.session(request)
        session.smooth = chosen == SMOOTH
        return redraw(session)

    def on_shared(chosen: bool, request: gr.Request) -> list[Any]:
        session = context.session(request)
        session.shared = chosen
        return redraw(session)

    def on_compare(event: gr.SelectData, request: gr.Request) -> Any:
        session = context.session(request)
        if event.index in range(len(COMPARED)):
            session.compared = COMPARED[event.index]
        return redraw(session)[0]

    rows[0].component.select(on_compare, None, rows[0].component, **QUEUED)
    outputs: list[Any] = [row.component for row in rows]
    smooth.input(on_smooth, smooth, outputs, **QUEUED)
    shared.input(on_shared, shared, outputs, **QUEUED)
