"""The page: panels put together. One explainer, many visitors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.explain import Explainer
from dan_model.texts import TRANSLATED, translate_paragraphs
from dan_model.texts import translate as _
from dan_model.ui import api
from dan_model.ui.answering import AnsweringBlocks
from dan_model.ui.context import PageContext
from dan_model.ui.examples import ExamplePhoto, load_examples
from dan_model.ui.explain_request import choices
from dan_model.ui.explaining import explaining
from dan_model.ui.panels import (
    attributions,
    bench,
    classes,
    compare,
    cover,
    download,
    faithfulness,
    film,
    flow,
    fusion,
    guess,
    heads,
    learn,
    live,
    model,
    phone_bar,
    photo,
    prediction,
    request,
    tiles,
    tour,
)
from dan_model.ui.panels import examples as example_panel
from dan_model.ui.results import Results
from dan_model.ui.session import Session
from dan_model.ui.session_store import SessionStore
from dan_model.ui.theme import KEEP_FILES, asset, translations
from dan_model.ui.weights_cache import WeightsCache


def build(
    weights: WeightsCache, folder: Path | None = None, gpu: Callable[[Any], Any] | None = None
) -> AnsweringBlocks:
    """The page as Gradio Blocks, ready to launch.

    Args:
        weights: The weights to explain with.
        folder: Folder with example photos and their index, or None. The page opens with the first example where it was
            explained in advance with the same weights.
        gpu: Decorates what computes, where a GPU is lent for each call (`spaces.GPU`); see `PageContext`.
    """
    first = weights.first
    examples = load_examples(folder, first.explainer)
    context = PageContext(weights, gpu, SessionStore(_start(examples)))
    with AnsweringBlocks(
        title="DAN Explorer", analytics_enabled=False, delete_cache=KEEP_FILES, fill_width=True
    ) as page:
        # What is shown, from top to bottom.
        if TRANSLATED:
            gr.HTML(translations(), elem_id="dan-texts")
        gr.HTML(f'<a class="dan-skip" href="#dan-heads-row">{_("To the maps")}</a>', elem_id="dan-skip")
        top = model.header(first.checkpoint, tour.buttons)
        with gr.Row(elem_id="dan-input"):
            photo_panel = photo.components(folder, examples[0].photo if examples else None)
            with gr.Column(scale=1, min_width=300):
                strip = example_panel.component(examples)
        status = prediction.status()
        guess_part = guess.part()
        with gr.Row(elem_id="dan-main"):
            with gr.Column(scale=4, min_width=320):
                flow_part = flow.part()
            with gr.Column(scale=1, min_width=240):
                probabilities = prediction.probabilities()
        with gr.Row(elem_id="dan-summary"):
            sentence = prediction.summary_sentence()
            download.component(context)
        with gr.Column(elem_id="dan-tiles"):
            heads_row = tiles.heads_part(context)
            request_panel = request.components(first.explainer)
            attributions_row = tiles.attributions_part(context)
        with gr.Tabs(elem_id="dan-tabs", overflow_behavior="wrap"):
            with gr.Tab(heads.NAME):
                heads_figures = heads.tab()
            with gr.Tab(fusion.NAME):
                bench_part = bench.part()
                fusion_panel = fusion.components()
            with gr.Tab(cover.NAME):
                cover_panel = cover.tab(context)
            with gr.Tab(attributions.NAME):
                attribution_cards = attributions.tab()
            with gr.Tab(faithfulness.NAME):
                faithfulness_panel = faithfulness.components()
            with gr.Tab(classes.NAME):
                class_figures = classes.tab()
            with gr.Tab(compare.NAME):
                compare_panel = compare.components()
            with gr.Tab(live.NAME):
                live.component(first.explainer, context)
            with gr.Tab(film.NAME):
                film_panel = film.components(first.explainer, context)
            with gr.Tab(learn.NAME):
                learn.components(folder)
        model_panel = model.components(first.checkpoint)
        gr.Markdown(translate_paragraphs(asset("notice.md")), elem_id="dan-notice")
        phone_bar.component()
        tour_part = tour.part()
        learn.glossary_data()
        api.add_endpoints(first.here, folder)

        # What the page opens with.
        results = Results(
            [
                status, guess_part, flow_part, probabilities, sentence, heads_row, attributions_row, bench_part,
                fusion_panel.contributions, compare_panel.comparison, faithfulness_panel.faithfulness,
                faithfulness_panel.randomisation, tour_part,
            ],
            [heads_figures, fusion_panel.figures, cover_panel, attribution_cards, class_figures],
        )  # fmt: skip
        session = context.sessions.opening()
        if session.state is not None:
            results.start(session, session.state)

        # What happens.
        explain_face = explaining(results, context)
        defaults, settings = request.defaults(request_panel), request_panel.settings
        upload, again, example = photo.load_events(
            photo_panel, examples, defaults, settings, explain_face, results, context
        )
        explain = request.explain_event(request_panel, photo_panel.face, explain_face, results, context)
        photo.wire(photo_panel, strip, (upload, again, example), explain, context)
        request.wire(request_panel, explain, context)
        depends_on_model = [*request.depends_on_model(request_panel), film_panel.heads]
        model.wire(model_panel, top, depends_on_model, _choices, again, context)
        tiles.wire(request_panel.smooth, request_panel.shared, [heads_row, attributions_row], context)
        compare.wire(compare_panel, context)
        film.wire(film_panel, results, context)
        faithfulness.wire(faithfulness_panel, results, context)
        results.wire(context)
        page.unload(_on_leave(context))
        page.idle.append(context.sessions.end_idle)
    return page


def _choices(explainer: Explainer) -> list[dict[str, Any]]:
    """The choices that depend on the model, for an explainer."""
    return [*choices(explainer), film.shown_heads(explainer)]


def _start(examples: list[ExamplePhoto]) -> Callable[[], Session]:
    """How the session of a new visitor begins: with the first example, or empty where it has no explanation."""
    if not examples or examples[0].state is None:
        return Session
    first = examples[0]
    return lambda: Session(photo=first.photo, state=first.state)


def _on_leave(context: PageContext) -> Callable[[gr.Request], None]:
    def on_leave(request: gr.Request) -> None:
        context.sessions.end(request.session_hash)

    return on_leave
