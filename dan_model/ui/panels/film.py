"""The tab Film: each person of an uploaded film over time, the heads' maps over the film, any moment in full."""

from __future__ import annotations

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.utils import get_upload_folder
from PIL import Image

from dan_model.errors import DanError
from dan_model.explain import Explainer
from dan_model.faces import Film
from dan_model.show.film_figures import clock, film_views
from dan_model.texts import translate as _
from dan_model.ui.context import QUEUED, UNQUEUED, PageContext
from dan_model.ui.explain_request import ALL_HEADS, head_choices, head_number
from dan_model.ui.film_run import MAX_SECONDS, RATES, USUAL_RATE, ExplainedFilm, explain_upload
from dan_model.ui.html import figure_views, notice, sentence
from dan_model.ui.photo_input import error_text, film_input, shown_as_error
from dan_model.ui.results import Results
from dan_model.ui.session import Session
from dan_model.ui.status import STOPPED
from dan_model.ui.theme import UPLOAD_LIMIT, scripts

NAME = _("Film")
AT_ONCE = 2  # films of all visitors; further ones wait in the queue
FRAMES_AT_ONCE = 2  # single frames, likewise
SHOWN_EVERY = 0.5  # seconds between two lines of progress
INTRODUCTION = _(
    "A film of up to {seconds} s and {size} MB, one person or several: what is predicted when, and which head wins how "
    "many channels. The film is deleted from the server within minutes."
).format(seconds=f"{MAX_SECONDS:.0f}", size=UPLOAD_LIMIT.removesuffix("mb"))
EVERY_HEAD = _("all heads")


@dataclass(frozen=True)
class Components:
    """The components of the tab."""

    film: gr.File
    rate: gr.Dropdown
    heads: gr.Dropdown
    explain: gr.Button
    stop: gr.Button
    status: gr.HTML
    video: gr.Video
    moments: gr.HTML
    figures: gr.HTML

    @property
    def results(self) -> list[Any]:
        """What a film fills, in the order in which handlers return their values."""
        return [self.status, self.video, self.moments, self.figures]


def shown_heads(explainer: Explainer) -> dict[str, Any]:
    """The choices of the heads whose maps are drawn over the film, and the first of them."""
    heads = [EVERY_HEAD if one == ALL_HEADS else one for one in head_choices(explainer.model.config.num_heads)]
    return {"choices": heads, "value": heads[0]}


def components(explainer: Explainer, context: PageContext) -> Components:
    """Add the panel to the tab that is being built."""
    gr.HTML(sentence(INTRODUCTION))
    with gr.Row(elem_id="dan-film"):
        with gr.Column(scale=1, min_width=300):
            film = film_input(label=_("Your film"), height=150, elem_id="dan-film-upload")
            with gr.Row():
                rate = gr.Dropdown(list(RATES), value=USUAL_RATE, label=_("Pictures per second"), min_width=120)
                shown = gr.Dropdown(**shown_heads(explainer), label=_("Maps shown"), min_width=120)
            with gr.Row():
                explain = gr.Button(_("Explain this film"), size="sm", elem_id="dan-film-explain", min_width=150)
                stop = gr.Button(_("Stop"), size="sm", elem_id="dan-film-stop", min_width=80, scale=0)
            status = gr.HTML(elem_id="dan-film-status")
            video = gr.Video(
                label=_("The heads' maps over the film"), interactive=False, visible=False, elem_id="dan-film-video"
            )
            moments = gr.HTML(
                elem_id="dan-film-moments",
                js_on_load=scripts("motion", "to_photo", "film"),
                server_functions=[moment_function(context)],
            )
        with gr.Column(scale=1, min_width=300):
            figures = gr.HTML(elem_id="dan-film-figures")
    return Components(film, rate, shown, explain, stop, status, video, moments, figures)


def moment_function(context: PageContext) -> Any:
    """The server's function that gives the frame of a moment to the browser, which hands it on as any photo."""
    places = threading.Semaphore(FRAMES_AT_ONCE)

    def moment(asked: object) -> dict[str, Any]:
        key, index = asked if isinstance(asked, list) and len(asked) == 2 else (None, None)
        film = context.session_of(key).film
        if film is None or type(index) is not int or not 0 <= index < len(film.moments):
            return {"error": _("There is no such moment. Choose the film again.")}
        if not film.path.is_file():
            return {"error": _("This film has been deleted. Choose it again.")}
        if not places.acquire(timeout=10):
            return {"error": _("The server is busy. Try again in a moment.")}
        try:
            frame = Film(film.path).frame_at(film.moments[index].time)
        except DanError as error:
            return {"error": str(error)}
        finally:
            places.release()
        buffer = io.BytesIO()
        # Without loss: the same numbers as in the film.
        Image.fromarray(frame.pixels).save(buffer, "PNG", compress_level=3)
        name = f"film-{clock(frame.time).replace(':', 'm')}s.png"
        return {"frame": base64.b64encode(buffer.getvalue()).decode(), "name": name}

    return moment


