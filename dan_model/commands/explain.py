"""`explain`: explain every face of many images, over several processes and interrupted runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.progress import track

from dan_model.commands.options import Device, Preset, Prior, ScoreKind, Weights
from dan_model.commands.sharing import last, shared_explainer
from dan_model.commands.terminal import errors, exit_on_error, make_folder
from dan_model.errors import ArgumentError, DanError, DiskError, NoFaceError
from dan_model.explain import Explainer, FaceChoice
from dan_model.explain.attributions import BASELINES, DEFAULT_METHODS, METHODS, parse_requests
from dan_model.explain.score import Score
from dan_model.faces import image_files, read_photo
from dan_model.files import write_text
from dan_model.network import TRAINING_PRIOR
from dan_model.show.archive import Archive, content_of, merge_together
from dan_model.show.html_report import html_report
from dan_model.show.report import numbers, write
from dan_model.version import __version__
from dan_model.weights import fingerprint


def explain(
    images: Annotated[list[Path], typer.Argument(help="Image files, or folders of images.", metavar="IMAGE...")],
    out: Annotated[Path, typer.Option(help="Folder for the results; made if it does not exist.")],
    weights: Weights = None,
    preset: Preset = None,
    device: Device = "auto",
    target: Annotated[str | None, typer.Option(help="Class to explain; default: the predicted one.")] = None,
    against: Annotated[str | None, typer.Option(help="Explain the target rather than this class.")] = None,
    head: Annotated[int | None, typer.Option(min=1, help="Explain the contribution of this head, from 1.")] = None,
    score: ScoreKind = None,
    prior: Prior = TRAINING_PRIOR,
    method: Annotated[
        list[str] | None,
        typer.Option(
            help=f"Attribution, may be repeated: {', '.join(METHODS)}, all or none. With baseline and settings: "
            f"METHOD@BASELINE:NAME=VALUE,…; baselines: {', '.join(BASELINES)}. Default: {', '.join(DEFAULT_METHODS)}."
        ),
    ] = None,
    faithfulness: Annotated[bool, typer.Option("--faithfulness", help="Also measure the maps' faithfulness.")] = False,
    randomisation: Annotated[
        bool, typer.Option("--randomisation", help="Also run the parameter randomisation test.")
    ] = False,
    whole_image: Annotated[bool, typer.Option(help="Take each image as one face, without face detection.")] = False,
    native: Annotated[bool, typer.Option(help="Draw maps in their own cells and pixels instead of smoothly.")] = False,
    views: Annotated[bool, typer.Option(help="Also write a figure for each view of heads and fusion.")] = False,
    panel: Annotated[bool, typer.Option(help="Draw the panel; --no-panel is faster for many images.")] = True,
    report: Annotated[bool, typer.Option("--report", help="Also write one HTML file that shows everything.")] = False,
) -> None:
    """Explain every face of every image: panel (PNG), arrays (NPZ), numbers (JSON), and all numbers in one JSONL.

    An image with the same content and the same options is not explained again: the same command resumes a run that was
    killed. Several processes can share the work: torchrun -m dan_model explain …
    """
    # Check everything before the first image.
    with exit_on_error():
        methods = _methods(method or list(DEFAULT_METHODS), whole_image)
        explainer, state = shared_explainer(weights, preset, device)
        _validate_score(explainer, target, against, head, score)
        explainer.network(prior)
        make_folder(out)
        stems = name_results(images)
        # Open the archive of earlier results; it recognises images that were explained with the same options.
        options = {
            "weights": fingerprint(explainer.model), "target": target, "methods": methods, "whole_image": whole_image,
            "native": native, "views": views, "panel": panel, "against": against, "head": head,
            "score": score, "prior": prior, "report": report,
            "faithfulness": faithfulness, "randomisation": randomisation, "version": __version__,
        }  # fmt: skip
        merge_together(out, state)
        archive = Archive(out, options, state.process_index)
        # Explain this process's part of the images; those that fail are named, and the rest goes on.
        own = list(stems)[state.process_index :: state.num_processes]
        failed = 0
        for path in track(own, description="Explaining", console=errors, disable=not errors.is_terminal):
            try:
                content = content_of(path) if path.is_file() else ""
                if archive.done_before(path, content):
                    typer.echo(f"{path}: done before")
                    continue
                read, files, faces = read_photo(path), [], []
                photo = read.pixels
                for note in read.notes:
                    errors.print(note, style="yellow", markup=False)
                for number, face in enumerate(_faces(explainer, photo, whole_image), start=1):
                    head_index = None if head is None else head - 1
                    explanation = explainer.explain(
                        photo, target, methods, face, views or report, against, head_index, score, prior
                    )
                    measured = last(explainer.faithfulness(explanation)) if faithfulness else None
                    randomised = last(explainer.randomisation(explanation)) if randomisation else None
                    stem = out / f"{stems[path]}-face{number}"
                    files += write(explanation, stem, not native, views, panel, measured, randomised)
                    if report:
                        page = html_report(
                            explanation, weights or "embedded", explainer.model.config.provenance, not native
                        )
                        files.append(stem.with_name(f"{stem.name}.html"))
                        write_text(files[-1], page)
                    faces.append(numbers(explanation, measured, randomised))
                    probability = float(explanation.prediction.probabilities.max())
                    typer.echo(f"{path}: face {number}: {explanation.prediction.label} {probability:.3f} -> {stem}")
                archive.add(path, content, files, faces)
            except DiskError:
                raise
            except (DanError, OSError) as error:
                failed += 1
                archive.add_failure(path, str(error))
                errors.print(f"{path}: {error}", style="red", markup=False)
        # Put the results of all processes together.
        merge_together(out, state)
    if failed:
        errors.print(f"{failed} of {len(own)} images failed.", style="red")
        raise typer.Exit(1)


def name_results(given: list[Path]) -> dict[Path, str]:
    """Choose where the results of each image go below --out, without suffix. Folders keep their inner structure.

    A number distinguishes two images with the same name.

    Raises:
        ArgumentError: A folder holds no images.
    """
    # The preferred name of each image.
    names: dict[Path, Path] = {}
    for path in given:
        if not path.is_dir():
            names.setdefault(path, Path(path.stem))
            continue
        found, others = image_files(path)
        if others:
            errors.print(f"{path}: {others} files are no images and are left out.", markup=False)
        if not found:
            raise ArgumentError(f"{path} holds no images.", "Give a folder with some, at any depth.")
        for image in found:
            names.setdefault(image, image.relative_to(path).with_suffix(""))
    # A number where it is taken, also in another case.
    stems: dict[Path, str] = {}
    taken: set[str] = set()
    for path, name in names.items():
        stem, n = str(name), 1
        while stem.lower() in taken:
            n += 1
            stem = f"{name}-{n}"
        taken.add(stem.lower())
        stems[path] = stem
    return stems


def _faces(explainer: Explainer, photo: np.ndarray, whole_image: bool) -> list[FaceChoice]:
    if whole_image:
        return ["whole"]
    faces = explainer.faces(photo)
    if not faces:
        raise NoFaceError("No face was found.", "Take another image, or add --whole-image.")
    return list(faces)


def _methods(names: list[str], whole_image: bool) -> list[str]:
    """The requests given by --method. In a whole image the regions are not known."""
    every = [name for name, method in METHODS.items() if not (whole_image and method.regions)]
    named = parse_requests([name for name in names if name != "all"])
    for request in named:
        if whole_image and METHODS[request.method].regions:
            raise ArgumentError(
                f"--method {request.text} needs a face that was found.", "Leave out --whole-image, or this method."
            )
    return [request.text for request in parse_requests([*(every if "all" in names else ()), *(r.text for r in named)])]


def _validate_score(
    explainer: Explainer, target: str | None, against: str | None, head: int | None, score: str | None
) -> None:
    """Refuse a score that no face can be explained for, before the first image."""
    against_index = None if against is None else explainer.class_index(against)
    any_other = 0 if against_index != 0 else 1  # stands for the class that will be predicted
    target_index = any_other if target is None else explainer.class_index(target)
    explained = Score(target_index, against_index, None if head is None else head - 1, score or "")
    explained.validate(len(explainer.labels), explainer.model.config.num_heads)
