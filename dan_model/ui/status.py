"""The status line: what a visitor should know about the photo and its faces."""

from __future__ import annotations

from dan_model.explain.explanation import Explanation
from dan_model.show.sentences import crop_notes, prior_note
from dan_model.ui.html import notice
from dan_model.ui.state import MAX_FACES, WHOLE, UploadedPhoto

MUCH_OUTSIDE = 0.1  # part of a crop that is not in the photo from which on the notice is a warning
INVITATION = "Choose a photo, take one with the camera, or click an example."


def photo_status(photo: UploadedPhoto, explanation: Explanation | None = None) -> str:
    """What a visitor should know about the faces of a photo, and about the one that is explained, as a notice."""
    count = len(photo.crops)
    if explanation is None:
        text = f"No face was found in this photo. Take another one, or choose “{WHOLE}” to explain all of it as a face."
        return notice(" ".join([text, *photo.notes]), "warning")
    most = "The largest" if count == MAX_FACES else ""
    texts = [] if count == 1 else [f"{most} {count} faces found, numbered by size.".strip()]
    if explanation.crop.face.score is None:
        texts = [
            "The whole image is explained as if it were a face. Where its parts lie is not known: attributions by "
            "region are left out."
        ]
    texts += [*crop_notes(explanation.crop), *photo.notes]
    texts += [note] if (note := prior_note(explanation)) else []
    dark = photo.stretched is False
    serious = dark or explanation.crop.small or explanation.crop.part_outside >= MUCH_OUTSIDE
    return notice(" ".join(texts), "warning" if serious else "info")
