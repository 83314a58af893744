"""The page: panels put together. One explainer, many visitors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.ui import api
from dan_model.ui.context import QUEUED, PageContext
from dan_model.ui.explain_request import choices
from dan_model.ui.panels import (
    attributions,
    bench,
    classes,
    faithfulness,
    fusion,
    heads,
    model,
    photo,
    prediction,
    request,
    tiles,
)
from dan_model.ui.results import Results, Tab
from dan_model.ui.theme import KEEP_FILES, asset
from dan_model.ui.weights_cache import WeightsCache


def build(weights: WeightsCache, examples: Path | None = None, gpu: Callable[[Any], Any] | None = None) -> gr.Blocks:
    """The page as Gradio Blocks, ready to launch.

    Args:
        weights: The weights to explain with.
        examples: Folder with example images, or None.
        gpu: Decorates what computes, where a GPU is lent for each call (`spaces.GPU`); see `PageContext`.
    """
    context, first = PageContext(weights, gpu), weights.first
    with gr.Blocks(title="DAN Explorer", analytics_enabled=False, delete_cache=KEEP_FILES, fill_width=True) as page:
        # What is shown, from top to bottom.
        top = model.header(first.checkpoint)
        with gr.Row(elem_id="dan-main"):
            with gr.Column(scale=1, min_width=300, elem_id="dan-controls"):
                photo_panel = photo.components(examples)
                with gr.Column(elem_id="dan-settings"):
                    request_panel = request.components(first.explainer)
                    drawing = tiles.drawing()
                    model_panel = model.components(first.checkpoint)
            with gr.Column(scale=4, min_width=320, elem_id="dan-results"):
                prediction_parts = prediction.parts()
                tiles_part = tiles.part()
                with gr.Tabs(elem_id="dan-tabs", overflow_behavior="wrap"):
                    with gr.Tab(heads.NAME) as heads_tab:
                        heads_figures = heads.tab()
                    with gr.Tab(fusion.NAME) as fusion_tab:
                        bench_part = bench.part()
                        fusion_panel = fusion.components()
                    with gr.Tab(attributions.NAME) as attributions_tab:
                        attribution_cards = attributions.tab()
                    with gr.Tab(faithfulness.NAME):
                        faithfulness_panel = faithfulness.components()
                    with gr.Tab(classes.NAME) as classes_tab:
                        class_figures = classes.tab()
                with gr.Accordion("How to read this", open=False):
                    gr.Markdown(asset("how_to_read.md"))
        gr.Markdown(asset("notice.md"), elem_id="dan-notice")
        api.add_endpoints(first.explainer, examples)

        # What happens.
        opened = {
            heads_figures: heads_tab,
            fusion_panel.figures: fusion_tab,
            attribution_cards: attributions_tab,
            class_figures: classes_tab,
        }
        results = Results(
            [
                *prediction_parts, tiles_part, bench_part, fusion_panel.contributions, fusion_panel.transplants,
                faithfulness_panel.faithfulness, faithfulness_panel.randomisation,
            ],
            list(opened),
        )  # fmt: skip
        load = photo.load_event(photo_panel, results, context)
        face_and_drawing = (photo_panel.face, [drawing.smooth, drawing.shared])
        explain = request.explain_event(request_panel, *face_and_drawing, results, context)
        photo.wire(photo_panel, load, explain, context)
        request.wire(request_panel, explain, context)
        model.wire(model_panel, top, request.depends_on_model(request_panel), choices, load, explain, context)
        tiles.wire(drawing, tiles_part, context)
        fusion.wire(fusion_panel, context)
        faithfulness.wire(faithfulness_panel, tiles_part, results, context)
        for tab, component in opened.items():
            component.select(_opener(tab, results, context), None, results.tab_components, **QUEUED)
        page.unload(_on_leave(context))
    return page


def _opener(tab: Tab, results: Results, context: PageContext) -> Callable[[gr.Request], list[Any]]:
    def on_open(request: gr.Request) -> list[Any]:
        return results.open_tab(context.session(request), tab.name)

    return on_open


def _on_leave(context: PageContext) -> Callable[[gr.Request], None]:
    def on_leave(request: gr.Request) -> None:
        context.sessions.end(request.session_hash)

    return on_leave
