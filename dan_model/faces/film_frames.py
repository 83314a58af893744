"""A film file -> frames with their times, upright, in RGB, one at a time: the only reader of films.

Decoded by PyAV, which carries FFmpeg's decoders. Nothing but the file itself is opened: playlists, and films that refer
to other files or addresses, are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.sidedata.sidedata import Type

from dan_model.errors import ArgumentError, FilmError

SUFFIXES = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".vob", ".wmv", ".asf",
        ".flv", ".ogv", ".ogm", ".mts", ".m2ts", ".ts", ".mjpeg", ".mjpg",
    }
)  # fmt: skip
"""How film files end, in lower case."""
FORMATS = "mov,mp4,matroska,webm,avi,mpeg,mpegts,mpegvideo,asf,flv,live_flv,ogg,mjpeg,h264,hevc,ivf"
"""FFmpeg's names of what is read. None of them opens another file."""
MAX_SIDE = 1280  # pixels; larger frames are reduced, for faces of 48 pixels and more are found in that
MAX_PIXELS = 40_000_000  # of a frame: more than 8K
MIN_SIDE = 16  # pixels
MOST_STRETCH = 4.0  # a pixel's width by its height; beyond, the file is wrong about it
EARLY = 1e-3  # seconds; times are rounded in files
MISSING = 0.5  # seconds at the end that a film may lack without a note
HDR = {16, 18}  # FFmpeg's numbers of the transfer curves PQ and HLG


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """One frame of a film.

    Attributes:
        time: Seconds since the film's first frame, by its own time stamp.
        pixels: (H, W, 3) uint8 RGB, upright.
    """

    time: float
    pixels: np.ndarray


class Film:
    """A film file. Its first frame is decoded at once, the others as they are asked for.

    Args:
        path: Of the file.

    Attributes:
        path: Of the file.
        duration: Seconds as announced in the file, or None.
        size: Width and height of the first frame, in pixels, upright.
        notes: What was odd, in sentences. More are added while frames are read.

    Raises:
        FilmError: The file is no film, or no frame of it can be decoded.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        self._origin = self._step = 0.0
        with self._open() as container:
            stream = _moving(container)
            self.duration = _duration(container, stream)
            self._step = float(1 / stream.average_rate) if stream.average_rate else 0.0
            first = next(self._decoded(container, [0]), None)
            if first is None:
                raise FilmError(f"No frame of {path.name} can be decoded.", "Convert it, for example to MP4 (H.264).")
            self._origin = first.time or 0.0
            pixels = _upright(first, stream)
            self.size = (pixels.shape[1], pixels.shape[0])
            if int(first.color_trc) in HDR:
                self.notes.append("This is an HDR film: its colours are taken as they are, paler than they are meant.")

    def samples(self, rate: float | None = None, until: float = math.inf) -> Iterator[FilmFrame]:
        """The first frame of each interval of 1 / `rate` seconds; none of an interval in which no frame begins.

        Args:
            rate: Samples a second. None: every frame.
            until: Seconds at which the film is left.

        Raises:
            ArgumentError: The rate is no number above 0.
        """
        if rate is not None and not 0 < rate < math.inf:
            raise ArgumentError(f"A rate of {rate} samples a second is not possible.", "Give a number above 0.")
        due, end, broken = -math.inf, 0.0, [0]
        try:
            with self._open() as container:
                for n, frame in enumerate(self._decoded(container, broken)):
                    time = self._time(frame, n)
                    if time > until:
                        return
                    end = max(end, time)
                    if time + EARLY < due:
                        continue
                    due = -math.inf if rate is None else (math.floor((time + EARLY) * rate) + 1) / rate
                    yield FilmFrame(time, _upright(frame, _moving(container)))
        finally:  # also where the film is left before its end
            if broken[0]:
                self._add(f"{broken[0]} parts of this film are damaged and were left out.")
        if self.duration is not None and end + self._step + MISSING < self.duration:
            self._add(f"The film breaks off after {end:.1f} of {self.duration:.1f} seconds: the rest cannot be read.")

    def frame_at(self, time: float) -> FilmFrame:
        """The first frame at or after a time, in seconds; the last one beyond the end."""
        # By the film's index; where that leads nowhere or too far, from the first frame on.
        for seek in (True, False):
            with self._open() as container:
                stream, last = _moving(container), None
                if seek:
                    try:
                        container.seek(int((self._origin + time) / stream.time_base), stream=stream)
                    except (av.error.FFmpegError, TypeError):
                        continue
                for n, frame in enumerate(self._decoded(container, [0])):
                    if seek and (frame.time is None or (last is None and self._time(frame, n) > time + EARLY)):
                        break
                    last = FilmFrame(self._time(frame, n), _upright(frame, stream))
                    if last.time + EARLY >= time:
                        return last
                if last is not None and not seek:
                    return last
        raise FilmError(f"No frame of {self.path.name} can be decoded.", "Choose the film again.")

    def _open(self) -> Any:
        """The file, opened, with its first moving picture as the only stream that is read."""
        if not self.path.is_file():
            raise FilmError(f"{self.path} does not exist.", "Give the path of a film.")
        options = {"format_whitelist": FORMATS, "protocol_whitelist": "file"}
        try:
            container = av.open(f"file:{self.path}", options=options)
        except (av.error.FFmpegError, ValueError) as error:
            raise FilmError(
                f"{self.path.name} is no film that can be read, or was cut short and lacks its index.",
                "Give MP4, MOV, MKV, WebM, AVI or MPEG.",
            ) from error
        stream = _moving(container)
        if stream is None or stream.codec_context is None:
            container.close()
            raise FilmError(f"{self.path.name} has no moving picture that can be decoded.", "Give a film.")
        context = stream.codec_context
        if context.width * context.height > MAX_PIXELS or not 0 < min(context.width, context.height) >= MIN_SIDE:
            container.close()
            raise FilmError(
                f"The frames of {self.path.name} have {context.width}×{context.height} pixels.",
                f"They may have {MIN_SIDE} pixels a side up to {MAX_PIXELS / 1e6:.0f} million in all.",
            )
        context.options = {"max_pixels": str(MAX_PIXELS)}  # also of frames that turn out larger
        stream.thread_type = "AUTO"
        return container

    def _decoded(self, container: Any, broken: list[int]) -> Iterator[Any]:
        """All frames that can be decoded, one after the other; `broken` counts the parts that cannot."""
        packets = container.demux(_moving(container))
        while True:
            try:
                packet = next(packets, None)
                frames = [] if packet is None else packet.decode()
            except (av.error.EOFError, StopIteration):
                return
            except av.error.FFmpegError:
                broken[0] += 1
                if packet is None or broken[0] > 1000:
                    return
                continue
            for frame in frames:
                if frame.is_corrupt:
                    broken[0] += 1
                else:
                    yield frame
            if packet is None:
                return

    def _time(self, frame: Any, number: int) -> float:
        """Seconds since the first frame; by its number in a film without time stamps."""
        return number * self._step if frame.time is None else max(0.0, frame.time - self._origin)

    def _add(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)


def is_film_file(path: Path) -> bool:
    """Whether a file counts as a film: by its ending, and not hidden."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def _moving(container: Any) -> Any:
    """The first stream of moving pictures; None where there is none. The picture on a cover is none."""
    cover = av.stream.Disposition.attached_pic
    return next((stream for stream in container.streams.video if not stream.disposition & cover), None)


