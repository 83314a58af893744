"""`explain`: explain every face of many images and films, over several processes and interrupted runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import track

from dan_model.commands.explain_film import FilmOptions, explain_films
from dan_model.commands.options import Device, Preset, Prior, ScoreKind, Weights
from dan_model.commands.requests import available_requests
from dan_model.commands.sharing import last, shared_explainer
from dan_model.commands.terminal import errors, exit_on_error, make_folder, print_notes
from dan_model.errors import ArgumentError, DanError, DiskError, NoFaceError
from dan_model.explain import Explainer, FaceChoice
from dan_model.explain.attributions import BASELINES, DEFAULT_METHODS, METHODS
from dan_model.explain.score import Score
from dan_model.faces import Photo, image_files, is_film_file, others_note, read_photo, visible_files
from dan_model.files import write_text
from dan_model.network import TRAINING_PRIOR
from dan_model.show.archive import Archive, content_of, merge_together
from dan_model.show.html_report import html_report
from dan_model.show.origin import software_and_weights
from dan_model.show.report import numbers, write
from dan_model.show.sentences import crop_notes
from dan_model.version import __version__
from dan_model.weights import fingerprint


def explain(
    images: Annotated[list[Path], typer.Argument(help="Images, folders of images, or films.", metavar="IMAGE|FILM...")],
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
    stretch: Annotated[
        bool, typer.Option("--stretch", help="Stretch levels of 8 to 14 bits in files of 16 bits, else nearly black.")
    ] = False,
    report: Annotated[bool, typer.Option("--report", help="Also write one HTML file that shows everything.")] = False,
    rate: Annotated[float, typer.Option(help="Of a film: samples a second.")] = 5.0,
    video: Annotated[bool, typer.Option(help="Of a film: write the MP4 with the heads' maps (or only --head).")] = True,
) -> None:
    """Explain every face of every image: panel (PNG), arrays (NPZ), numbers (JSON), and all numbers in one JSONL.

    Of a film, each person over time, in a folder of its own: numbers (JSONL), figures (PNG), maps over the film (MP4).

    What has the same content and the same options is not explained again: the same command resumes a run that was
    killed. Several processes can share the work: torchrun -m dan_model explain …
    """
    # Check everything before the first image.
    with exit_on_error():
        explainer, state = shared_explainer(weights, preset, device)
        wanted = method or list(DEFAULT_METHODS)
        methods = [request.text for request in available_requests(explainer, wanted, whole_image)]
        _validate_score(explainer, target, against, head, score)
        explainer.network(prior)
        explained = {"target": target, "against": against, "score": score, "prior": prior}
        weights_id, head_index = fingerprint(explainer.model), None if head is None else head - 1
        film_options = FilmOptions(rate, video, head_index, whole_image, explained, weights_id)
        weights_name = weights or "embedded"
        made_by = software_and_weights(weights_name, weights_id)
        make_folder(out)
        stems = name_results([path for path in images if not is_film_file(path) or path.is_dir()])
        films = name_results([path for path in images if is_film_file(path) and not path.is_dir()])
        if films and against is not None and target is None:
            raise ArgumentError(
                "--against alone cannot explain a film: its faces may be predicted as that class.", "Give --target too."
            )
        # Open the archive of earlier results; it recognises images that were explained with the same options.
        reference = explainer.reference
        options = {
            "weights": weights_id, "reference": reference and reference.fingerprint,
            "target": target, "methods": methods, "whole_image": whole_image,
            "native": native, "views": views, "panel": panel, "against": against, "head": head,
            "score": score, "prior": prior, "report": report, "stretch": stretch,
            "faithfulness": faithfulness, "randomisation": randomisation, "version": __version__,
        }  # fmt: skip
        merge_together(out, state)
        archive = Archive(out, options, state.process_index)
        # Explain this process's part of the images; those that fail are named, and the rest goes on.
        own = list(stems)[state.process_index :: state.num_processes]
        failed = 0
        for path in track(own, description="Explaining", console=errors, disable=not errors.is_terminal):
            content = ""
            try:
                content = content_of(path) if path.is_file() else ""
                if archive.done_before(path, content):
                    typer.echo(f"{path}: done before")
                    continue
                files: list[Path] = []
                faces: list[dict[str, Any]] = []
                photo, chosen = _faces(explainer, path, whole_image, stretch)
                for number, face in enumerate(chosen, start=1):
                    try:
                        explanation = explainer.explain(
                            photo, target, methods, face, views or report, against, head_index, score, prior
                        )
                    except ArgumentError as error:  # such as a face that is predicted as the class of --against
                        if number == len(chosen) and not faces:
                            raise
                        errors.print(f"{path}: face {number}: left out: {error}", style="yellow", markup=False)
                        continue
                    print_notes(f"{path}: face {number}: {note}" for note in crop_notes(explanation.crop))
                    measured = last(explainer.faithfulness(explanation)) if faithfulness else None
                    randomised = last(explainer.randomisation(explanation)) if randomisation else None
                    stem = out / f"{stems[path]}-face{number}"
                    files += write(explanation, stem, not native, views, panel, measured, randomised, made_by)
                    if report:
                        source = explainer.model.config.provenance
                        page = html_report(explanation, weights_name, source, not native, weights_id)
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
                archive.add_failure(path, str(error), content)
                errors.print(f"{path}: {error}", style="red", markup=False)
        # Films, this process's part of them.
        for_images = {
            "--method": method and method != ["none"], "--faithfulness": faithfulness, "--randomisation": randomisation,
            "--native": native, "--views": views, "--report": report, "--stretch": stretch, "--no-panel": not panel,
        }  # fmt: skip
        if films and any(for_images.values()):
            given = ", ".join(name for name, value in for_images.items() if value)
            errors.print(f"{given}: for images only; films are explained without.", style="yellow", markup=False)
        own_films = dict(list(films.items())[state.process_index :: state.num_processes])
        failed_films = explain_films(explainer, own_films, out, film_options)
        # Put the results of all processes together.
        merge_together(out, state)
    if failed:
        errors.print(f"{failed} of {len(own)} images failed.", style="red")
    if failed_films:
        errors.print(f"{failed_films} of {len(own_films)} films failed.", style="red")
    if failed or failed_films:
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
        films = sum(map(is_film_file, visible_files(path))) if others else 0
        print_notes(others_note(path, others, f" ({films} of them films: give these by name)" if films else ""))
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


def _faces(explainer: Explainer, path: Path, whole_image: bool, stretch: bool) -> tuple[Photo, tuple[FaceChoice, ...]]:
    """The photo of a file and which faces of it are explained; prints what was odd about the file."""
    photo, faces = (read_photo(path, stretch), ()) if whole_image else explainer.find_faces(path, stretch)
    print_notes(photo.notes)
    if not whole_image and not faces:
        raise NoFaceError("No face was found.", "Take another image, or add --whole-image.")
    return photo, ("whole",) if whole_image else faces


def _validate_score(
    explainer: Explainer, target: str | None, against: str | None, head: int | None, score: str | None
) -> None:
    """Refuse a score that no face can be explained for, before the first image."""
    against_index = None if against is None else explainer.class_index(against)
    any_other = 0 if against_index != 0 else 1  # stands for the class that will be predicted
    target_index = any_other if target is None else explainer.class_index(target)
    explained = Score(target_index, against_index, None if head is None else head - 1, score or "")
    explained.validate(len(explainer.labels), explainer.model.config.num_heads)
