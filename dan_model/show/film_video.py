"""A film with the maps of the heads over its faces, as MP4: the frames that were explained, at their own times."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from av.video.reformatter import Colorspace
from PIL import Image, ImageDraw, ImageFont

from dan_model.errors import FilmError
from dan_model.explain.film import FilmFace, FilmSample
from dan_model.faces import FilmFrame
from dan_model.show.style import head_colour
from dan_model.show.tiles import percent
from dan_model.texts import head_name
from dan_model.texts import translate as _

SIDES = (640, 1280)  # pixels; the frame's longer side is scaled into this range
TICKS = 1000  # a second
OPACITY = 0.8  # of a head's most attended cell
FINE = 56  # pixels; side to which the 7 × 7 cells are interpolated
HARD_SPACE = "\u00a0"  # which the font lacks
PAPER, INK = "#202020", "#FFFFFF"
QUALITY = {"crf": "23", "preset": "veryfast"}


class FilmVideo:
    """An MP4 (H.264) that is written frame by frame; complete as far as it goes once it is closed.

    Args:
        path: Of the file.
        heads: The number of heads.
        shown: The heads whose maps are drawn, from 0. None: all.

    Raises:
        FilmError: The file cannot be written.
    """

    def __init__(self, path: Path, heads: int, shown: Sequence[int] | None = None) -> None:
        self.path, self._shown = path, list(range(heads)) if shown is None else list(shown)
        self._size: tuple[int, int] | None = None
        try:
            self._container = av.open(f"file:{path}", "w", format="mp4")
        except (av.error.FFmpegError, OSError) as error:
            raise _unwritten(path, error, _("Give another folder.")) from error

    def __enter__(self) -> FilmVideo:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def add(self, frame: FilmFrame, sample: FilmSample) -> None:
        """Draw and write a frame.

        Raises:
            FilmError: The file cannot be written.
        """
        drawn = overlaid(frame, sample, self._shown)
        if self._size is None:
            self._size = drawn.size
            self._stream = self._container.add_stream("libx264", rate=25, options=QUALITY)
            self._stream.width, self._stream.height = drawn.size
            self._stream.pix_fmt = "yuv420p"
            self._stream.codec_context.time_base = Fraction(1, TICKS)
            self._stream.codec_context.colorspace = 1  # BT.709, in FFmpeg's numbers
        pixels = np.asarray(drawn if drawn.size == self._size else drawn.resize(self._size))
        picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
        picture = picture.reformat(format="yuv420p", dst_colorspace=Colorspace.ITU709)
        picture.pts, picture.time_base = round(frame.time * TICKS), Fraction(1, TICKS)
        self._write(picture)

    def close(self) -> None:
        """Write what is missing at the end of the file."""
        if self._size is not None:
            self._write(None)
            self._size = None
        self._container.close()

    def _write(self, picture: av.VideoFrame | None) -> None:
        try:
            self._container.mux(self._stream.encode(picture))
        except av.error.FFmpegError as error:
            raise _unwritten(self.path, error, _("Make room for it.")) from error


def _unwritten(path: Path, error: av.error.FFmpegError | OSError, remedy: str) -> FilmError:
    text = _("{file} cannot be written: {reason}.").format(file=path.name, reason=error.strerror)
    return FilmError(text, remedy)


def overlaid(frame: FilmFrame, sample: FilmSample, shown: Sequence[int]) -> Image.Image:
    """A frame with the maps of some heads in their colours, the predictions, and below it the time and a legend."""
    height, width = frame.pixels.shape[:2]
    scale = float(np.clip(max(width, height), *SIDES) / max(width, height))
    size = (2 * round(width * scale / 2), 2 * round(height * scale / 2))  # even, as the encoder asks
    picture = Image.fromarray(frame.pixels).resize(size, Image.Resampling.BICUBIC)
    for face in sample.faces:
        _draw_maps(picture, face, scale, shown)
    text_size = max(14, round(max(size) / 45))
    for face in sample.faces:
        _draw_label(picture, face, scale, text_size, numbered=len(sample.faces) > 1)
    return _with_legend(picture, sample.time, shown, text_size)


def _draw_maps(picture: Image.Image, face: FilmFace, scale: float, shown: Sequence[int]) -> None:
    """The maps, one over the other, on one scale; the most attended cell of all is the least transparent."""
    to_picture = face.to_photo * scale
    corners = to_picture @ np.array([[0, 1, 0, 1], [0, 0, 1, 1], [1, 1, 1, 1]])  # (2, 4)
    left, top = (int(max(0, np.floor(values.min()))) for values in corners)
    right, bottom = (
        int(min(limit, np.ceil(values.max()))) for values, limit in zip(corners, picture.size, strict=True)
    )
    if right <= left or bottom <= top:
        return
    # From a pixel of this part of the picture to the crop.
    to_crop = np.linalg.inv(np.vstack([to_picture, [0, 0, 1]]))[:2] * FINE
    to_crop[:, 2] += to_crop[:, :2] @ (left, top)
    highest = float(face.spatial.max()) or 1.0
    for head in shown:
        cells = Image.fromarray((face.spatial[head] / highest * 255 * OPACITY).astype(np.uint8))
        mask = cells.resize((FINE, FINE), Image.Resampling.BICUBIC).transform(
            (right - left, bottom - top), Image.Transform.AFFINE, to_crop.flatten().tolist(), Image.Resampling.BILINEAR
        )
        picture.paste(head_colour(head), (left, top), mask)


def _draw_label(picture: Image.Image, face: FilmFace, scale: float, text_size: int, numbered: bool) -> None:
    """The face's box, above it the prediction, below it the parts of the channels that the heads win."""
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(text_size)
    left, top, right, bottom = (face.box * scale).tolist()
    draw.rectangle((left, top, right, bottom), outline=INK, width=2)
    text = f"{face.label} {percent(float(face.probabilities.max()))}".replace(HARD_SPACE, " ")
    text = f"{face.person}: {text}" if numbered else text
    place = draw.textbbox((0, 0), text, font=font)
    pad = text_size // 4
    x = min(max(0.0, left), picture.width - place[2] - 2 * pad)
    y = max(0.0, top - place[3] - 2 * pad)
    draw.rectangle((x, y, x + place[2] + 2 * pad, y + place[3] + 2 * pad), fill=PAPER)
    draw.text((x + pad, y + pad), text, font=font, fill=INK)
    thick, at = max(6, text_size // 2), left
    y = min(bottom + 3, picture.height - thick)
    draw.rectangle((left, y, right, y + thick), fill=PAPER)
    for head, part in enumerate(face.won.tolist()):
        width = part * (right - left)
        draw.rectangle((at, y, at + width, y + thick), fill=head_colour(head))
        at += width


def _with_legend(picture: Image.Image, time: float, shown: Sequence[int], text_size: int) -> Image.Image:
    """The picture, and below it the heads by colour and the time."""
    line = 2 * text_size
    page = Image.new("RGB", (picture.width, picture.height + line), PAPER)
    page.paste(picture)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(text_size)
    x, middle, chip = text_size / 2, picture.height + line / 2, text_size * 0.8
    for head in shown:
        draw.rectangle((x, middle - chip / 2, x + chip, middle + chip / 2), fill=head_colour(head))
        text = head_name(head)
        draw.text((x + 1.4 * chip, middle), text, font=font, fill=INK, anchor="lm")
        x += 1.4 * chip + draw.textlength(text, font=font) + text_size
    minutes, seconds = divmod(time, 60)
    draw.text((page.width - text_size / 2, middle), f"{minutes:.0f}:{seconds:04.1f}", font=font, fill=INK, anchor="rm")
    return page
