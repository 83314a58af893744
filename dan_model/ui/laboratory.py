"""The tabs Heads and Fusion as HTML: figures with their sentences, and the bench where heads are touched.

The bench computes in the browser (`assets/laboratory.js`), from this face's embeddings and the folded classifier, so
that the decision follows every movement at once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from html import escape
from itertools import combinations

from torch import Tensor

from dan_model.explain.channels import tug_of_war
from dan_model.explain.explanation import Explanation
from dan_model.explain.interventions import consensus_path
from dan_model.show.sentences import ONE_HEAD, path_sentence
from dan_model.show.style import head_colour
from dan_model.show.svg import inline_svg
from dan_model.show.views import LabView

CHANNELS_OFFERED = 8  # for the formulas: the strongest for the class, and as many against it


def views(shown: Sequence[LabView]) -> str:
    """Views below each other, two in a row where there is room."""
    return f'<div class="dan-views">{"".join(_view(view) for view in shown)}</div>'


def bench(explanation: Explanation) -> str:
    """Chips to mute heads, consensus slider, copy, swap and loudness; the decision; the formulas with numbers."""
    heads = len(explanation.heads.embeddings)
    if heads == 1:
        return f'<p class="dan-sentence">{escape(ONE_HEAD)}</p>'
    return (
        f'<div class="dan-bench" {_data(explanation)}>'
        f'<div class="dan-chips" role="group" aria-label="Heads">{"".join(_chip(h) for h in range(heads))}'
        f'<button type="button" class="dan-reset">Reset</button></div>'
        f"{_sliders(heads)}"
        f'<output class="dan-told" aria-live="polite"></output>'
        f'<div class="dan-bench-row"><div class="dan-decision" role="group" aria-label="Class probabilities now">'
        f"{''.join(_class_row(label) for label in explanation.labels)}</div>"
        f'<div><svg class="dan-path" viewBox="0 0 420 190" role="img" aria-label="Class probabilities over α"></svg>'
        f"<small>{escape(_path_told(explanation))}</small></div></div>"
        f"{_formulas(explanation)}</div>"
    )


def _path_told(explanation: Explanation) -> str:
    path = consensus_path(explanation.fusion.classifier, explanation.heads.embeddings)
    return f"The untouched face: {path_sentence(path, explanation.labels, explanation.target)}"


def _data(explanation: Explanation) -> str:
    classifier, embeddings = explanation.fusion.classifier, explanation.heads.embeddings.double()
    values = {
        "face": sha256(embeddings.numpy().tobytes()).hexdigest()[:16],
        "embeddings": _packed(embeddings),
        "weight": _packed(classifier.weight),
        "bias": _packed(classifier.bias),
        "labels": json.dumps(explanation.labels),
        "target": str(explanation.target),
        "colours": json.dumps([head_colour(h) for h in range(len(embeddings))]),
    }
    return " ".join(f'data-{name}="{escape(value, quote=True)}"' for name, value in values.items())


def _packed(values: Tensor) -> str:
    """Numbers as the bytes of float64, little end first, in base64."""
    return base64.b64encode(values.contiguous().numpy().astype("<f8").tobytes()).decode()


def _chip(head: int) -> str:
    return (
        f'<span class="dan-head-chip" style="--head: {head_colour(head)}">'
        f'<button type="button" class="dan-mute" data-head="{head}" aria-pressed="false" '
        f'title="Mute or unmute Head {head + 1}"><span class="dan-chip" style="background: {head_colour(head)}"></span>'
        f"Head {head + 1}</button>"
        f'<button type="button" class="dan-solo" data-head="{head}" aria-pressed="false" '
        f'aria-label="Head {head + 1} alone" title="Mute all heads but Head {head + 1}">solo</button></span>'
    )


def _sliders(heads: int) -> str:
    copies = "".join(f'<option value="{h}">all say what Head {h + 1} says</option>' for h in range(heads))
    swaps = "".join(
        f'<option value="{a},{b}">Head {a + 1} ↔ Head {b + 1}</option>' for a, b in combinations(range(heads), 2)
    )
    loudness = "".join(
        f'<label>Head {h + 1} <input type="range" class="dan-scale" data-head="{h}" min="0" max="2" step="0.01" '
        f'value="1"><span>1.00</span></label>'
        for h in range(heads)
    )
    return (
        '<label class="dan-alpha-row"><span>Disagreement α</span>'
        '<input type="range" class="dan-alpha" min="0" max="2" step="0.01" value="1" '
        'aria-description="0: all heads agree, the consensus; 1: this face; 2: twice the disagreement">'
        "<span>1.00</span><small>0 consensus · 1 this face · 2 twice the disagreement</small></label>"
        '<details class="dan-more"><summary>Copy, swap, turn up and down</summary><div>'
        f'<label>Copy <select class="dan-copy"><option value="">nobody</option>{copies}</select></label>'
        f'<label>Swap <select class="dan-swap"><option value="">nobody</option>{swaps}</select></label>'
        f"{loudness}</div></details>"
    )


def _class_row(label: str) -> str:
    return (
        f'<div class="dan-class"><span>{escape(label)}</span>'
        '<span class="dan-track"><span></span><i title="the network\'s own answer"></i></span>'
        "<span></span><span></span></div>"
    )


def _formulas(explanation: Explanation) -> str:
    """S = Σ ln p = -H ln H - H·KL, for a channel that people choose, among the strongest for and against the class."""
    tug = tug_of_war(explanation.fusion.classifier, explanation.heads.embeddings, explanation.target)
    order = tug.order.tolist()
    offered = [*order[:CHANNELS_OFFERED], *order[-CHANNELS_OFFERED:]]
    options = "".join(
        f'<option value="{c}">channel {c + 1} ({float(tug.pull[c]):+.2f})</option>' for c in dict.fromkeys(offered)
    )
    label = escape(explanation.labels[explanation.target])
    return (
        '<div class="dan-formulas"><h4>What fusion computes, channel by channel</h4>'
        f"<label>Strongest pulls on {label} in the untouched face, logits: "
        f'<select class="dan-channel" aria-label="Channel">{options}</select></label>'
        '<div class="dan-shares"></div><dl class="dan-numbers"></dl></div>'
    )


def _view(view: LabView) -> str:
    title, note = escape(view.title), f"<small>{escape(view.note)}</small>" if view.note else ""
    kind = "dan-notice dan-warning" if view.warning else "dan-sentence"
    drawn = ""
    if view.figure is not None:
        figure = inline_svg(view.figure, f"{view.title} {view.sentence}")
        drawn = f'<div class="dan-scroll" tabindex="0" role="region" aria-label="{title}">{figure}</div>'
    return (
        f'<section class="dan-view" id="dan-view-{view.name}"><h3>{title}</h3>'
        f'<p class="{kind}">{escape(view.sentence)}</p>{drawn}{note}</section>'
    )
