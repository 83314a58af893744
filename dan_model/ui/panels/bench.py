"""The bench in the tab Fusion: switch heads off, scale, copy and swap them, and see the prediction follow.

The browser computes it (`assets/heads.js`) and shows it (`assets/bench.js`), so that it follows every movement at once.
"""

from __future__ import annotations

from html import escape
from itertools import combinations

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import consensus_path
from dan_model.show.glossary import marked
from dan_model.show.sentences import ONE_HEAD, path_sentence
from dan_model.show.style import head_colour
from dan_model.ui.results import Part
from dan_model.ui.theme import asset

CHANNELS_OFFERED = 8  # for the formulas: the strongest for the class, and as many against it


def part() -> Part:
    """Add the panel to the tab that is being built."""
    component = gr.HTML(elem_id="dan-bench", js_on_load=asset("numbers.js") + asset("bench.js"))
    return Part("bench", component, lambda session, state: bench(state.explanation))


def bench(explanation: Explanation) -> str:
    """Buttons and sliders for the heads, the prediction that follows, and the formulas with this face's numbers."""
    heads = len(explanation.heads.embeddings)
    if heads == 1:
        return f'<p class="dan-sentence">{escape(ONE_HEAD)}</p>'
    return (
        '<div class="dan-bench">'
        f'<div class="dan-chips" role="group" aria-label="Heads">{"".join(_chip(h) for h in range(heads))}'
        f'<button type="button" class="dan-reset">Reset</button></div>'
        f"{_sliders(heads)}"
        f'<output class="dan-bench-sentence" aria-live="polite"></output>'
        f'<div class="dan-bench-row"><div class="dan-decision" role="group" aria-label="Class probabilities now">'
        f"{''.join(_class_row(label) for label in explanation.labels)}<small>Bars and first number: probability; "
        "second: log-probability in nats. Mark in a bar: before your changes.</small></div>"
        f'<div><svg class="dan-path" viewBox="0 0 420 190" role="img" aria-label="Class probabilities over α"></svg>'
        f"<small>{marked(_path_text(explanation))}</small></div></div>{_formulas(explanation)}</div>"
    )


def _path_text(explanation: Explanation) -> str:
    path = consensus_path(explanation.fusion.classifier, explanation.heads.embeddings)
    return f"Before your changes: {path_sentence(path, explanation.labels, explanation.target)}"


def _chip(head: int) -> str:
    return (
        f'<span class="dan-head-chip" style="--head: {head_colour(head)}">'
        f'<button type="button" class="dan-off" data-head="{head}" aria-pressed="false" '
        f'title="Switch Head {head + 1} off or on">'
        f'<span class="dan-chip" style="background: {head_colour(head)}"></span>Head {head + 1}</button>'
        f'<button type="button" class="dan-only" data-head="{head}" aria-pressed="false" '
        f'aria-label="only Head {head + 1}" title="Switch off all heads but Head {head + 1}">only</button></span>'
    )


def _sliders(heads: int) -> str:
    copies = "".join(f'<option value="{h}">Head {h + 1} to all heads</option>' for h in range(heads))
    swaps = "".join(
        f'<option value="{a},{b}">Head {a + 1} ↔ Head {b + 1}</option>' for a, b in combinations(range(heads), 2)
    )
    scales = "".join(
        f'<label>Head {h + 1} <input type="range" class="dan-scale" data-head="{h}" min="0" max="2" step="0.01" '
        f'value="1" aria-label="Scale of Head {h + 1}"><span>1.00</span></label>'
        for h in range(heads)
    )
    return (
        '<label class="dan-alpha-row"><span>Differences between heads α</span>'
        '<input type="range" class="dan-alpha" min="0" max="2" step="0.01" value="1" '
        'aria-label="Differences between heads α" '
        'aria-description="0: all heads equal, the baseline; 1: this face; 2: differences doubled">'
        "<span>1.00</span><small>0 baseline (all heads equal) · 1 this face · 2 doubled</small></label>"
        '<details class="dan-more"><summary>Copy, swap, scale</summary><div>'
        f'<label>Copy <select class="dan-copy"><option value="">none</option>{copies}</select></label>'
        f'<label>Swap <select class="dan-swap"><option value="">none</option>{swaps}</select></label>'
        f"{scales}</div></details>"
    )


def _class_row(label: str) -> str:
    return (
        f'<div class="dan-class"><span>{escape(label)}</span>'
        '<span class="dan-track"><span></span><i title="without changes"></i></span>'
        "<span></span><span></span></div>"
    )


def _formulas(explanation: Explanation) -> str:
    """S = Σ ln p = -H ln H - H·KL for a channel that the visitor chooses among the strongest for and against."""
    pull, score = explanation.fusion.pull, explanation.score
    order = pull.argsort(descending=True, stable=True).tolist()
    offered = [*order[:CHANNELS_OFFERED], *order[-CHANNELS_OFFERED:]]
    options = "".join(
        f'<option value="{c}">channel {c + 1} ({float(pull[c]):+.2f})</option>' for c in dict.fromkeys(offered)
    )
    label = escape(score.describe_classes(explanation.labels))
    return (
        '<div class="dan-formulas"><h4>What fusion computes, channel by channel</h4>'
        f"<label>Strongest contributions to {label} before your changes, {score.unit}: "
        f'<select class="dan-channel" aria-label="Channel">{options}</select></label>'
        '<div class="dan-shares"></div><dl class="dan-numbers"></dl></div>'
    )
