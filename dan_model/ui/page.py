"""The page: components first, then what they do. One explainer, many visitors."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.checkpoints import Checkpoint
from dan_model.explain.attributions import METHODS
from dan_model.explain.explainer import Explainer
from dan_model.show.sentences import summary
from dan_model.ui import api, handlers, html
from dan_model.ui.handlers import NATIVE, PREDICTED, SMOOTH, WHOLE, Sitting, View, Visit
from dan_model.ui.photo import photo_input, shown_as_error
from dan_model.ui.theme import ASSETS, KEEP_FILES

FORGET_AFTER = 1800  # seconds until an idle visitor's crops and maps are dropped
VISITORS_AT_ONCE = 2
INVITATION = "Choose a photo, take one with the camera, or click an example."


def build(explainer: Explainer, checkpoint: Checkpoint, examples: Path | None = None) -> gr.Blocks:
    """The page as Gradio Blocks, ready to launch.

    Args:
        explainer: Explains the faces.
        checkpoint: Where its weights come from; shown in the header.
        examples: Folder with example images, or None.
    """
    visits: defaultdict[str | None, Visit] = defaultdict(Visit)
    with gr.Blocks(title="DAN Explorer", analytics_enabled=False, delete_cache=KEEP_FILES, fill_width=True) as page:
        sitting = gr.State(None, time_to_live=FORGET_AFTER)
        view = gr.State(None, time_to_live=FORGET_AFTER)
        with gr.Row():
            gr.Markdown(_header(checkpoint), elem_id="dan-head")
            theme = gr.Button("Light / dark", size="sm", elem_id="dan-theme", min_width=120)
        with gr.Row(elem_id="dan-main"):
            with gr.Column(scale=1, min_width=300, elem_id="dan-controls"):
                photo = photo_input(
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
                        [PREDICTED, *explainer.labels], value=PREDICTED, label="Class to explain", elem_id="dan-target"
                    )
                    methods = gr.CheckboxGroup(
                        [(method.title, name) for name, method in METHODS.items()],
                        value=list(METHODS),
                        label="Attributions (Captum)",
                        elem_id="dan-methods",
                    )
                    with gr.Row():
                        run = gr.Button("Explain", variant="primary", elem_id="dan-run", min_width=100)
                        stop = gr.Button("Stop", elem_id="dan-stop", min_width=100)
                    drawing = gr.Radio([SMOOTH, NATIVE], value=SMOOTH, label="Draw maps", elem_id="dan-drawing")
                    shared = gr.Checkbox(True, label="One colour scale for all heads", elem_id="dan-shared")
            with gr.Column(scale=4, min_width=320, elem_id="dan-results"):
                news = gr.HTML(html.notice(INVITATION), elem_id="dan-news")
                probabilities = gr.HTML(elem_id="dan-probabilities")
                sentence = gr.HTML(elem_id="dan-sentence")
                tiles = gr.HTML(elem_id="dan-tiles", js_on_load=_asset("tiles.js"))
                ledger = gr.HTML(elem_id="dan-ledger")
                with gr.Accordion("How to read this", open=False):
                    gr.Markdown(_asset("how_to_read.md"))
        gr.Markdown(_asset("notice.md"), elem_id="dan-notice")
        api.add_endpoints(explainer)

        shown: list[Any] = [view, news, probabilities, sentence, tiles, ledger]
        unchanged = [gr.skip() for _ in shown]

        def draw(found: Sitting, current: View, visit: Visit) -> list[Any]:
            e = current.explanation
            return [
                current,
                handlers.news(found, e),
                html.probability_bars(e),
                html.sentence(summary(e)),
                html.tile_row(e, visit.smooth, visit.shared, current.pending),
                html.ledger_table(e),
            ]

        @shown_as_error
        def on_photo(path: str | None, request: gr.Request) -> list[Any]:
            visits[request.session_hash].stop()
            if path is None:
                return [None, gr.HTML("", visible=False), gr.Radio([], value=None, visible=False)]
            found = handlers.look(explainer, path)
            chosen = found.numbers[0] if found.crops else None
            return [
                found,
                gr.HTML(_overview(found, chosen), visible=len(found.crops) > 1),
                gr.Radio([*found.numbers, WHOLE], value=chosen, visible=True),
            ]

        @shown_as_error
        def on_explain(
            found: Sitting | None, chosen: str | None, wanted: str, names: list[str], request: gr.Request
        ) -> Iterator[list[Any]]:
            visit = visits[request.session_hash]
            proceed = visit.ask()
            if found is None or chosen is None:
                said = html.notice(INVITATION) if found is None else handlers.news(found)
                yield [None, said, "", "", "", ""]
                return
            current = None
            for current in handlers.explain(explainer, found, chosen, wanted, names, proceed):
                if not proceed():
                    break
                yield draw(found, current, visit)
            if current is not None and visit.turn is None:
                yield draw(found, handlers.stopped(current), visit)
            elif not proceed():
                yield unchanged  # Gradio repeats the last values when a stream ends: they must not cover newer ones

        def on_redraw(
            found: Sitting | None, current: View | None, how: str, one_scale: bool, request: gr.Request
        ) -> list[Any]:
            visit = visits[request.session_hash]
            visit.smooth, visit.shared = how == SMOOTH, one_scale
            return unchanged if found is None or current is None else draw(found, current, visit)

        def on_stop(request: gr.Request) -> None:
            visits[request.session_hash].stop()

        def on_leave(request: gr.Request) -> None:
            visits.pop(request.session_hash, Visit()).stop()

        def on_face(found: Sitting | None, chosen: str | None) -> Any:
            return gr.skip() if found is None else _overview(found, chosen)

        quiet: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
        network: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": VISITORS_AT_ONCE}
        question: list[Any] = [sitting, face, target, methods]
        ask: dict[str, Any] = {"fn": on_explain, "inputs": question, "outputs": shown, **quiet, **network}

        looked = photo.change(
            on_photo, photo, [sitting, overview, face], api_visibility="private", show_progress_on=[news], **network
        )
        looked.success(**ask)
        face.input(on_face, [sitting, face], overview, **quiet)
        gr.on([run.click, face.input, target.input], trigger_mode="multiple", **ask)
        settings = [sitting, view, drawing, shared]
        gr.on([drawing.input, shared.input], on_redraw, settings, shown, trigger_mode="always_last", **quiet)
        stop.click(on_stop, **quiet)
        theme.click(None, js="() => { document.body.classList.toggle('dark') }", api_visibility="private")
        page.unload(on_leave)
    return page


def _header(checkpoint: Checkpoint) -> str:
    config = checkpoint.model.config
    measured = config.provenance.get("validation", {})
    accuracy = f" · accuracy {measured['accuracy']:.1%} on its validation faces" if "accuracy" in measured else ""
    return (
        "# DAN Explorer\n"
        "See what each attention head of *Distract Your Attention* looks at, how their fusion decides, and what "
        "Captum's attributions say about the same face.\n\n"
        f"Weights: **{checkpoint.name}** · {config.num_heads} heads · classes: {', '.join(config.labels)}{accuracy}"
    )


def _overview(found: Sitting, chosen: str | None) -> str:
    picture = found.overview[found.numbers.index(chosen) if chosen in found.numbers else 0]
    return html.picture(picture, f"Your photo with {len(found.crops)} numbered faces", "dan-photo")


def _images(folder: Path) -> list[str]:
    return [str(path) for path in sorted(folder.iterdir()) if path.suffix in {".jpg", ".png"}]


def _asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")
