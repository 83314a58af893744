"""Guess first: the visitor names the expression and up to three cells before the page shows the network's answer.

While it is on, `assets/guess.js` hides what would give the answer away, for every new face.
"""

from __future__ import annotations

import json
from html import escape

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.show.style import head_colour
from dan_model.show.tiles import percent
from dan_model.texts import translate as _
from dan_model.ui.html import face_key
from dan_model.ui.results import Part
from dan_model.ui.theme import scripts

CELLS = 3  # that may be chosen


def part() -> Part:
    """Add the panel to the page that is being built; it is hidden until the visitor asks for it."""
    component = gr.HTML(elem_id="dan-guess", js_on_load=scripts("numbers", "guess"))
    return Part("guess", component, lambda session, state: guess(state.explanation))


def guess(explanation: Explanation) -> str:
    """The face with its cells, the classes, and a place for the comparison with the heads."""
    rows, columns = explanation.heads.spatial.shape[1:]
    prediction = explanation.prediction
    question = _("2. Which cells would you look at? Click on up to {count} of them on the face.")
    cells = "".join(
        f'<button type="button" class="dan-guess-cell" aria-pressed="false" tabindex="{0 if not r and not c else -1}" '
        f'aria-label="{_("Row {row}, column {column}").format(row=r + 1, column=c + 1)}"></button>'
        for r in range(rows)
        for c in range(columns)
    )
    classes = "".join(
        f'<button type="button" class="dan-guess-class" data-label="{escape(label, quote=True)}" aria-pressed="false">'
        f"{escape(label)}</button>"
        for label in explanation.labels
    )
    return (
        f'<section class="dan-guess" {_data(explanation)} style="--columns: {columns}" aria-label="{_("Guess first")}">'
        f'<div class="dan-guess-face"><img alt="{_("The face")}"><div class="dan-guess-cells" role="group" '
        f'aria-label="{_("Cells of the face; arrow keys move")}">{cells}</div></div>'
        f'<div class="dan-guess-questions"><h2>{_("Guess first")}</h2>'
        f'<p id="dan-guess-class-question">{_("1. Which expression does this face show?")}</p>'
        f'<div class="dan-guess-classes" role="group" aria-labelledby="dan-guess-class-question">{classes}</div>'
        f"<p>{question.format(count=CELLS)}</p>"
        f'<p><button type="button" class="dan-guess-reveal" disabled>{_("Reveal")}</button> '
        f'<button type="button" class="dan-guess-end">{_("Show the page without a guess")}</button></p>'
        f'<output class="dan-guess-answer" aria-live="polite"></output></div>'
        f'<div class="dan-guess-heads" hidden data-predicted="{escape(prediction.label, quote=True)}" '
        f'data-probability="{percent(float(prediction.probabilities[prediction.index]))}"></div></section>'
    )


def _data(explanation: Explanation) -> str:
    """The map of each head, from which the browser computes its share in the chosen cells, and the name of the face."""
    maps = explanation.heads.spatial.flatten(1)  # (H, cells)
    values = json.dumps([[float(f"{value:.6g}") for value in row] for row in maps.tolist()])
    colours = escape(json.dumps([head_colour(h) for h in range(len(maps))]), quote=True)
    return f'data-maps="{values}" data-colours="{colours}" data-face="{face_key(explanation)}" data-limit="{CELLS}"'
