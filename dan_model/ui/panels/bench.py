"""The bench in the tab Fusion: switch heads off, scale, copy and swap them, and see the prediction follow.

The browser computes it (`assets/heads.js`) and shows it (`assets/bench.js`), so that it follows every movement at once.
"""

from __future__ import annotations

from html import escape
from itertools import combinations

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import consensus_path
from dan_model.show.class_figures import class_colour
from dan_model.show.glossary import marked
from dan_model.show.sentences import ONE_HEAD, path_sentence
from dan_model.show.style import head_colour
from dan_model.show.tiles import signed
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.results import Part
from dan_model.ui.theme import scripts

CHANNELS_OFFERED = 8  # for the formulas: the strongest for the class, and as many against it
READING = _(
    "Colour before a name: its line over α. Bars and first number: probability; second: log-probability in nats. Mark "
    "in a bar: before your changes."
)
DIFFERENCES = _("Differences between heads α")


def part() -> Part:
    """Add the panel to the tab that is being built."""
    component = gr.HTML(elem_id="dan-bench", js_on_load=scripts("numbers", "bench"))
    return Part("bench", component, lambda session, state: bench(state.explanation))


def bench(explanation: Explanation) -> str:
    """Buttons and sliders for the heads, the prediction that follows, and the formulas with this face's numbers."""
    heads = len(explanation.heads.embeddings)
    if heads == 1:
        return f'<p class="dan-sentence">{escape(ONE_HEAD)}</p>'
    return (
        '<div class="dan-bench">'
        f'<div class="dan-chips" role="group" aria-label="{_("Heads")}">{"".join(_chip(h) for h in range(heads))}'
        f'<button type="button" class="dan-reset">{_("Reset")}</button></div>'
        f"{_sliders(heads)}"
        f'<output class="dan-bench-sentence" aria-live="polite"></output>'
        '<div class="dan-bench-row">'
        f'<div class="dan-decision" role="group" aria-label="{_("Class probabilities now")}">'
        f"{''.join(map(_class_row, range(len(explanation.labels)), explanation.labels))}<small>{READING}</small></div>"
        '<div><svg class="dan-path" viewBox="0 0 420 190" role="img" '
        f'aria-label="{_("Class probabilities over α")}"></svg>'
        f"<small>{marked(_path_text(explanation))}</small></div></div>{_formulas(explanation)}</div>"
    )


def _path_text(explanation: Explanation) -> str:
    path = consensus_path(explanation.fusion.classifier, explanation.heads.embeddings)
    sentence = path_sentence(path, explanation.labels, explanation.target)
    return _("Before your changes: {sentence}").format(sentence=sentence)


def _chip(head: int) -> str:
    name = head_name(head)
    return (
        f'<span class="dan-head-chip" style="--head: {head_colour(head)}">'
        f'<span class="dan-head-name"><span class="dan-chip" style="background: var(--head)"></span>{name}</span>'
        f'<button type="button" class="dan-off" data-head="{head}" aria-pressed="false" '
        f'aria-label="{_("{head} off").format(head=name)}" '
        f'title="{_("Switch {head} off or on").format(head=name)}">{_("off")}</button>'
        f'<button type="button" class="dan-only" data-head="{head}" aria-pressed="false" '
        f'aria-label="{_("only {head}").format(head=name)}" '
        f'title="{_("Switch off all heads but {head}").format(head=name)}">{_("only")}</button></span>'
    )


def _sliders(heads: int) -> str:
    names, none = [head_name(h) for h in range(heads)], f'<option value="">{_("none")}</option>'
    copies = "".join(
        f'<option value="{h}">{_("{head} to all heads").format(head=name)}</option>' for h, name in enumerate(names)
    )
    swaps = "".join(
        f'<option value="{a},{b}">{names[a]} ↔ {names[b]}</option>' for a, b in combinations(range(heads), 2)
    )
    scales = "".join(
        f'<label>{name} <input type="range" class="dan-scale" data-head="{h}" min="0" max="2" step="0.01" '
        f'value="1" aria-label="{_("Scale of {head}").format(head=name)}"><span>1.00</span></label>'
        for h, name in enumerate(names)
    )
    meaning = _("0: all heads equal, the baseline; 1: this face; 2: differences doubled")
    return (
        f'<label class="dan-alpha-row"><span>{DIFFERENCES}</span>'
        '<input type="range" class="dan-alpha" min="0" max="2" step="0.01" value="1" '
        f'aria-label="{DIFFERENCES}" aria-description="{meaning}">'
        f"<span>1.00</span><small>{_('0 baseline (all heads equal) · 1 this face · 2 doubled')}</small></label>"
        f'<details class="dan-more"><summary>{_("Copy, swap, scale")}</summary><div>'
        f'<label>{_("Copy")} <select class="dan-copy">{none}{copies}</select></label>'
        f'<label>{_("Swap")} <select class="dan-swap">{none}{swaps}</select></label>'
        f"{scales}</div></details>"
    )


def _class_row(k: int, label: str) -> str:
    name = f'<i class="dan-curve-colour"></i>{escape(label)}'
    return (
        f'<div class="dan-class" style="--class: {class_colour(k)}"><span>{name}</span>'
        f'<span class="dan-track"><span></span><i title="{_("without changes")}"></i></span>'
        "<span></span><span></span></div>"
    )


def _formulas(explanation: Explanation) -> str:
    """S = Σ ln p = -H ln H - H·KL for a channel that the visitor chooses among the strongest for and against."""
    pull, score = explanation.fusion.pull, explanation.score
    order = pull.argsort(descending=True, stable=True).tolist()
    offered = [*order[:CHANNELS_OFFERED], *order[-CHANNELS_OFFERED:]]
    options = ""
    for c in dict.fromkeys(offered):
        option = _("channel {number} ({contribution})").format(number=c + 1, contribution=signed(pull[c]))
        options += f'<option value="{c}">{option}</option>'
    strongest = _("Strongest contributions to {classes} before your changes, {unit}:").format(
        classes=escape(score.describe_classes(explanation.labels)), unit=_(score.unit)
    )
    return (
        f'<div class="dan-formulas"><h4>{_("What fusion computes, channel by channel")}</h4><label>{strongest} '
        f'<select class="dan-channel" aria-label="{_("Channel")}">{options}</select></label>'
        '<div class="dan-shares"></div><dl class="dan-numbers"></dl></div>'
    )
