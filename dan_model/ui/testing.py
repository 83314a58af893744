"""The tab Faithfulness: the maps that are shown are put to the test, on request."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from dan_model.errors import DanError
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import Faithfulness
from dan_model.explain.sanity import Sanity
from dan_model.ui import drawing, handlers, html, trust
from dan_model.ui.handlers import INVITATION
from dan_model.ui.photo import shown_as_error
from dan_model.ui.shelf import Shelf
from dan_model.ui.theme import asset
from dan_model.ui.visits import Turn, Visit, Visits, Weights


@dataclass(frozen=True)
class Components:
    """What the tab consists of."""

    measure: gr.Button
    randomise: gr.Button
    sensitivity: gr.Checkbox
    faithfulness: gr.HTML
    sanity: gr.HTML


def components() -> Components:
    """The tab's components, for the tab that is being built."""
    with gr.Row():
        measure = gr.Button("Measure these maps", size="sm", elem_id="dan-measure", min_width=180)
        sensitivity = gr.Checkbox(True, label="and whether they hold still (slow)", elem_id="dan-sensitivity")
        randomise = gr.Button("Randomise the network", size="sm", elem_id="dan-randomise", min_width=180)
    faithfulness = gr.HTML(elem_id="dan-faithfulness")
    sanity = gr.HTML(elem_id="dan-sanity", js_on_load=asset("sanity.js"))
    return Components(measure, randomise, sensitivity, faithfulness, sanity)


def wire(
    tab: Components,
    visits: Visits,
    shelf: Shelf,
    shown: Sequence[Any],
    gpu: Callable[[Any], Any] | None,
    queued: dict[str, Any],
) -> None:
    """What the tab's buttons do; the arguments are the page's own, `shown` as `drawing.PARTS`."""

    def judge(weights: Weights, explanation: Explanation, sensitivity: bool) -> Iterator[Faithfulness]:
        return shelf.get(*weights).explainer.faithfulness(explanation, sensitivity)

    def shake(weights: Weights, explanation: Explanation) -> Iterator[Sanity]:
        return shelf.get(*weights).explainer.sanity(explanation)

    lent_judge, lent_shake = (gpu(judge), gpu(shake)) if gpu else (None, None)

    @shown_as_error
    def on_measure(sensitivity: bool, request: gr.Request) -> Iterator[list[Any]]:
        def results(weights: Weights, e: Explanation, turn: Turn) -> Iterator[Faithfulness]:
            if lent_judge:
                return lent_judge(weights, e, sensitivity)
            return shelf.get(*weights).explainer.faithfulness(e, sensitivity, proceed=lambda: turn.counts)

        visit = visits.of(request.session_hash)
        yield from _test(visit, "faithfulness", results, lambda found, e: trust.faithfulness(found))

    @shown_as_error
    def on_randomise(request: gr.Request) -> Iterator[list[Any]]:
        def results(weights: Weights, e: Explanation, turn: Turn) -> Iterator[Sanity]:
            if lent_shake:
                return lent_shake(weights, e)
            return shelf.get(*weights).explainer.sanity(e, lambda: turn.counts)

        visit = visits.of(request.session_hash)
        yield from _test(visit, "sanity", results, lambda found, e: trust.sanity(found, e.crop))

    def on_begin(request: gr.Request) -> None:
        visits.of(request.session_hash).ask()  # what was asked before ends now, not when this one's turn comes

    begin: dict[str, Any] = {"queue": False, "api_visibility": "private", "show_progress": "hidden"}
    tab.measure.click(on_begin, **begin).then(on_measure, tab.sensitivity, list(shown), **queued)
    tab.randomise.click(on_begin, **begin).then(on_randomise, None, list(shown), **queued)


def _test(
    visit: Visit,
    part: str,
    results: Callable[[Weights, Explanation, Turn], Iterator[Any]],
    draw: Callable[[Any, Explanation], str],
) -> Iterator[list[Any]]:
    """Stream a test of what is shown. It ends what is still being computed, and is itself ended by Stop."""
    if visit.stopped:  # while this waited in the queue
        yield drawing.changed({part: html.notice("Stopped.")})
        return
    turn, view, sitting = visit.ask(), visit.view, visit.sitting
    if view is None or sitting is None:
        yield drawing.changed({part: html.notice(INVITATION)})
        return
    view = visit.view = handlers.stopped(view)
    yield drawing.changed({"tiles": drawing.tiles(visit, view), part: html.notice("Computing …")})
    found = None
    try:
        for found in results(sitting.weights, view.explanation, turn):
            if not turn.counts:
                break
            yield drawing.changed({part: draw(found, view.explanation)})
    except DanError as error:
        yield drawing.changed({part: html.notice(str(error), "warning")})
        raise
    if turn.superseded:
        yield drawing.changed()  # Gradio repeats the last values at a stream's end: not over newer ones
    elif not turn.counts:
        drawn = html.notice("Stopped.") + ("" if found is None else draw(found, view.explanation))
        yield drawing.changed({part: drawn})
