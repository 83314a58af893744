"""The tour: cards over the page that point at one thing each, ask for one action, and notice when it is done.

What the cards say is in `show/tour.py`; where they point and how they notice is in `assets/tour.js`.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from html import escape

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.show.tour import SYMBOLS, tour_cards
from dan_model.texts import translate as _
from dan_model.ui.html import face_key
from dan_model.ui.results import Part
from dan_model.ui.theme import scripts


def buttons() -> None:
    """Add the buttons that start the tour and *Guess first* to the page that is being built."""
    gr.HTML(
        f'<nav class="dan-start" aria-label="{_("Learn")}">'
        f'<button type="button" class="dan-tour-start">{_("Tour")}</button>'
        f'<button type="button" class="dan-guess-start" aria-pressed="false">{_("Guess first")}</button></nav>',
        elem_id="dan-start",
    )


def part() -> Part:
    """Add the cards to the page that is being built; the browser shows them one at a time."""
    component = gr.HTML(elem_id="dan-tour", js_on_load=scripts("numbers", "motion", "tour"))
    return Part("tour", component, lambda session, state: cards(state.explanation))


def cards(explanation: Explanation) -> str:
    """The texts of all cards for this face, as data of the page."""
    texts = escape(json.dumps([asdict(card) for card in tour_cards(explanation)]), quote=True)
    symbols = escape(json.dumps(SYMBOLS), quote=True)
    data = f'data-face="{face_key(explanation)}" data-cards="{texts}" data-symbols="{symbols}"'
    return f'<div class="dan-tour-cards" hidden {data}></div>'
