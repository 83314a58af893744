"""An uploaded film, explained sample by sample within the limits of the page; what is stored of it for its visitor."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from dan_model.errors import FilmError
from dan_model.explain import Explainer
from dan_model.explain.film import FilmExplainer
from dan_model.explain.film_timeline import TimelineBuilder
from dan_model.faces import Film
from dan_model.show.film_figures import clock, sample_sentence
from dan_model.show.film_video import FilmVideo
from dan_model.texts import translate as _
from dan_model.texts import translate_plural

MAX_SECONDS = 60.0  # of a film; what comes later is left out
MOST_FACES = 4  # of a frame, the largest
RATES = (2, 5, 10)  # samples a second
USUAL_RATE = 5
VIDEO = "heads.mp4"


@dataclass(frozen=True, eq=False)
class Moment:
    """One sample of a film.

    Attributes:
        time: Seconds since the first frame.
        text: What it shows, in words.
    """

    time: float
    text: str


@dataclass(eq=False)
class ExplainedFilm:
    """What the page stores of a film, until the next one or the end of the session: numbers, and the video as a file.

    Attributes:
        path: The uploaded file, which is deleted after a while.
        video: The file with the maps over the film; deleted with this object, if not before.
        builder: Its timeline.
        moments: Its samples.
        seconds: How much of it is explained at most: all of it, or `MAX_SECONDS`.
        finished: Whether it was explained to the end.
        notes: What should be known about it, in sentences.
    """

    path: Path
    video: Path
    builder: TimelineBuilder
    seconds: float
    moments: list[Moment] = field(default_factory=list)
    finished: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def progress(self) -> str:
        """How far it is, in words."""
        if not self.moments:
            return _("Reading the film …")
        last = self.moments[-1]
        return _("Explaining: {time} of {duration}; {shown}.").format(
            time=clock(last.time), duration=clock(self.seconds), shown=last.text
        )


def explain_upload(
    explainer: Explainer,
    path: Path,
    rate: float,
    heads: list[int] | None,
    cache: Path,
    should_continue: Callable[[], bool] = lambda: True,
) -> Iterator[ExplainedFilm]:
    """Explain a film: after each sample the same `ExplainedFilm`, which grows.

    Args:
        explainer: Explains the faces.
        path: Of the uploaded file.
        rate: Samples a second.
        heads: Whose maps the video shows, from 0. None: all.
        cache: Folder in which the video is written, in a folder of its own; complete, as far as it goes, when the
            iterator has ended or is closed.
        should_continue: Called before each sample; when it returns False, the rest is left out.

    Raises:
        FilmError: The file is no film, or has been deleted.
    """
    if not path.is_file():
        raise FilmError(_("This film has been deleted."), _("Choose it again."))
    film, explain, left_out = Film(path), FilmExplainer(explainer, MOST_FACES), 0
    count = explainer.model.config.num_heads
    builder = TimelineBuilder(explainer.labels, count, rate)
    cache.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=cache))
    seconds = min(film.duration or MAX_SECONDS, MAX_SECONDS)
    found = ExplainedFilm(path, folder / VIDEO, builder, seconds)
    weakref.finalize(found, shutil.rmtree, folder, ignore_errors=True)
    yield found
    with FilmVideo(found.video, count, heads) as written:
        for frame in film.samples(rate, MAX_SECONDS):
            if not should_continue():
                break
            sample = explain(frame)
            builder.add(sample)
            written.add(frame, sample)
            found.moments.append(Moment(frame.time, sample_sentence(sample)))
            left_out += sample.left_out > 0
            yield found
        else:
            found.finished = True
    # What should be known.
    found.notes = list(film.notes)
    if found.finished and (film.duration or 0) > MAX_SECONDS + 1 / rate:
        limit = _("The page explains the first {seconds} seconds; the command line has no limit.")
        found.notes.append(limit.format(seconds=f"{MAX_SECONDS:.0f}"))
    if left_out:
        note = translate_plural(  # English has one form for all counts, other languages do not
            "In {count} samples only the {faces} largest faces are explained.",
            "In {count} samples only the {faces} largest faces are explained.",
            left_out,
        )
        found.notes.append(note.format(count=left_out, faces=MOST_FACES))
    yield found
