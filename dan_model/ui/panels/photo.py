"""The photo: upload, webcam, examples, and the choice of one of its faces."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.errors import DanError
from dan_model.ui import html
from dan_model.ui.context import QUEUED, UNQUEUED, PageContext
from dan_model.ui.examples import ExamplePhoto
from dan_model.ui.link import linked_face, linked_request
from dan_model.ui.overview import has_choice, has_several, overview
from dan_model.ui.photo_input import STRETCH, load_photo, photo_input, shown_as_error
from dan_model.ui.results import Results
from dan_model.ui.state import WHOLE, UploadedPhoto
from dan_model.ui.status import INVITATION
from dan_model.ui.theme import asset


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
        label="Your photo",
        sources=["upload", "webcam", "clipboard"],
        webcam_options=gr.WebcamOptions(mirror=False),
        buttons=["fullscreen"],
        height=140,
        min_width=240,
        scale=0,
        alt_text="The photo that you chose",
        elem_id="dan-upload",
    )
    with gr.Column(scale=0, min_width=240, elem_id="dan-faces"):
        numbered = gr.HTML(
            "" if shown is None else overview(shown, "1"), visible=has_several(shown), elem_id="dan-overview",
            js_on_load=asset("photo.js"),
        )  # fmt: skip
        face = gr.Radio(
            [] if shown is None else [*shown.numbers, WHOLE], value=None if shown is None else "1", label="Face",
            container=False,
            visible=has_choice(shown), elem_id="dan-face",
        )  # fmt: skip
        stretch = gr.Checkbox(label=STRETCH, container=False, visible=False, elem_id="dan-stretch")
    # The choices of a session that has ended are gone: what a page that comes back chose is no face, and no error.
    face.preprocess = lambda payload: payload if isinstance(payload, str) else None  # type: ignore[method-assign]
    return Components(photo, numbered, face, stretch)


@dataclass(frozen=True)
class LoadEvents:
    """The events that load a photo and empty the results, as arguments for Gradio's listeners.

    Attributes:
        upload: Loads the uploaded photo.
        again: Loads it again, with other weights or with its levels stretched.
        example: Loads an example.
    """

    upload: dict[str, Any]
    again: dict[str, Any]
    example: dict[str, Any]


def load_events(
    panel: Components,
    examples: Sequence[ExamplePhoto],
    results: Results,
    defaults: Sequence[tuple[Any, Any]],
    context: PageContext,
) -> LoadEvents:
    """The events of this panel.

    Args:
        panel: This panel.
        examples: In the order in which they are shown.
        results: What is emptied.
        defaults: Components of the request with the values that they have again for another photo.
        context: Of the page.
    """
    hidden = [gr.HTML("", visible=False), gr.Radio([], value=None, visible=False), gr.Checkbox(False, visible=False)]
    fresh = [value for _, value in defaults]
    unchanged = [gr.skip() for _ in defaults]

    def load(
        path: str | None,
        request: gr.Request,
        example: Path | None = None,
        stored: UploadedPhoto | None = None,
        asked: object = None,
        stretch: bool = False,
    ) -> Iterator[list[Any]]:
        session = context.session(request)
        token = session.begin_photo()
        if path is None:
            token.finish(None)
            yield [*hidden, *fresh, *results.blank(html.notice(INVITATION))]
            return
        if stored is None or session.weights != stored.weights:
            yield [*hidden, *fresh, *results.blank(html.notice("Looking for faces …", "running"))]
            try:
                explainer = context.weights.get(*session.weights).explainer
                loaded = load_photo(explainer, path, session.weights, stretch)
                stored = replace(loaded, example=example)
            except DanError as error:
                if token.finish(None):
                    yield [*hidden, *fresh, *results.blank(html.notice(str(error), "warning"))]
                raise
        if not token.finish(stored):
            yield [*(gr.skip() for _ in hidden), *unchanged, *results.update()]
            return
        chosen = linked_face(asked, stored.numbers)
        explained = linked_request(asked, context.weights.get(*session.weights).explainer)
        yield [
            gr.HTML(overview(stored, chosen), visible=has_several(stored)),
            gr.Radio([*stored.numbers, WHOLE], value=chosen, visible=has_choice(stored)),
            gr.Checkbox(bool(stored.stretched), visible=stored.stretched is not None),
            *explained,
            *results.update(),
        ]

    @shown_as_error
    def on_photo(path: str | None, request: gr.Request) -> Iterator[list[Any]]:
        yield from on_again(path, False, request)

    @shown_as_error
    def on_again(path: str | None, stretch: bool | None, request: gr.Request) -> Iterator[list[Any]]:
        shown = context.session(request).photo
        if path is None and shown is not None and shown.example is not None:  # with other weights
            yield from load(str(shown.example), request, shown.example, shown)
        else:
            yield from load(path, request, stretch=bool(stretch))

    @shown_as_error
    def on_example(event: gr.SelectData, request: gr.Request) -> Iterator[list[Any]]:
        if not isinstance(event.index, int) or not 0 <= event.index < len(examples):
            raise gr.Error("There is no such example.", print_exception=False)
        one = examples[event.index]
        for values in load(str(one.example.photo), request, one.example.photo, one.photo, event.value):
            yield [None, *values]

    outputs = [
        panel.overview,
        panel.face,
        panel.stretch,
        *(component for component, _ in defaults),
        *results.components,
    ]
    return LoadEvents(
        {"fn": on_photo, "inputs": panel.photo, "outputs": outputs, **QUEUED},
        {"fn": on_again, "inputs": [panel.photo, panel.stretch], "outputs": outputs, **QUEUED},
        {"fn": on_example, "outputs": [panel.photo, *outputs], **QUEUED},
    )


def wire(panel: Components, strip: gr.HTML, load: LoadEvents, explain: dict[str, Any], context: PageContext) -> None:
    """Connect the panel: a new photo is loaded and explained, also stretched; another face is explained and marked."""

    def on_face(chosen: str | None, request: gr.Request) -> Any:
        photo = context.session(request).photo
        return gr.skip() if photo is None else overview(photo, chosen)

    panel.photo.input(context.begin_request, **UNQUEUED).then(**load.upload).success(**explain)
    panel.stretch.input(context.begin_request, **UNQUEUED).then(**load.again).success(**explain)
    strip.select(**load.example).success(**explain)
    panel.face.input(context.begin_request, **UNQUEUED).then(**explain)
    panel.face.input(on_face, panel.face, panel.overview, **UNQUEUED)
