"""The photo: upload, webcam, examples, and the choice of one of its faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.texts import translate as _
from dan_model.ui import html
from dan_model.ui.context import QUEUED, UNQUEUED, PageContext
from dan_model.ui.examples import ExamplePhoto
from dan_model.ui.explain_request import ExplainRequest
from dan_model.ui.explaining import Explain
from dan_model.ui.link import linked_face, linked_request
from dan_model.ui.overview import has_choice, is_pictured, overview
from dan_model.ui.photo_input import STRETCH, error_text, load_photo, photo_input, shown_as_error
from dan_model.ui.results import STATUS, Results
from dan_model.ui.session import Session
from dan_model.ui.state import WHOLE, UploadedPhoto
from dan_model.ui.status import INVITATION, STOPPED
from dan_model.ui.theme import scripts


@dataclass(frozen=True)
class Components:
    """The components of the panel."""

    photo: gr.Image
    overview: gr.HTML
    face: gr.Radio
    stretch: gr.Checkbox


def components(folder: Path | None, shown: UploadedPhoto | None) -> Components:
    """Add the panel to the page that is being built.

    Args:
        folder: Folder of the examples, whose files may be chosen as well, or None.
        shown: The photo that the page opens with, or None.
    """
    photo = photo_input(
        folder,
        label=_("Your photo"),
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),
        buttons=["fullscreen"],
        height=140,
        min_width=240,
        scale=0,
        alt_text=_("The photo that you chose"),
        elem_id="dan-upload",
    )
    with gr.Column(scale=0, min_width=240, elem_id="dan-faces"):
        numbered = gr.HTML(
            "" if shown is None else overview(shown, "1"), visible=is_pictured(shown), elem_id="dan-overview",
            js_on_load=scripts("photo"),
        )  # fmt: skip
        face = gr.Radio(
            [] if shown is None else [*shown.numbers, WHOLE], value=None if shown is None else "1", label=_("Face"),
            container=False,
            visible=has_choice(shown), elem_id="dan-face",
        )  # fmt: skip
        stretch = gr.Checkbox(label=STRETCH, container=False, visible=False, elem_id="dan-stretch")
    # The choices of a session that has ended are gone: what a page that comes back chose is no face, and no error.
    face.preprocess = lambda payload: payload if isinstance(payload, str) else None  # type: ignore[method-assign]
    return Components(photo, numbered, face, stretch)


Event = dict[str, Any]
"""Arguments for one of Gradio's listeners."""
Events = tuple[Event, Event, Event]


def load_events(
    panel: Components,
    examples: Sequence[ExamplePhoto],
    defaults: Sequence[tuple[Any, Any]],
    settings: list[Any],
    explain_face: Explain,
    results: Results,
    context: PageContext,
) -> Events:
    """The events that load a photo and explain its first face.

    Args:
        panel: This panel.
        examples: In the order in which they are shown.
        defaults: Components of the request with the values that they have again for another photo.
        settings: Components that say how faces are explained.
        explain_face: Explains the first face.
        results: Where it is shown.
        context: Of the page.

    Returns:
        The event of an upload; the same photo with other weights or with its levels stretched; of an example.
    """
    hidden = [gr.HTML("", visible=False), gr.Radio([], value=None, visible=False), gr.Checkbox(False, visible=False)]
    fresh = [value for _, value in defaults]
    unchanged = [gr.skip() for _ in (*hidden, *fresh)]

    def load(
        session: Session,
        path: str | None,
        chosen_settings: Sequence[Any],
        example: Path | None = None,
        stored: UploadedPhoto | None = None,
        asked: object = None,
        stretch: bool = False,
    ) -> Iterator[list[Any]]:
        token = session.begin_photo()
        session.set_settings(chosen_settings)
        if path is None:
            token.finish(None)
            yield [*hidden, *fresh, *results.blank(html.notice(INVITATION))]
            return
        # Read it. What is shown of the last photo stays meanwhile, dimmed, so that nothing jumps.
        if stored is None or session.weights != stored.weights:
            yield [*unchanged, *results.update({STATUS: html.notice(_("Looking for faces …"), "running")})]
            try:
                explainer = context.weights.get(*session.weights).explainer
                loaded = load_photo(explainer, path, session.weights, stretch)
                stored = replace(loaded, example=example)
            except Exception as error:
                if token.finish(None):
                    yield [*hidden, *fresh, *results.blank(html.notice(error_text(error), "warning"))]
                raise
        if not token.finish(stored):
            yield [*unchanged, *results.update()]
            return
        # Show its faces, and explain one.
        chosen = linked_face(asked, stored.numbers)
        target, against, head = linked_request(asked, context.weights.get(*session.weights).explainer)
        found = [
            gr.HTML(overview(stored, chosen), visible=is_pictured(stored)),
            gr.Radio([*stored.numbers, WHOLE], value=chosen, visible=has_choice(stored)),
            gr.Checkbox(bool(stored.stretched), visible=stored.stretched is not None),
            target, against, head,
        ]  # fmt: skip
        if session.stopped:
            yield [*found, *results.blank(html.notice(STOPPED))]
            return
        request = session.begin_request()
        yield [*found, *results.update()]
        wanted = ExplainRequest.from_page(chosen, target, against, head, session.settings)
        try:
            for values in explain_face(session, request, wanted):
                yield [*unchanged, *values]
        except Exception as error:
            if session.state is None and not request.superseded:
                yield [*unchanged, *results.blank(html.notice(error_text(error), "warning"))]
            raise

    @shown_as_error
    def on_photo(request: gr.Request, path: str | None, *chosen: Any) -> Iterator[list[Any]]:
        yield from on_again(request, path, False, *chosen)

    @shown_as_error
    def on_again(request: gr.Request, path: str | None, stretch: bool | None, *chosen: Any) -> Iterator[list[Any]]:
        session = context.session(request)
        if path is None and (shown := session.photo) is not None and shown.example is not None:  # with other weights
            yield from load(session, str(shown.example), chosen, shown.example, shown)
        else:
            yield from load(session, path, chosen, stretch=bool(stretch))

    @shown_as_error
    def on_example(event: gr.SelectData, request: gr.Request, *chosen: Any) -> Iterator[list[Any]]:
        if not isinstance(event.index, int) or not 0 <= event.index < len(examples):
            raise gr.Error(_("There is no such example."), print_exception=False)
        one, photo = examples[event.index], examples[event.index].example.photo
        for values in load(context.session(request), str(photo), chosen, photo, one.photo, event.value):
            yield [None, *values]

    chosen_components = [component for component, _ in defaults]
    outputs = [panel.overview, panel.face, panel.stretch, *chosen_components, *results.components]
    return (
        {"fn": on_photo, "inputs": [panel.photo, *settings], "outputs": outputs, **QUEUED},
        {"fn": on_again, "inputs": [panel.photo, panel.stretch, *settings], "outputs": outputs, **QUEUED},
        {"fn": on_example, "inputs": settings, "outputs": [panel.photo, *outputs], **QUEUED},
    )


def wire(panel: Components, strip: gr.HTML, load: Events, explain: Event, context: PageContext) -> None:
    """Connect the panel: a new photo is loaded and explained, also stretched; another face is explained and marked."""

    def on_face(chosen: str | None, request: gr.Request) -> Any:
        photo = context.session(request).photo
        return gr.skip() if photo is None else overview(photo, chosen)

    upload, again, example = load
    panel.photo.input(**upload)
    panel.stretch.input(**again)
    strip.select(**example)
    panel.face.input(context.begin_request, **UNQUEUED).then(**explain)
    panel.face.input(on_face, panel.face, panel.overview, **UNQUEUED)
