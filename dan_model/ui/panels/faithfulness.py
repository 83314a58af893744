"""The tab Faithfulness: on request, every map that is shown is measured, and computed again with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import Faithfulness, MapName, ParameterRandomisation
from dan_model.faces import FaceCrop
from dan_model.show.faithfulness_views import faithfulness_views, randomisation_view
from dan_model.show.map_drawing import Scale
from dan_model.show.tiles import number
from dan_model.texts import translate as _
from dan_model.texts import translate_plural
from dan_model.ui.context import QUEUED, UNQUEUED, PageContext
from dan_model.ui.html import figure_views, notice, small_map
from dan_model.ui.photo_input import error_text, shown_as_error
from dan_model.ui.results import TILES, Part, Results
from dan_model.ui.session import RequestToken, Session
from dan_model.ui.state import Weights
from dan_model.ui.status import STOPPED, nothing_shown
from dan_model.ui.theme import scripts

NAME = _("Faithfulness")
NOT_MEASURED = _("Not measured for this face yet. Measuring takes the network a few hundred passes.")
NOT_RANDOMISED = _(
    "Not run for this face yet. The weights become random layer by layer, and every map is computed again: one that "
    "stays the same does not show what the network has learned."
)


@dataclass(frozen=True)
class Components:
    """The components of the tab."""

    measure: gr.Button
    sensitivity: gr.Checkbox
    randomise: gr.Button
    faithfulness: Part
    randomisation: Part


def components() -> Components:
    """Add the panel to the tab that is being built."""
    with gr.Row():
        measure = gr.Button(_("Measure these maps"), size="sm", elem_id="dan-measure", min_width=180)
        sensitivity = gr.Checkbox(True, label=_("with sensitivity to noise (slow)"), elem_id="dan-sensitivity")
        randomise = gr.Button(_("Randomise the network"), size="sm", elem_id="dan-randomise", min_width=180)
    faithfulness = gr.HTML(elem_id="dan-faithfulness")
    randomisation = gr.HTML(elem_id="dan-randomisation", js_on_load=scripts("faithfulness"))
    return Components(
        measure,
        sensitivity,
        randomise,
        Part("faithfulness", faithfulness, lambda session, state: notice(NOT_MEASURED)),
        Part("randomisation", randomisation, lambda session, state: notice(NOT_RANDOMISED)),
    )


def measured_html(found: Faithfulness) -> str:
    """The measurements that are ready."""
    return figure_views(faithfulness_views(found))


def randomised_html(found: ParameterRandomisation, crop: FaceCrop) -> str:
    """Every map with more and more random weights, by a slider, and its similarity to the true map."""
    last, random = len(found.layers), [_("nothing"), *map(_, found.layers[:1])]
    random += [_("classifier … {layer}").format(layer=_(layer)) for layer in found.layers[1:]]
    chips = "".join(
        f'<span class="dan-step" data-step="{i}"{"" if i == 0 else " hidden"}>'
        f"{_('Random: <b>{layers}</b>').format(layers=escape(layers))}</span>"
        for i, layers in enumerate(random)
    )
    slider = (
        f'<label class="dan-alpha-row"><span>{_("Randomise from the top")}</span><input type="range" '
        f'class="dan-depth" min="0" max="{last}" step="1" value="0"><span aria-live="polite">{chips}</span></label>'
    )
    tiles = "".join(_stack(found, name, crop) for name in found.names)
    row = f'<div class="dan-randomisation">{slider}<div class="dan-small-row">{tiles}</div></div>'
    return row + figure_views([randomisation_view(found)])


def still_to_come(found: Faithfulness | ParameterRandomisation) -> str:
    """How many are still to come, with a button that stops it; empty at the end."""
    if not (count := found.pending):
        return ""
    if isinstance(found, Faithfulness):
        text = translate_plural(
            "Measuring: {count} result still to come.", "Measuring: {count} results still to come.", count
        )
    else:
        text = translate_plural(
            "Randomising: {count} layer still to come.", "Randomising: {count} layers still to come.", count
        )
    stop = f'<button type="button" class="dan-stop-here">{_("Stop")}</button>'
    return f'<div class="dan-measuring">{notice(text.format(count=count), "running")}{stop}</div>'


def _stack(found: ParameterRandomisation, name: MapName, crop: FaceCrop) -> str:
    """The pictures of a map, one for each step, of which the slider shows one; each in its own colours."""
    similarity = found.similarity(name.key)
    pictures = ""
    for i, values in enumerate(found.maps[name.key]):
        scale = Scale(float(values.abs().max()) or 1.0, signed=name.signed and name.head is None)
        caption = _("the true map") if i == 0 else f"ρ {number(round(similarity[i], 2))}"
        pictures += (
            f'<div class="dan-step" data-step="{i}"{"" if i == 0 else " hidden"}>'
            f"{small_map(crop, values, scale, f'{name.title}, {caption}')}"
            f"<figcaption>{escape(name.title)}<br>{caption}</figcaption></div>"
        )
    return f"<figure>{pictures}</figure>"


def wire(panel: Components, results: Results, context: PageContext) -> None:
    """Connect the panel: each button starts its measurement, which ends the request before it."""

    # What computes, where a GPU is lent for each call.
    def measure(weights: Weights, explanation: Explanation, sensitivity: bool) -> Iterator[Faithfulness]:
        return context.weights.get(*weights).explainer.faithfulness(explanation, sensitivity)

    def randomise(weights: Weights, explanation: Explanation) -> Iterator[ParameterRandomisation]:
        return context.weights.get(*weights).explainer.randomisation(explanation)

    gpu_measure, gpu_randomise = (context.gpu(measure), context.gpu(randomise)) if context.gpu else (None, None)

    # What the buttons do.
    @shown_as_error
    def on_measure(sensitivity: bool, request: gr.Request) -> Iterator[list[Any]]:
        def found(weights: Weights, e: Explanation, token: RequestToken) -> Iterator[Faithfulness]:
            if gpu_measure:
                return gpu_measure(weights, e, sensitivity)
            explainer = context.weights.get(*weights).explainer
            return explainer.faithfulness(e, sensitivity, should_continue=lambda: token.active)

        session = context.session(request)
        yield from _run(session, panel.faithfulness, results, found, lambda one, e: measured_html(one))

    @shown_as_error
    def on_randomise(request: gr.Request) -> Iterator[list[Any]]:
        def found(weights: Weights, e: Explanation, token: RequestToken) -> Iterator[ParameterRandomisation]:
            if gpu_randomise:
                return gpu_randomise(weights, e)
            return context.weights.get(*weights).explainer.randomisation(e, lambda: token.active)

        session = context.session(request)
        yield from _run(session, panel.randomisation, results, found, lambda one, e: randomised_html(one, e.crop))

    panel.measure.click(context.begin_request, **UNQUEUED).then(
        on_measure, panel.sensitivity, results.components, **QUEUED
    )
    panel.randomise.click(context.begin_request, **UNQUEUED).then(on_randomise, None, results.components, **QUEUED)


def _run(
    session: Session,
    part: Part,
    results: Results,
    measurements: Callable[[Weights, Explanation, RequestToken], Iterator[Any]],
    draw: Callable[[Any, Explanation], str],
) -> Iterator[list[Any]]:
    """Stream a measurement of what is shown into one part of the page, until it ends, is stopped, or is superseded."""
    # Begin, unless Stop was pressed while this request was in the queue, or nothing is shown.
    if session.stopped:
        yield results.update({part.name: notice(STOPPED)})
        return
    token, state, photo = session.begin_request(), session.state, session.photo
    if state is None or photo is None:
        yield results.update({part.name: notice(nothing_shown(session))})
        return
    # Attributions that were still being computed have ended: their tiles go.
    if not token.superseded:
        yield results.update({TILES: results.ended(session, token), part.name: notice(_("Computing …"), "running")})
    # Show each result as it is ready, unless a newer request began while it was drawn.
    drawn = ""
    try:
        for found in measurements(photo.weights, state.explanation, token):
            if not token.active:
                break
            drawn = draw(found, state.explanation)
            if token.superseded:
                break
            yield results.update({part.name: still_to_come(found) + drawn})
    except Exception as error:
        yield results.update({part.name: notice(error_text(error), "warning") + drawn})
        raise
    # After a newer request Gradio would repeat the last values of this one: send none instead.
    if token.superseded:
        yield results.update()
    elif not token.active:
        yield results.update({part.name: notice(STOPPED) + drawn})
