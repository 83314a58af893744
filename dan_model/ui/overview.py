"""The photo with its numbered faces, each a button; `assets/photo.js` chooses it."""

from __future__ import annotations

from dan_model.texts import translate as _
from dan_model.texts import translate_plural
from dan_model.ui.html import picture
from dan_model.ui.state import UploadedPhoto


def has_choice(photo: UploadedPhoto | None) -> bool:
    """Whether there is anything to choose: several faces, or the whole image where none was found."""
    return photo is not None and len(photo.crops) != 1


def is_pictured(photo: UploadedPhoto | None) -> bool:
    """Whether a photo is shown: with several faces, and an example without any, which is shown nowhere else."""
    return photo is not None and (len(photo.crops) > 1 or (not photo.crops and photo.example is not None))


def overview(photo: UploadedPhoto, chosen: str | None) -> str:
    """The photo with a button on each face, of which the chosen one is pressed; empty where it is not shown."""
    if not is_pictured(photo):
        return ""
    height, width = photo.reduced.shape[:2]
    buttons = "".join(
        f'<button type="button" class="dan-face-box" data-face="{i + 1}" '
        f'aria-label="{_("Face {number}").format(number=i + 1)}" '
        f'aria-pressed="{str(chosen == str(i + 1)).lower()}" style="left:{100 * box[0] / width:.2f}%;'
        f"top:{100 * box[1] / height:.2f}%;width:{100 * (box[2] - box[0]) / width:.2f}%;"
        f'height:{100 * (box[3] - box[1]) / height:.2f}%"></button>'
        for i, box in enumerate(photo.boxes)
    )
    count = len(photo.crops)
    alt = translate_plural("Your photo with {count} numbered face", "Your photo with {count} numbered faces", count)
    alt = alt if count else _("The photo that you chose")
    drawn = picture(photo.overview(chosen), alt.format(count=count))
    return f'<div class="dan-photo">{drawn}{buttons}</div>'
