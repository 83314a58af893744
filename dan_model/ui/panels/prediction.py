"""The prediction: the status of the photo, the probability of every class, and one sentence about the heads."""

from __future__ import annotations

from html import escape

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.show.sentences import summary
from dan_model.show.tiles import percent
from dan_model.texts import translate as _
from dan_model.ui.html import notice, sentence
from dan_model.ui.results import STATUS, Part
from dan_model.ui.session import Session
from dan_model.ui.state import PageState
from dan_model.ui.status import INVITATION, photo_status


def status() -> Part:
    """Add the status of the photo to the page that is being built."""
    return Part(STATUS, gr.HTML(notice(INVITATION), elem_id="dan-status"), _status)


def probabilities() -> Part:
    """Add the probability of every class to the page that is being built."""
    component = gr.HTML(elem_id="dan-probabilities")
    return Part("probabilities", component, lambda session, state: probability_bars(state.explanation))


def summary_sentence() -> Part:
    """Add the sentence about the prediction to the page that is being built."""
    component = gr.HTML(elem_id="dan-sentence")
    return Part("sentence", component, lambda session, state: sentence(summary(state.explanation)))


def probability_bars(explanation: Explanation) -> str:
    """Every class with its probability; the prediction and the explained class are marked."""
    rows = []
    for k, label in enumerate(explanation.labels):
        p = float(explanation.prediction.probabilities[k])
        best = " dan-best" if k == explanation.prediction.index else ""
        explained = " dan-explained" if k == explanation.target else ""
        rows.append(
            f'<div class="dan-class{best}{explained}"><span>{escape(label)}</span><span class="dan-track">'
            f'<span style="width:{100 * p:.2f}%"></span><i style="left:{100 * p:.2f}%" hidden></i></span>'
            f"<span>{escape(percent(p))}</span></div>"
        )
    predicted = f'data-predicted="{escape(explanation.prediction.label)}"'
    named = f'role="group" aria-label="{_("Class probabilities")}"'
    return f'<div class="dan-classes" {predicted} {named}>{"".join(rows)}</div>'


def _status(session: Session, state: PageState) -> str:
    return "" if session.photo is None else photo_status(session.photo, state.explanation)
