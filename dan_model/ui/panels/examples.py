"""The examples: photos in rows, with what the network predicts for them; the one that is shown is marked."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import gradio as gr

from dan_model.show.tiles import percent
from dan_model.texts import translate as _
from dan_model.ui.examples import ExamplePhoto
from dan_model.ui.html import picture
from dan_model.ui.theme import scripts

GROUPS = {"people": _("or try"), "averages": _("Average face of")}  # the titles of the rows


def component(examples: Sequence[ExamplePhoto]) -> gr.HTML:
    """Add the panel to the page that is being built; a click selects the index of an example."""
    return gr.HTML(strip(examples), elem_id="dan-examples", js_on_load=scripts("examples", "link", "upload"))


def strip(examples: Sequence[ExamplePhoto]) -> str:
    """A row of buttons for each group of examples."""
    rows = []
    for group, title in GROUPS.items():
        buttons = "".join(_button(i, one) for i, one in enumerate(examples) if one.example.group == group)
        named = f'role="group" aria-label="{title}" data-group="{group}"'
        row = f'<div class="dan-strip" {named}><b>{title}</b>{buttons}</div>'
        rows += [row] if buttons else []
    return "".join(rows)


def _button(index: int, one: ExamplePhoto) -> str:
    predicted, shown = "", "true" if index == 0 and one.state is not None else "false"
    if one.state is not None:
        prediction = one.state.explanation.prediction
        share = percent(float(prediction.probabilities[prediction.index]))
        other = one.example.group == "averages" and one.example.caption != prediction.label
        kind = ' class="dan-other"' if other else ""
        known = one.example.group == "averages" and not other
        text = _("right: {share}") if known else _("read as {label} {share}") if other else "{label} {share}"
        text = text.format(label=prediction.label, share=share)
        predicted = f"<small{kind}>{escape(text)}</small>"
    name = escape(one.example.photo.stem, quote=True)
    return (
        f'<button type="button" class="dan-example" data-index="{index}" data-name="{name}" aria-pressed="{shown}">'
        f"{picture(one.thumbnail, '')}"
        f"<span>{escape(one.example.caption)}{predicted}</span></button>"
    )
