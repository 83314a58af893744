"""The photo: upload, webcam, examples, and the choice of one of its faces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from dan_model.errors import DanError, ImageError
from dan_model.explain import Explainer
from dan_model.faces import read_image, whole_image
from dan_model.show.photos import reduce_photo
from dan_model.ui import html
from dan_model.ui.context import QUEUED, UNQUEUED, PageContext
from dan_model.ui.photo_input import photo_input, shown_as_error
from dan_model.ui.results import Results
from dan_model.ui.state import FIRST_WEIGHTS, MAX_FACES, WHOLE, UploadedPhoto, Weights
from dan_model.ui.status import INVITATION

OVERVIEW_SIDE = 640  # pixels


@dataclass(frozen=True)
class Components:
    """The components of the panel."""

    photo: gr.Image
    overview: gr.HTML
    face: gr.Radio


def components(examples: Path | None) -> Components:
    """Add the panel to the page that is being built."""
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
        paths = [str(path) for path in sorted(examples.iterdir()) if path.suffix in {".jpg", ".png"}]
        gr.Examples(paths, photo, label="Examples", elem_id="dan-examples")
    return Components(photo, overview, face)


def load_photo(explainer: Explainer, path: str, weights: Weights = FIRST_WEIGHTS) -> UploadedPhoto:
    """Find the faces of an uploaded image, at most the `MAX_FACES` largest, and crop them for an explainer.

    Raises:
        ImageError: The image cannot be used.
    """
    if not Path(path).is_file():
        raise ImageError("This photo has been deleted.", "Choose it again.")
    photo = read_image(path)
    faces = explainer.faces(photo)[:MAX_FACES]
    reduced = reduce_photo(photo, OVERVIEW_SIDE)
    scale = reduced.shape[1] / photo.shape[1]
    return UploadedPhoto(
        crops=tuple(explainer.crop(photo, face) for face in faces),
        whole=explainer.crop(photo, whole_image(photo)),
        reduced=reduced,
        boxes=tuple(face.box * scale for face in faces),
        weights=weights,
    )


def load_event(panel: Components, results: Results, context: PageContext) -> dict[str, Any]:
    """The event that loads the photo and empties the results, as arguments for Gradio's listeners."""
    hidden = [gr.HTML("", visible=False), gr.Radio([], value=None, visible=False)]

    @shown_as_error
    def on_photo(path: str | None, request: gr.Request) -> Iterator[list[Any]]:
        session = context.session(request)
        token = session.begin_photo()
        if path is None:
            yield [*hidden, *results.blank(html.notice(INVITATION))]
            return
        yield [*hidden, *results.blank(html.notice("Looking for faces …"))]
        try:
            photo = load_photo(context.weights.get(*session.weights).explainer, path, session.weights)
        except DanError as error:
            yield [*hidden, *results.blank(html.notice(str(error), "warning"))]
            raise
        if token.superseded:  # by a newer photo
            yield [gr.skip(), gr.skip(), *results.update()]
            return
        session.photo = photo
        chosen = photo.numbers[0] if photo.crops else None
        yield [
            gr.HTML(_overview(photo, chosen), visible=len(photo.crops) > 1),
            gr.Radio([*photo.numbers, WHOLE], value=chosen, visible=True),
            *results.update(),
        ]

    outputs = [panel.overview, panel.face, *results.components]
    return {"fn": on_photo, "inputs": panel.photo, "outputs": outputs, **QUEUED}


def wire(panel: Components, load: dict[str, Any], explain: dict[str, Any], context: PageContext) -> None:
    """Connect the panel: a new photo is loaded and explained, another face is explained and marked."""

    def on_face(chosen: str | None, request: gr.Request) -> Any:
        photo = context.session(request).photo
        return gr.skip() if photo is None else _overview(photo, chosen)

    panel.photo.change(context.begin_request, **UNQUEUED).then(**load).success(**explain)
    panel.face.input(context.begin_request, **UNQUEUED).then(**explain)
    panel.face.input(on_face, panel.face, panel.overview, **UNQUEUED)


def _overview(photo: UploadedPhoto, chosen: str | None) -> str:
    return html.picture(photo.overview(chosen), f"Your photo with {len(photo.crops)} numbered faces", "dan-photo")
