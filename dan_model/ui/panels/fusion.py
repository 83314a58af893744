"""The tab Fusion: contributions of the heads, and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.show.figure_views import fusion_views
from dan_model.show.glossary import marked
from dan_model.show.sentences import consensus_text, score_note, signed
from dan_model.show.style import head_colour
from dan_model.show.tiles import number
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.html import figure_views
from dan_model.ui.results import Part, Tab, figures_component

NAME = _("Fusion")


@dataclass(frozen=True)
class Components:
    """The components of the panel."""

    contributions: Part
    figures: Tab


def components() -> Components:
    """Add the panel to the tab that is being built, below the bench."""
    contributions = gr.HTML(elem_id="dan-ledger")
    figures = figures_component("dan-fusion")
    return Components(
        Part("contributions", contributions, lambda session, state: contributions_table(state.explanation)),
        Tab(NAME, figures, lambda explanation: figure_views(fusion_views(explanation))),
    )


def contributions_table(explanation: Explanation) -> str:
    """The fusion ledger: baseline + one row for each head = this face, for every class, with the residual."""
    fusion, target, score = explanation.fusion, explanation.target, explanation.score
    rows = [_row(_("baseline"), "", fusion.consensus.tolist(), target)]
    for h, entries in enumerate(fusion.ledger.tolist()):
        rows.append(_row(head_name(h), head_colour(h), entries, target))
    final = score.of_classes(explanation.prediction.logits)
    rows.append(_row(f"= {_(score.quantity)}", "", final.tolist(), target, "dan-sum"))
    cells = "".join(
        f'<th scope="col"{_explained(k, target)}>{escape(label)}</th>' for k, label in enumerate(explanation.labels)
    )
    caption = _(
        "{contributions} of the heads to the {quantity}, in {unit}: the baseline (all heads equal), and how far each "
        "head moves every class away from it. The rows add up; largest residual {residual}. The explained class is "
        "highlighted."
    ).format(
        contributions=marked(_("Contributions")), quantity=_(score.quantity), unit=_(score.unit),
        residual=number(float(fusion.residual.abs().max())),
    )  # fmt: skip
    return (
        f'<div class="dan-scroll" tabindex="0" role="region" aria-label="{_("Contributions of the heads")}">'
        f'<table class="dan-ledger">'
        f"<caption>{marked(consensus_text(explanation))} {caption}{escape(score_note(explanation))}</caption>"
        f"<thead><tr><td></td>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _row(name: str, colour: str, values: Sequence[float], target: int, css_class: str = "") -> str:
    chip = f'<span class="dan-chip" style="background:{colour}"></span>' if colour else ""
    cells = "".join(f"<td{_explained(k, target)}>{signed(value)}</td>" for k, value in enumerate(values))
    return f'<tr class="{css_class}"><th scope="row">{chip}{escape(name)}</th>{cells}</tr>'


def _explained(k: int, target: int) -> str:
    return ' class="dan-explained"' if k == target else ""
