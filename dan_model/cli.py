"""The command line: `python -m dan_model COMMAND`.

Exit codes: 0 all done, 1 some images failed, 2 nothing could start.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track

from dan_model.errors import ArgumentError, DanError, NoFaceError
from dan_model.explain.attributions import METHODS, check_methods
from dan_model.explain.explainer import Explainer, FaceChoice
from dan_model.faces import FaceDetector, median_template
from dan_model.images import read_image
from dan_model.show.report import write

app = typer.Typer(
    help="DAN Explorer: what DAN's attention heads look at, and how their fusion decides.", no_args_is_help=True
)
errors = Console(stderr=True, highlight=False, soft_wrap=True)


@app.callback()
def main() -> None:
    """Keeps `explain` a command of its own."""


@app.command()
def explain(
    images: Annotated[list[Path], typer.Argument(help="Image files.", metavar="IMAGE...")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it is not there.")],
    weights: Annotated[
        str | None,
        typer.Option(help="Folder, .pth, or user/name on the Hub; default: embedded."),
    ] = None,
    preset: Annotated[str | None, typer.Option(help="For a published file: rafdb, affectnet7 or affectnet8.")] = None,
    target: Annotated[str | None, typer.Option(help="Class to explain; default: the predicted one.")] = None,
    method: Annotated[
        list[str] | None, typer.Option(help=f"Attribution, may be repeated: {', '.join(METHODS)}, all or none.")
    ] = None,
    whole_image: Annotated[bool, typer.Option(help="Take each image as one face, without looking for faces.")] = False,
    native: Annotated[bool, typer.Option(help="Draw maps in their own cells and pixels instead of smoothly.")] = False,
) -> None:
    """Explain every face of every image: per face a panel (PNG), all arrays (NPZ) and the numbers (JSON)."""
    with _exit_on_error():
        methods = _methods(method or ["all"])
        explainer = Explainer.from_pretrained(weights, preset)
        if target is not None:
            explainer.class_index(target)
        _make_folder(out)
    images = list(dict.fromkeys(images))
    stems = _unique_stems(images)
    failed = 0
    for path in track(images, description="Explaining", console=errors, disable=not errors.is_terminal):
        try:
            photo = read_image(path)
            for number, face in enumerate(_faces(explainer, photo, whole_image), start=1):
                explanation = explainer.explain(photo, target, methods, face)
                written = write(explanation, out / f"{stems[path]}-face{number}", smooth=not native)
                share = float(explanation.prediction.probabilities.max())
                typer.echo(f"{path}: face {number}: {explanation.prediction.label} {share:.3f} -> {written[0]}")
        except (DanError, OSError) as error:
            failed += 1
            errors.print(f"{path}: {error}", style="red", markup=False)
    if failed:
        errors.print(f"{failed} of {len(images)} images failed.", style="red")
        raise typer.Exit(1)


@app.command()
def template(
    folder: Annotated[Path, typer.Argument(help="Folder with cropped training faces, at any depth.")],
    every: Annotated[int, typer.Option(min=1, help="Take every n-th file only.")] = 1,
) -> None:
    """Derive a landmark template from a training set's faces, for `preprocess` in config.json."""
    with _exit_on_error():
        if not folder.is_dir():
            raise ArgumentError(f"{folder} is no folder.", "Give a folder with cropped training faces.")
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})[::every]
        photos = (read_image(path) for path in track(paths, console=errors, disable=not errors.is_terminal))
        found, count = median_template(photos, FaceDetector())
        typer.echo(json.dumps({"landmark_template": asdict(found), "faces": count, "files": len(paths)}, indent=2))


def _faces(explainer: Explainer, photo: np.ndarray, whole_image: bool) -> list[FaceChoice]:
    if whole_image:
        return ["whole"]
    faces = explainer.faces(photo)
    if not faces:
        raise NoFaceError("No face was found.", "Take another image, or add --whole-image.")
    return list(faces)


def _methods(names: list[str]) -> list[str]:
    names = [name for name in names if name != "none"]
    if "all" in names:
        return list(METHODS)
    check_methods(names)
    return names


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ArgumentError(f"--out {out} cannot be written: {error.strerror}.", "Give another folder.") from error


def _unique_stems(paths: list[Path]) -> dict[Path, str]:
    """A file name for each image; two images of one name are told apart by a number."""
    stems: dict[Path, str] = {}
    for path in paths:
        stem, n = path.stem, 1
        while stem.lower() in {other.lower() for other in stems.values()}:
            n += 1
            stem = f"{path.stem}-{n}"
        stems[path] = stem
    return stems


@contextmanager
def _exit_on_error() -> Iterator[None]:
    try:
        yield
    except DanError as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from error
