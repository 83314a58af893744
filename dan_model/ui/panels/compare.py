"""The tab Compare: a kept face beside the present one, or one face under two models or for two classes.

Maps stand in aligned columns on shared scales, with their differences; under one model, the heads of the kept face are
also transplanted into the present one.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.show.figure_views import transplant_view
from dan_model.show.tiles import percent
from dan_model.texts import translate as _
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.html import face_key, figure_views, notice, picture
from dan_model.ui.results import Part
from dan_model.ui.session import Session
from dan_model.ui.side_by_side import contribution_table, map_rows, probability_table
from dan_model.ui.state import KeptFace, PageState
from dan_model.ui.status import nothing_shown

NAME = _("Compare")
INVITATION = _(
    "Keep this face, then choose another face, photo or example, another class, or another model: you see both side by "
    "side."
)
KEPT = _("This face is kept. Now choose another face, photo or example, another class, or another model.")


@dataclass(frozen=True)
class Components:
    """The components of the tab."""

    comparison: Part
    keep: gr.Button


def components() -> Components:
    """Add the panel to the tab that is being built."""
    keep = gr.Button(_("Keep this face"), size="sm", elem_id="dan-keep")
    comparison = gr.HTML(elem_id="dan-comparison")
    return Components(Part("comparison", comparison, compared), keep)


def keep_face(session: Session) -> None:
    """Keep the face that is shown, to compare others with it."""
    if session.state is not None and session.photo is not None:
        session.kept_face = KeptFace(session.state.explanation, session.photo.weights)


def compared(session: Session, state: PageState) -> str:
    """The kept face and the present one side by side, or what to do first."""
    now, kept = state.explanation, session.kept_face
    if kept is None:
        return notice(INVITATION)
    before = kept.explanation
    same_model = session.photo is not None and kept.weights == session.photo.weights
    same_face = same_model and face_key(before) == face_key(now)
    if same_face and before.score == now.score and before.prior == now.prior:
        return notice(KEPT)
    named = [(_("kept"), before), (_("now"), now)]
    notes = []
    if not same_model:
        notes.append(_("The two were explained with different models: their maps have different units."))
    tables = contribution_table(named)
    if before.labels == now.labels:
        tables = probability_table(named) + tables
    else:
        notes.append(_("Their classes differ."))
    if before.description != now.description:
        notes.append(
            _("Contributions and fusion maps explain two different scores: to compare them, explain the same class.")
        )
    drawn = (
        f'<div class="dan-compared-faces">{"".join(_face(name, one) for name, one in named)}</div>'
        f"{notice(' '.join(notes), 'warning')}{map_rows(named, _('now − kept'))}"
        f'<div class="dan-side-tables">{tables}</div>'
    )
    if same_model and not same_face and len(now.heads.embeddings) > 1:
        name = _("the kept face ({label})").format(label=before.prediction.label)
        drawn += figure_views([transplant_view(now, before.heads.embeddings, name)])
    return drawn


def _face(name: str, e: Explanation) -> str:
    label, probability = e.prediction.label, percent(float(e.prediction.probabilities[e.prediction.index]))
    text = _("{name}: predicted {label} ({probability}); explained: {score}").format(
        name=name, label=label, probability=probability, score=e.description
    )
    return f"<figure>{picture(e.input_pixels, text)}<figcaption>{escape(text)}</figcaption></figure>"


def wire(panel: Components, context: PageContext) -> None:
    """Connect the panel: the button keeps the face that is shown."""

    def on_keep(request: gr.Request) -> str:
        session = context.session(request)
        keep_face(session)
        return notice(nothing_shown(session)) if session.state is None else compared(session, session.state)

    panel.keep.click(on_keep, None, panel.comparison.component, **QUEUED)
