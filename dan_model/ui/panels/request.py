"""The request: which class is explained, compared with which, for which head, and by which attribution methods."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dan_model.explain import Explainer
from dan_model.explain.attributions import DEFAULT_METHODS, METHODS
from dan_model.texts import translate as _
from dan_model.ui.context import QUEUED, UNQUEUED, PageContext
from dan_model.ui.explain_request import (
    ALL_HEADS,
    ALL_OTHERS,
    PREDICTED,
    ExplainRequest,
    choices,
    grouped_methods,
    speed,
)
from dan_model.ui.explaining import Explain
from dan_model.ui.html import notice
from dan_model.ui.photo_input import shown_as_error
from dan_model.ui.results import STATUS, Results
from dan_model.ui.state import NATIVE, SMOOTH
from dan_model.ui.status import STOPPED

BASELINES_LABEL = _("Baselines (reference inputs); none chosen: the mean face, or the blurred face where there is none")


@dataclass(frozen=True)
class Components:
    """The components of the panel."""

    target: gr.Dropdown
    against: gr.Dropdown
    contribution: gr.Dropdown
    methods: tuple[gr.CheckboxGroup, ...]
    baselines: gr.CheckboxGroup
    finer: gr.Checkbox
    base_rates: gr.Radio
    stop: gr.Button
    smooth: gr.Radio
    shared: gr.Checkbox

    @property
    def settings(self) -> list[Any]:
        """What holds for every face and class: methods, baselines, base rates, drawing."""
        return [*self.methods, self.baselines, self.finer, self.base_rates, self.smooth, self.shared]


def components(explainer: Explainer) -> Components:
    """Add the panel to the page that is being built, with the choices that an explainer offers.

    What is explained stands in one line; how it is attributed and drawn is a click away.
    """
    targets, againsts, contributions, baseline_choice, base_rate_choice = choices(explainer)
    with gr.Row(elem_id="dan-request"):
        target = gr.Dropdown(**targets, label=_("Explain the class"), min_width=190, elem_id="dan-target")
        against = gr.Dropdown(**againsts, label=_("compared with"), min_width=190, elem_id="dan-against")
        contribution = gr.Dropdown(
            **contributions, label=_("for the whole network or one head"), min_width=190, elem_id="dan-contribution"
        )
        stop = gr.Button(_("Stop"), elem_id="dan-stop", min_width=80, scale=0)
    # What few visitors change.
    with gr.Accordion(_("Methods, baselines and drawing"), open=False, elem_id="dan-settings"):
        with gr.Column(elem_id="dan-methods"):
            methods = tuple(
                gr.CheckboxGroup(
                    [(f"{METHODS[name].title} · {speed(name)}", name) for name in names],
                    value=[name for name in names if name in DEFAULT_METHODS],
                    label=question,
                )
                for question, names in grouped_methods().items()
            )
        baselines = gr.CheckboxGroup(**baseline_choice, label=BASELINES_LABEL, elem_id="dan-baselines")
        finer = gr.Checkbox(False, label=_("Finer attributions (several times slower)"), elem_id="dan-finer")
        base_rates = gr.Radio(**base_rate_choice, label=_("Base rates of the expressions"), elem_id="dan-base-rates")
        with gr.Row():
            smooth = gr.Radio([SMOOTH, NATIVE], value=SMOOTH, label=_("Draw maps"), elem_id="dan-drawing")
            shared = gr.Checkbox(True, label=_("One colour scale for all heads"), elem_id="dan-shared")
    return Components(target, against, contribution, methods, baselines, finer, base_rates, stop, smooth, shared)


def defaults(panel: Components) -> list[tuple[Any, Any]]:
    """What another photo sets back: it is explained for its own predicted class."""
    return [(panel.target, PREDICTED), (panel.against, ALL_OTHERS), (panel.contribution, ALL_HEADS)]


def depends_on_model(panel: Components) -> list[Any]:
    """The components whose choices depend on the model, in the order of `choices`."""
    return [panel.target, panel.against, panel.contribution, panel.baselines, panel.base_rates]


def explain_event(
    panel: Components, face: gr.Radio, explain_face: Explain, results: Results, context: PageContext
) -> dict[str, Any]:
    """The event that explains the chosen face of the photo that is shown, as arguments for Gradio's listeners.

    Args:
        panel: This panel.
        face: The choice of a face.
        explain_face: Explains it.
        results: Where it is shown.
        context: Of the page.
    """

    @shown_as_error
    def on_explain(
        request: gr.Request, chosen: str | None, target: str, against: str, contribution: str, *settings: Any
    ) -> Iterator[list[Any]]:
        session = context.session(request)
        session.set_settings(settings)
        if session.stopped:  # while this request was in the queue
            yield results.update({STATUS: notice(STOPPED)})
        elif session.reading:  # explained when the photo is there, with these settings
            yield results.update()
        else:
            wanted = ExplainRequest.from_page(chosen, target, against, contribution, settings)
            yield from explain_face(session, session.begin_request(), wanted)

    inputs = [face, panel.target, panel.against, panel.contribution, *panel.settings]
    return {"fn": on_explain, "inputs": inputs, "outputs": results.components, **QUEUED}


def wire(panel: Components, explain: dict[str, Any], context: PageContext) -> None:
    """Connect the panel: every other class, head or method explains again, Stop stops."""

    def on_stop(request: gr.Request) -> None:
        context.session(request).stop()

    changes = [
        panel.target.input, panel.against.input, panel.contribution.input, *(one.input for one in panel.methods),
        panel.baselines.input, panel.finer.input, panel.base_rates.input,
    ]  # fmt: skip
    gr.on(changes, context.begin_request, **UNQUEUED).then(**explain)
    panel.stop.click(on_stop, **UNQUEUED)