def _duration(container: Any, stream: Any) -> float | None:
    """How long the picture lasts by the file's own account, in seconds."""
    if stream.duration is not None and stream.time_base is not None:
        return float(stream.duration * stream.time_base)
    # That of the whole file may be that of a longer sound.
    return None if container.duration is None or container.streams.audio else container.duration / av.time_base


def _upright(frame: Any, stream: Any) -> np.ndarray:
    """The pixels of a frame: square, at most `MAX_SIDE` a side, and turned as the file says."""
    stretch = float(stream.sample_aspect_ratio or 1)
    stretch = stretch if 1 / MOST_STRETCH <= stretch <= MOST_STRETCH else 1.0
    width, height = frame.width * stretch, float(frame.height)
    scale = min(1.0, MAX_SIDE / max(width, height))
    try:
        pixels = frame.to_ndarray(
            format="rgb24", width=max(1, round(width * scale)), height=max(1, round(height * scale)),
            interpolation="AREA" if scale < 1 else "BICUBIC",
        )  # fmt: skip
    except (av.error.FFmpegError, ValueError) as error:
        what = f"The frames of this film ({frame.format.name}) cannot be turned into RGB."
        raise FilmError(what, "Convert it, for example to MP4 (H.264).") from error
    turned = frame.side_data.get(Type.DISPLAYMATRIX)
    if turned is None:
        return pixels
    # The matrix maps (x, y) to (a·x + c·y, b·x + d·y); of quarter turns and mirrorings only the signs count.
    (a, b), (c, d) = np.frombuffer(bytes(turned), dtype="<i4").reshape(3, 3)[:2, :2].tolist()
    if abs(b) > abs(a):
        pixels, a, d = pixels.swapaxes(0, 1), c, b
    return np.ascontiguousarray(pixels[:: -1 if d < 0 else 1, :: -1 if a < 0 else 1])
