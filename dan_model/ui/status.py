"""The status line: what a visitor should know about the photo and its faces."""

from __future__ import annotations

from dan_model.explain.explanation import Explanation
from dan_model.show.sentences import crop_notes, prior_note
from dan_model.texts import translate as _
from dan_model.texts import translate_plural
from dan_model.ui.gradio_sessions import IDLE_SECONDS
from dan_model.ui.html import notice
from dan_model.ui.session import Session
from dan_model.ui.state import MAX_FACES, WHOLE, UploadedPhoto

MUCH_OUTSIDE = 0.1  # part of a crop that is not in the photo from which on the notice is a warning
INVITATION = _("Choose a photo, take one with the camera, or click an example.")
EXPIRED = _(
    "This face is no longer on the server, which deletes it after {minutes} minutes without activity. {invitation}"
).format(minutes=round(IDLE_SECONDS / 60), invitation=INVITATION)
STOPPED = _("Stopped.")


def nothing_shown(session: Session) -> str:
    """Why a session shows no face."""
    return EXPIRED if session.expired else INVITATION


def photo_status(photo: UploadedPhoto, explanation: Explanation | None = None) -> str:
    """What a visitor should know about the faces of a photo, and about the one that is explained, as a notice."""
    count = len(photo.crops)
    if explanation is None:
        text = _(
            "No face was found in this photo. Take another one, or choose “{whole}” to explain all of it as a face."
        ).format(whole=WHOLE)
        return notice(" ".join([text, *photo.notes]), "warning")
    found = translate_plural("{count} face found, numbered by size.", "{count} faces found, numbered by size.", count)
    if count == MAX_FACES:
        found = _("The largest {count} faces found, numbered by size.")
    texts = [] if count == 1 else [found.format(count=count)]
    if explanation.crop.face.score is None:
        texts = [
            _(
                "The whole image is explained as if it were a face. Where its parts lie is not known: attributions by "
                "region are left out."
            )
        ]
    texts += [*crop_notes(explanation.crop), *photo.notes]
    texts += [note] if (note := prior_note(explanation)) else []
    dark = photo.stretched is False
    serious = dark or explanation.crop.small or explanation.crop.part_outside >= MUCH_OUTSIDE
    return notice(" ".join(texts), "warning" if serious else "info")
