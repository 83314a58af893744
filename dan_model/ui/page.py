"""The page: components first, then what they do. One explainer, many visitors."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.checkpoints import Checkpoint
from dan_model.errors import DanError
from dan_model.explain.attributions import DEFAULT_BASELINE, DEFAULT_METHODS, METHODS
from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.published import PRESETS
from dan_model.ui import api, drawing, handlers, html, testing
from dan_model.ui.handlers import EVERYBODY, INVITATION, NATIVE, NOTHING, PREDICTED, SMOOTH, WHOLE, Wish
from dan_model.ui.photo import photo_input, shown_as_error
from dan_model.ui.shelf import Shelf
from dan_model.ui.theme import KEEP_FILES, asset
from dan_model.ui.visits import ATTRIBUTIONS, CLASSES, FAITHFULNESS, FUSION, HEADS, Sitting, Visits, Weights

QUESTIONS_AT_ONCE = 4  # they take turns pass by pass, so that nobody's first results wait for another's attributions
LOADING = {"concurrency_id": "weights", "concurrency_limit": 1}
NO_PRESET = "none"


def build(shelf: Shelf, examples: Path | None = None, gpu: Callable[[Any], Any] | None = None) -> gr.Blocks:
    """The page as Gradio Blocks, ready to launch.

    Args:
        shelf: The weights to explain with.
        examples: Folder with example images, or None.
        gpu: Decorates what computes, where an accelerator is lent for each call (`spaces.GPU`); it may run the call in
            another process, where a Stop is only seen between two results.
    """
    visits = Visits()

    def answer(
        weights: Weights, crop: FaceCrop, target: str | None, asked: list[str], against: str | None, head: int | None
    ) -> Iterator[Explanation]:
        return shelf.get(*weights).explainer.stream_crop(crop, target, asked, True, against=against, head=head)

    lent = gpu(answer) if gpu else None
    first = shelf.first.checkpoint
    with gr.Blocks(title="DAN Explorer", analytics_enabled=False, delete_cache=KEEP_FILES, fill_width=True) as page:
        with gr.Row():
            header = gr.Markdown(_header(first), elem_id="dan-head")
            theme = gr.Button("Light / dark", size="sm", elem_id="dan-theme", min_width=120)
        told = gr.HTML(html.notice(first.notice or "", "warning"), visible=bool(first.notice), elem_id="dan-told")
        with gr.Row(elem_id="dan-main"):
            with gr.Column(scale=1, min_width=300, elem_id="dan-controls"):
                photo = photo_input(
                    examples,
                    label="Photo",
                    sources=["upload", "webcam", "clipboard"],
                    webcam_options=gr.WebcamOptions(mirror=False),
                    buttons=["fullscreen"],
                    height=300,
                    alt_text="The photo that you chose",
                    elem_id="dan-upload",
                )
                overview = gr.HTML(visible=False, elem_id="dan-overview")
                face = gr.Radio([], label="Face", visible=False, elem_id="dan-face")
                if examples:
                    gr.Examples(_images(examples), photo, label="Examples", elem_id="dan-examples")
                with gr.Column(elem_id="dan-settings"):
                    target = gr.Dropdown(
                        [PREDICTED, *first.model.config.labels],
                        value=PREDICTED,
                        label="Class to explain",
                        elem_id="dan-target",
                    )
                    against = gr.Dropdown(
                        [NOTHING, *first.model.config.labels],
                        value=NOTHING,
                        label="rather than",
                        elem_id="dan-against",
                    )
                    whose = gr.Dropdown(
                        handlers.head_choices(first.model.config.num_heads),
                        value=EVERYBODY,
                        label="as decided by",
                        info="A head: its ledger entry alone is explained.",
                        elem_id="dan-whose",
                    )
                    methods = gr.CheckboxGroup(
                        [(method.title, name) for name, method in METHODS.items()],
                        value=list(DEFAULT_METHODS),
                        label="Attributions (Captum)",
                        elem_id="dan-methods",
                    )
                    baselines = gr.CheckboxGroup(
                        handlers.baseline_choices(shelf.first.explainer),
                        value=[DEFAULT_BASELINE],
                        label="Baselines: what stands for “nothing there”",
                        elem_id="dan-baselines",
                    )
                    with gr.Row():
                        run = gr.Button("Explain", variant="primary", elem_id="dan-run", min_width=100)
                        stop = gr.Button("Stop", elem_id="dan-stop", min_width=100)
                    how = gr.Radio([SMOOTH, NATIVE], value=SMOOTH, label="Draw maps", elem_id="dan-drawing")
                    shared = gr.Checkbox(True, label="One colour scale for all heads", elem_id="dan-shared")
                    with gr.Accordion("Weights", open=False, elem_id="dan-weights"):
                        source = gr.Textbox(
                            label="From", placeholder="user/name, user/name@revision; empty: the first ones"
                        )
                        preset = gr.Dropdown(
                            [NO_PRESET, *PRESETS], value=NO_PRESET, label="Preset (for a bare published file)"
                        )
                        load = gr.Button("Load weights", elem_id="dan-load")
                        provenance = gr.JSON(
                            _provenance(first),
                            label="What they say about themselves",
                            max_height=300,
                            elem_id="dan-provenance",
                        )
            with gr.Column(scale=4, min_width=320, elem_id="dan-results"):
                news = gr.HTML(html.notice(INVITATION), elem_id="dan-news")
                probabilities = gr.HTML(elem_id="dan-probabilities")
                sentence = gr.HTML(elem_id="dan-sentence")
                tiles = gr.HTML(elem_id="dan-tiles", js_on_load=asset("tiles.js"))
                with gr.Tabs(elem_id="dan-tabs", overflow_behavior="wrap"):
                    with gr.Tab(HEADS) as heads_tab:
                        heads = gr.HTML(elem_id="dan-heads")
                    with gr.Tab(FUSION) as fusion_tab:
                        bench = gr.HTML(elem_id="dan-bench", js_on_load=asset("laboratory.js"))
                        ledger = gr.HTML(elem_id="dan-ledger")
                        fusion = gr.HTML(elem_id="dan-fusion")
                        transplants = gr.HTML(elem_id="dan-transplants")
                        keep = gr.Button("Keep this face for transplants", size="sm", elem_id="dan-keep")
                    with gr.Tab(ATTRIBUTIONS) as attributions_tab:
                        attributions = gr.HTML(elem_id="dan-attributions")
                    with gr.Tab(FAITHFULNESS):
                        tests = testing.components()
                    with gr.Tab(CLASSES) as classes_tab:
                        classes = gr.HTML(elem_id="dan-classes-tab")
                with gr.Accordion("How to read this", open=False):
                    gr.Markdown(asset("how_to_read.md"))
        gr.Markdown(asset("notice.md"), elem_id="dan-notice")
        api.add_endpoints(shelf.first.explainer, examples)

        drawn: list[Any] = [heads, fusion, attributions, classes]
        at_once: list[Any] = [news, probabilities, sentence, tiles, bench, ledger, transplants]
        shown = [*at_once, tests.faithfulness, tests.sanity, *drawn]  # as PARTS
        found_faces: list[Any] = [overview, face]

        def on_begin(request: gr.Request) -> None:
            visits.of(request.session_hash).ask()  # what was asked before ends now, not when this one's turn comes

        @shown_as_error
        def on_photo(path: str | None, request: gr.Request) -> Iterator[list[Any]]:
            visit = visits.of(request.session_hash)
            turn = visit.ask()
            visit.sitting = visit.view = None
            hidden = [gr.HTML("", visible=False), gr.Radio([], value=None, visible=False)]
            if path is None:
                yield [*hidden, *drawing.blank(html.notice(INVITATION))]
                return
            yield [*hidden, *drawing.blank(html.notice("Looking for faces …"))]
            try:
                sitting = handlers.look(shelf.get(*visit.weights).explainer, path, visit.weights)
            except DanError as error:
                yield [*hidden, *drawing.blank(html.notice(str(error), "warning"))]
                raise
            if turn.superseded:  # by a newer photo
                yield [gr.skip() for _ in found_faces] + drawing.changed()
                return
            visit.sitting = sitting
            chosen = sitting.numbers[0] if sitting.crops else None
            yield [
                gr.HTML(_overview(sitting, chosen), visible=len(sitting.crops) > 1),
                gr.Radio([*sitting.numbers, WHOLE], value=chosen, visible=True),
                *drawing.changed(),
            ]

        @shown_as_error
        def on_explain(
            chosen: str | None,
            wanted: str,
            rather: str,
            by: str,
            names: list[str],
            bases: list[str],
            drawn_how: str,
            one_scale: bool,
            request: gr.Request,
        ) -> Iterator[list[Any]]:
            visit = visits.of(request.session_hash)
            visit.smooth, visit.shared = drawn_how == SMOOTH, one_scale
            if visit.stopped:  # while this question waited in the queue
                yield drawing.changed({"news": html.notice("Stopped.")})
                return
            turn = visit.ask()
            sitting = visit.sitting
            if sitting is None or chosen is None:
                yield drawing.blank(html.notice(INVITATION) if sitting is None else handlers.news(sitting))
                return
            view, fresh = None, True

            def stream(
                crop: FaceCrop, target: str | None, asked: list[str], against: str | None, head: int | None
            ) -> Iterator[Explanation]:
                if lent:
                    return lent(sitting.weights, crop, target, asked, against, head)
                return shelf.get(*sitting.weights).explainer.stream_crop(
                    crop, target, asked, True, lambda: turn.counts, against, head, visit.cache
                )

            wish = Wish(chosen, wanted, rather, by, tuple(names), tuple(bases))
            try:
                for view in handlers.explain(stream, sitting, wish):
                    if not turn.counts:
                        break
                    yield drawing.first(visit, sitting, view) if fresh else drawing.later(visit, view)
                    fresh = False
            except DanError:  # what is there stays, and nothing waits for what will not come
                if view is not None and turn.counts:
                    yield drawing.later(visit, handlers.stopped(view))
                raise
            if turn.superseded:
                yield drawing.changed()  # Gradio repeats the last values at a stream's end: not over newer ones
            elif view is not None and not turn.counts:
                view = handlers.stopped(view)
                if fresh:
                    yield drawing.first(visit, sitting, view)
                yield drawing.later(visit, view)

        @shown_as_error
        def on_weights(text: str, named: str, request: gr.Request) -> Iterator[list[Any]]:
            visit = visits.of(request.session_hash)
            weights = (text, None if named == NO_PRESET else named)
            others = [gr.skip() for _ in range(5)]
            yield [gr.skip(), gr.HTML(html.notice("Loading weights …"), visible=True), *others]
            try:
                loaded = shelf.get(*weights)
            except DanError as error:
                yield [gr.skip(), gr.HTML(html.notice(f"The weights stay as they are. {error}", "warning")), *others]
                raise
            visit.weights = weights
            checkpoint, labels = loaded.checkpoint, loaded.explainer.labels
            yield [
                _header(checkpoint),
                gr.HTML(html.notice(checkpoint.notice or "", "warning"), visible=bool(checkpoint.notice)),
                gr.Dropdown([PREDICTED, *labels], value=PREDICTED),
                gr.Dropdown([NOTHING, *labels], value=NOTHING),
                gr.Dropdown(handlers.head_choices(checkpoint.model.config.num_heads), value=EVERYBODY),
                gr.CheckboxGroup(handlers.baseline_choices(loaded.explainer), value=[DEFAULT_BASELINE]),
                _provenance(checkpoint),
            ]

        def on_redraw(drawn_how: str, one_scale: bool, request: gr.Request) -> Any:
            visit = visits.of(request.session_hash)
            visit.smooth, visit.shared = drawn_how == SMOOTH, one_scale
            return drawing.redrawn(visit)

        def opener(tab: str) -> Callable[[gr.Request], list[Any]]:
            def on_open(request: gr.Request) -> list[Any]:
                return drawing.open_tab(visits.of(request.session_hash), tab)

            return on_open

        def on_keep(request: gr.Request) -> str:
            visit = visits.of(request.session_hash)
            handlers.keep(visit)
            return handlers.transplants(visit)

        def on_stop(request: gr.Request) -> None:
            visits.of(request.session_hash).stop()

        def on_leave(request: gr.Request) -> None:
            visits.end(request.session_hash)

        def on_face(chosen: str | None, request: gr.Request) -> Any:
            sitting = visits.of(request.session_hash).sitting
            return gr.skip() if sitting is None else _overview(sitting, chosen)

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "trigger_mode": "multiple"}
        queued: dict[str, Any] = {"concurrency_id": "page", "concurrency_limit": QUESTIONS_AT_ONCE, **quiet}
        question: list[Any] = [face, target, against, whose, methods, baselines, how, shared]
        ask: dict[str, Any] = {"fn": on_explain, "inputs": question, "outputs": shown, **queued}

        begun = photo.change(on_begin, queue=False, **quiet)
        begun.then(on_photo, photo, [*found_faces, *shown], **queued).success(**ask)
        told_by_weights: list[Any] = [header, told, target, against, whose, baselines, provenance]
        switched = load.click(on_weights, [source, preset], told_by_weights, **{**queued, **LOADING})
        switched.success(on_photo, photo, [*found_faces, *shown], **queued).success(**ask)
        gr.on([run.click, face.input, target.input, against.input, whose.input], on_begin, queue=False, **quiet).then(
            **ask
        )
        face.input(on_face, face, overview, queue=False, **quiet)
        gr.on([how.input, shared.input], on_redraw, [how, shared], tiles, **queued)
        for tab, opened in zip(handlers.TABS, (heads_tab, fusion_tab, attributions_tab, classes_tab), strict=True):
            opened.select(opener(tab), None, drawn, **queued)
        testing.wire(tests, visits, shelf, shown, gpu, queued)
        keep.click(on_keep, None, transplants, **queued)
        stop.click(on_stop, queue=False, **quiet)
        theme.click(None, js="() => { document.body.classList.toggle('dark') }", api_visibility="private")
        page.unload(on_leave)
    return page


def _header(checkpoint: Checkpoint) -> str:
    config = checkpoint.model.config
    measured = config.provenance.get("validation")
    accuracy = measured.get("accuracy") if isinstance(measured, Mapping) else None
    told = f" · accuracy {accuracy:.1%} on its validation faces" if isinstance(accuracy, float) else ""
    revision = f" at {checkpoint.revision}" if checkpoint.revision else ""
    return (
        "# DAN Explorer\n"
        "See what each attention head of *Distract Your Attention* looks at, how their fusion decides, and what "
        "Captum's attributions say about the same face.\n\n"
        f"Weights: **{checkpoint.name}**{revision} · {config.num_heads} heads · "
        f"classes: {', '.join(config.labels)}{told}"
    )


def _provenance(checkpoint: Checkpoint) -> dict[str, Any]:
    """What the weights say about themselves, as the page shows it."""
    config = checkpoint.model.config
    revision = {"revision": checkpoint.revision} if checkpoint.revision else {}
    return {"weights": checkpoint.name, **revision, **config.to_dict()}


def _overview(sitting: Sitting, chosen: str | None) -> str:
    return html.picture(sitting.overview(chosen), f"Your photo with {len(sitting.crops)} numbered faces", "dan-photo")


def _images(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir()) if path.suffix in {".jpg", ".png"}]
