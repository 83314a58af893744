"""The tab Fusion: contributions of the heads, figures, and the heads of one face transplanted into another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import gradio as gr
import torch

from dan_model.explain.explanation import Explanation
from dan_model.show.figure_views import fusion_views, transplant_view
from dan_model.show.sentences import consensus_text, score_note
from dan_model.show.style import head_colour
from dan_model.show.tiles import number
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.html import figure_views, notice, picture
from dan_model.ui.results import Part, Tab
from dan_model.ui.session import Session
from dan_model.ui.state import KeptFace, PageState

NAME = "Fusion"


@dataclass(frozen=True)
class Components:
    """The components of the panel."""

    contributions: Part
    figures: Tab
    transplants: Part
    keep: gr.Button


def components() -> Components:
    """Add the panel to the tab that is being built, below the bench."""
    contributions = gr.HTML(elem_id="dan-ledger")
    figures = gr.HTML(elem_id="dan-fusion")
    transplanted = gr.HTML(elem_id="dan-transplants")
    keep = gr.Button("Keep this face for transplants", size="sm", elem_id="dan-keep")
    return Components(
        Part("contributions", contributions, lambda session, state: contributions_table(state.explanation)),
        Tab(NAME, figures, lambda explanation: figure_views(fusion_views(explanation))),
        Part("transplants", transplanted, transplants),
        keep,
    )


def contributions_table(explanation: Explanation) -> str:
    """The fusion ledger: baseline + one row for each head = this face, for every class, with the residual."""
    fusion, target, score = explanation.fusion, explanation.target, explanation.score
    rows = [_row("baseline", "", fusion.consensus.tolist(), target)]
    for h, entries in enumerate(fusion.ledger.tolist()):
        rows.append(_row(f"Head {h + 1}", head_colour(h), entries, target))
    final = score.of_classes(explanation.prediction.logits)
    rows.append(_row(f"= {score.quantity}", "", final.tolist(), target, "dan-sum"))
    cells = "".join(
        f'<th scope="col"{_explained(k, target)}>{escape(label)}</th>' for k, label in enumerate(explanation.labels)
    )
    residual = number(float(fusion.residual.abs().max()))
    return (
        f'<div class="dan-scroll" tabindex="0" role="region" aria-label="Contributions of the heads">'
        f'<table class="dan-ledger">'
        f"<caption>{escape(consensus_text(explanation))} Contributions of the heads to the {score.quantity}, in "
        f"{score.unit}: the baseline (all heads equal), and how far each head moves every class away from it. The rows "
        f"add up; largest residual {residual}. The explained class is highlighted.{escape(score_note(explanation))}"
        f"</caption>"
        f"<thead><tr><td></td>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def keep_face(session: Session) -> None:
    """Keep the face that is shown, for transplants into others."""
    if session.state is not None and session.photo is not None:
        e = session.state.explanation
        session.kept_face = KeptFace(e.heads.embeddings, session.photo.weights, e.prediction.label, e.input_pixels)


def transplants(session: Session, state: PageState) -> str:
    """What the heads of the kept face would change here, or what to do first."""
    e, kept = state.explanation, session.kept_face
    if len(e.heads.embeddings) == 1:
        return notice("Transplants need two heads or more.")
    if kept is None:
        return notice(
            "Transplant: keep this face, then choose another one. Its heads are replaced by those of this face."
        )
    face = picture(kept.pixels, f"The kept face, predicted: {kept.label}", "dan-kept-face")
    if session.photo is None or kept.weights != session.photo.weights:
        return face + notice("The kept face was explained with another model; keep a face again.", "warning")
    if torch.equal(kept.embeddings, e.heads.embeddings):
        return face + notice("This face is kept. Now choose another face, photo or example.")
    return face + figure_views([transplant_view(e, kept.embeddings, f"the kept face ({kept.label})")])


def _row(name: str, colour: str, values: Sequence[float], target: int, css_class: str = "") -> str:
    chip = f'<span class="dan-chip" style="background:{colour}"></span>' if colour else ""
    cells = "".join(f"<td{_explained(k, target)}>{value:+.2f}</td>" for k, value in enumerate(values))
    return f'<tr class="{css_class}"><th scope="row">{chip}{escape(name)}</th>{cells}</tr>'


def _explained(k: int, target: int) -> str:
    return ' class="dan-explained"' if k == target else ""


def wire(panel: Components, context: PageContext) -> None:
    """Connect the panel: the button keeps the face that is shown."""

    def on_keep(request: gr.Request) -> str:
        session = context.session(request)
        keep_face(session)
        return "" if session.state is None else transplants(session, session.state)

    panel.keep.click(on_keep, None, panel.transplants.component, **QUEUED)
