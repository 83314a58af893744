"""The flow picture: face, heads, fusion and prediction of this face; its parts lead to the tabs.

It carries the numbers with which the browser computes what happens when heads are switched off, scaled, copied or
swapped (`assets/heads.js`, `assets/contributions.js`), and follows these changes (`assets/flow.js`).
"""

from __future__ import annotations

import json
from html import escape

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.show.flow import flow_picture
from dan_model.show.glossary import marked
from dan_model.show.style import head_colour
from dan_model.ui.html import face_key, packed
from dan_model.ui.results import Part
from dan_model.ui.session import Session
from dan_model.ui.state import FIRST_WEIGHTS, PageState
from dan_model.ui.theme import scripts


def part() -> Part:
    """Add the panel to the page that is being built."""
    component = gr.HTML(elem_id="dan-flow", js_on_load=scripts("numbers", "motion", "contributions", "heads", "flow"))

    def draw(session: Session, state: PageState) -> str:
        example = None if session.photo is None else session.photo.example
        first = session.weights == FIRST_WEIGHTS
        return flow(state.explanation, session.requests, first, "" if example is None else example.stem)

    return Part("flow", component, draw)


def flow(explanation: Explanation, request: int = 0, first: bool = True, example: str = "") -> str:
    """The picture, and the numbers of this face as data attributes.

    Args:
        explanation: Of this face.
        request: Its number.
        first: Whether the weights are those that the page started with.
        example: The name of the example; empty for a visitor's photo.
    """
    data = f'data-request="{request}" data-first="{str(first).lower()}" data-example="{escape(example, quote=True)}"'
    numbers = f'<div class="dan-numbers-of-face" hidden {data} {_data(explanation)}></div>'
    return f"{numbers}{flow_picture(explanation, text_to_html=marked)}"


def _data(explanation: Explanation) -> str:
    """The numbers that the browser computes with, as data attributes."""
    classifier, embeddings = explanation.fusion.classifier, explanation.heads.embeddings.double()
    values = {
        "face": face_key(explanation),
        "embeddings": packed(embeddings),
        "weight": packed(classifier.weight),
        "bias": packed(classifier.bias),
        "contributions": packed(explanation.fusion.contributions.double()),
        "labels": json.dumps(explanation.labels),
        "target": str(explanation.target),
        "kind": explanation.score.kind,
        "against": "" if explanation.score.against is None else str(explanation.score.against),
        "colours": json.dumps([head_colour(h) for h in range(len(embeddings))]),
    }
    return " ".join(f'data-{name}="{escape(value, quote=True)}"' for name, value in values.items())
