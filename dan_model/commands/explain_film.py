"""The films of `explain`: sampled, their people followed; numbers, figures and an MP4 for each."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import typer
from rich.progress import Progress

from dan_model.commands.terminal import errors
from dan_model.errors import ArgumentError, DanError, DiskError, NoFaceError
from dan_model.explain import Explainer
from dan_model.explain.film import FilmExplainer
from dan_model.explain.film_timeline import FilmTimeline, TimelineBuilder
from dan_model.faces import Film
from dan_model.files import replacing, write_text
from dan_model.show.film_figures import clock, film_views, sample_numbers
from dan_model.show.film_video import FilmVideo
from dan_model.version import __version__

SAMPLES, OVERLAY, SUMMARY = "samples.jsonl", "overlay.mp4", "summary.json"
PEOPLE = 8  # who get a figure, those seen the longest
FIGURE_DPI = 130
INTERRUPTED = 130  # exit code after Ctrl-C, as shells have it


@dataclass(frozen=True)
class FilmOptions:
    """What is asked for of films.

    Attributes:
        rate: Samples a second.
        video: Whether the MP4 is written.
        head: The head whose map it shows, from 0. None: all.
        whole: Whether each frame is taken as one face.
        explained: What is explained, as keyword arguments of `FilmExplainer`.
        weights: Fingerprint of the network.

    Raises:
        ArgumentError: The rate is not possible.
    """

    rate: float
    video: bool
    head: int | None
    whole: bool
    explained: Mapping[str, Any]
    weights: str

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1000:
            raise ArgumentError(f"--rate {self.rate:g} is not possible.", "Give samples a second, up to 1000.")


def explain_films(explainer: Explainer, films: Mapping[Path, str], out: Path, options: FilmOptions) -> int:
    """Explain films, each into a folder of its own.

    Args:
        explainer: Explains the faces.
        films: The name of its folder below `out`, by film.
        out: Folder of the results.
        options: What is asked for.

    Returns:
        How many failed.

    Raises:
        typer.Exit: Ctrl-C was pressed; everything up to there has been written.
    """
    failed = 0
    for path, name in films.items():
        try:
            folder = out / name
            options_text = f"{options} {__version__} {_content_of(path) if path.is_file() else ''}"
            asked = sha256(options_text.encode()).hexdigest()[:16]
            if _done_before(folder, asked):
                typer.echo(f"{path}: done before")
                continue
            folder.mkdir(parents=True, exist_ok=True)
            _explain_film(explainer, path, folder, options, asked)
        except DiskError:
            raise
        except (DanError, OSError) as error:
            failed += 1
            errors.print(f"{path}: {error}", style="red", markup=False)
    return failed


def _explain_film(explainer: Explainer, path: Path, folder: Path, options: FilmOptions, asked: str) -> None:
    film = Film(path)
    explain = FilmExplainer(explainer, whole=options.whole, head=options.head, **options.explained)
    heads = explainer.model.config.num_heads
    builder = TimelineBuilder(explainer.labels, heads, options.rate)
    stale = [*folder.glob("person*.png"), *(folder / name for name in (SUMMARY, OVERLAY))]
    for old in stale:  # of an earlier run with other options
        old.unlink(missing_ok=True)
    shown = None if options.head is None else [options.head]
    video = FilmVideo(folder / OVERLAY, heads, shown) if options.video else nullcontext()
    progress = Progress(console=errors, disable=not errors.is_terminal, transient=True)
    interrupted, began = False, time.monotonic()
    # Each sample is written as soon as it is explained.
    with (folder / SAMPLES).open("w", encoding="utf-8") as samples, progress, video:
        task = progress.add_task(path.name, total=film.duration)
        try:
            for frame in film.samples(options.rate):
                sample = explain(frame)
                rows = sample_numbers(sample, explainer.labels)
                samples.write("".join(f"{json.dumps(row)}\n" for row in rows))
                samples.flush()
                builder.add(sample)
                if isinstance(video, FilmVideo):
                    video.add(frame, sample)
                progress.update(task, completed=sample.time)
        except KeyboardInterrupt:
            interrupted = True
    # The figures, and what belongs to the whole film.
    timeline = builder.timeline(PEOPLE)
    views = [view for view in film_views(timeline) if view.figure is not None]
    for view in views:
        assert view.figure is not None
        with replacing(folder / f"{view.name}.png") as part:
            view.figure.savefig(part, dpi=FIGURE_DPI)
    summary = _summary(film, timeline, options, explain.people.count) | {
        "seconds": round(time.monotonic() - began, 1), "complete": not interrupted, "asked": asked,
    }  # fmt: skip
    write_text(folder / SUMMARY, json.dumps(summary, indent=1))
    for note in film.notes:
        errors.print(f"{path}: {note}", style="yellow", markup=False)
    for view in views:
        typer.echo(f"{path}: {view.title}: {view.sentence} -> {folder}")
    if timeline.others:
        typer.echo(f"{path}: {timeline.others} further people, seen more briefly: in {SAMPLES} only")
    if interrupted:
        errors.print(f"{path}: stopped at {clock(timeline.end, timeline.end)}; {folder} holds what came before.")
        raise typer.Exit(INTERRUPTED)
    if not timeline.people:
        raise NoFaceError("No face was found.", "Take another film, or add --whole-image.")


def _summary(film: Film, timeline: FilmTimeline, options: FilmOptions, people: int) -> dict[str, Any]:
    spans = {
        one.person: [
            {"label": label, "start": round(a * timeline.step, 3), "end": round(b * timeline.step, 3)}
            for label, a, b in one.spans(timeline.labels)
        ]
        for one in timeline.people
    }
    return {
        "film": film.path.name, "size": list(film.size), "duration": film.duration, "notes": film.notes,
        "rate": options.rate, "labels": list(timeline.labels), "heads": timeline.heads,
        "explained": dict(options.explained), "samples": timeline.samples, "without_face": timeline.empty,
        "end": timeline.end, "people": max(people, len(timeline.people)),
        "predicted": {str(person): found for person, found in spans.items()},
    }  # fmt: skip


def _done_before(folder: Path, asked: str) -> bool:
    """Whether a folder has the complete results of the same film with the same options."""
    try:
        summary = json.loads((folder / SUMMARY).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(summary, dict) and summary.get("asked") == asked and summary.get("complete") is True


def _content_of(path: Path) -> str:
    """A hash of a file of any length."""
    digest = sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
