"""Uploads in, errors out: components that hand over files untouched, files to photos, DanErrors to Gradio's errors."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.components.base import Component
from gradio.data_classes import FileData, ImageData, ListFiles
from gradio.utils import get_upload_folder

from dan_model.errors import DanError, ImageError
from dan_model.explain import Explainer
from dan_model.faces import whole_image
from dan_model.faces.film_frames import SUFFIXES as FILM_SUFFIXES
from dan_model.faces.levels import STRETCHING
from dan_model.faces.sources import START
from dan_model.texts import translate as _
from dan_model.ui.answering import UNANSWERED
from dan_model.ui.state import FIRST_WEIGHTS, MAX_FACES, UploadedPhoto, Weights

NOT_UPLOADED = {
    "image": _("The image did not arrive as an upload. Send the file itself."),
    "film": _("The film did not arrive as an upload. Send the file itself."),
}
STRETCH = _("Stretch the brightness")  # the label of the box beside a photo of few bits


def photo_input(examples: Path | None, **settings: Any) -> gr.Image:
    """An image component whose handlers get the path of the uploaded file, or the data: address of an image.

    Gradio decodes an image before it hands it over, and the message where it cannot shows a path of the server. Here
    only `read_image` decodes, with its own messages.

    Args:
        examples: Folder whose files may be chosen as well, or None.
        settings: Arguments of `gr.Image`.
    """
    image = gr.Image(type="filepath", **settings)
    folders = [] if examples is None else [examples.resolve()]

    def uploaded_file(payload: ImageData | None) -> str | None:
        if payload is None:
            return None
        if payload.path is None and (payload.url or "").startswith(START):
            return payload.url
        return _uploaded(payload.path, image, folders, "image")

    image.preprocess = uploaded_file  # type: ignore[method-assign]
    return image


def film_input(**settings: Any) -> gr.File:
    """A file component for films, whose handlers get the path of the uploaded file; only `Film` decodes."""
    chosen = gr.File(type="filepath", file_count="single", file_types=["video", *sorted(FILM_SUFFIXES)], **settings)

    def uploaded_file(payload: ListFiles | FileData | None) -> str | None:
        one = payload.root[0] if isinstance(payload, ListFiles) and payload.root else payload
        return _uploaded(one.path, chosen, [], "film") if isinstance(one, FileData) else None

    chosen.preprocess = uploaded_file  # type: ignore[method-assign]
    return chosen


def load_photo(
    explainer: Explainer, path: str, weights: Weights = FIRST_WEIGHTS, stretch: bool = False
) -> UploadedPhoto:
    """Find the faces of an uploaded image, at most the `MAX_FACES` largest, and crop them for an explainer.

    With `stretch`, levels of few bits are stretched.

    Raises:
        ImageError: The image cannot be used.
    """
    if not path.startswith(START) and not Path(path).is_file():
        raise ImageError(_("This photo has been deleted."), _("Choose it again."))
    read, faces = explainer.find_faces(path, stretch)
    photo = read.pixels
    crops = [explainer.crop(photo, face) for face in faces[:MAX_FACES]]
    whole = explainer.crop(photo, whole_image(photo))
    offered = " " + _("To stretch it, tick “{box}”.").format(box=STRETCH)
    notes = [note.replace(STRETCHING, offered) for note in read.notes]
    loaded = UploadedPhoto.from_crops(photo, crops, whole, weights, notes=notes)
    return replace(loaded, stretched=stretch if read.few_bits else None)


def error_text(error: Exception) -> str:
    """What a visitor reads of an error, where something is to be said beside the toast."""
    if isinstance(error, DanError):
        return str(error)
    return str(error.message) if isinstance(error, gr.Error) else UNANSWERED


def shown_as_error(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A handler whose DanErrors become Gradio's errors: a toast on the page, a message for API clients."""
    if inspect.isgeneratorfunction(handler):

        @functools.wraps(handler)
        def stream(*args: Any, **kwargs: Any) -> Any:
            try:
                yield from handler(*args, **kwargs)
            except DanError as error:
                raise gr.Error(escape(str(error), quote=False), print_exception=False) from error

        return stream

    @functools.wraps(handler)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            return handler(*args, **kwargs)
        except DanError as error:
            raise gr.Error(escape(str(error), quote=False), print_exception=False) from error

    return call


def _uploaded(path: str | None, component: Component, folders: Sequence[Path], what: str) -> str:
    """The path of a file in the component's cache, among the uploads, or in one of some folders."""
    allowed = [Path(component.GRADIO_CACHE).resolve(), Path(get_upload_folder()).resolve(), *folders]
    found = Path(path or "").resolve()
    if not path or not any(found.is_relative_to(folder) for folder in allowed):
        raise gr.Error(NOT_UPLOADED[what], print_exception=False)
    return str(found)