def scrubber(film: ExplainedFilm, key: str) -> str:
    """A slider over the moments of a film, what the chosen one shows, and the button that explains it in full."""
    moments = json.dumps([[round(one.time, 3), clock(one.time), one.text] for one in film.moments])
    key, moments, first = escape(key, quote=True), escape(moments, quote=True), film.moments[0]
    return (
        f'<div class="dan-moments" data-session="{key}" data-moments="{moments}">'
        f"<label><span>{_('Moment')}</span>"
        f'<input type="range" min="0" max="{len(film.moments) - 1}" step="1" value="0"></label>'
        f"<output>{clock(first.time)} · {escape(first.text)}</output>"
        f'<button type="button" class="dan-explain-moment">{_("Explain this moment")}</button>'
        '<span role="status"></span></div>'
    )


def finished(film: ExplainedFilm, session: Session) -> list[Any]:
    """The values of a film that was explained, to its end or as far as it went."""
    if not film.moments:
        return [notice(STOPPED), gr.Video(None, visible=False), "", ""]
    stopped = _("Stopped at {time}.").format(time=clock(film.moments[-1].time))
    said = notice(" ".join([*([] if film.finished else [stopped]), *film.notes]), "warning" if film.notes else "info")
    views = figure_views(film_views(film.builder.timeline()))
    return [said, gr.Video(str(film.video), visible=True), scrubber(film, session.key), views]


def wire(panel: Components, results: Results, context: PageContext) -> None:
    """Connect the panel: a film is explained when it is chosen, and again with other settings."""
    empty = [gr.Video(None, visible=False), "", "", gr.skip()]

    @shown_as_error
    def on_film(path: str | None, rate: float, heads: str, request: gr.Request) -> Iterator[list[Any]]:
        session = context.session(request)
        if path is None or session.stopped:
            yield [notice(STOPPED) if path else "", *empty]
            return
        token, mine = session.begin_request(), session.films
        yield [notice(_("Reading the film …"), "running"), *empty[:-1], results.ended(session, token)]
        said = time.monotonic()
        try:
            explainer = context.weights.get(*session.weights).here
            chosen = None if heads == EVERY_HEAD else head_number(heads)
            shown = None if chosen is None or chosen >= explainer.model.config.num_heads else [chosen]
            for film in explain_upload(
                explainer, Path(path), rate if rate in RATES else USUAL_RATE, shown, Path(get_upload_folder()),
                lambda: token.active,
            ):  # fmt: skip
                if not film.moments and session.films == mine:
                    session.film = film
                if time.monotonic() - said >= SHOWN_EVERY:
                    said = time.monotonic()
                    yield [notice(film.progress, "running"), *empty]
        except Exception as error:
            no_room = _("The server has no room for this film at the moment.")
            yield [notice(no_room if isinstance(error, OSError) else error_text(error), "warning"), *empty]
            if isinstance(error, (DanError, OSError)):
                return
            raise
        # Another film, or none, may have been chosen meanwhile.
        current = session.film is film and session.films == mine
        yield [*finished(film, session), gr.skip()] if current else [gr.skip() for _ in outputs]

    def on_begin(request: gr.Request) -> list[Any]:
        session = context.session(request)
        token = session.begin_request()
        session.begin_film()
        return [notice(_("Waiting for the server …"), "running"), results.ended(session, token)]

    def on_stop(request: gr.Request) -> None:
        context.session(request).stop()

    events: dict[str, Any] = {**QUEUED, "concurrency_id": "film", "concurrency_limit": AT_ONCE}
    inputs, outputs = [panel.film, panel.rate, panel.heads], [*panel.results, results.tiles]
    for trigger in (panel.film.upload, panel.film.clear, panel.explain.click):
        trigger(on_begin, None, [panel.status, results.tiles], **UNQUEUED).then(on_film, inputs, outputs, **events)
    panel.stop.click(on_stop, **UNQUEUED)
