"""`evaluate`: measure a network on a dataset."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from torch import Tensor

from dan_model.commands.options import Dataset, Device, Preset, Prior, Root, Split, Weights
from dan_model.commands.terminal import exit_on_error, print_notes
from dan_model.devices import choose_device, sharing_processes
from dan_model.errors import ArgumentError
from dan_model.explain.regions import face_cover
from dan_model.files import check_writable, write_bytes, write_text
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.evaluation import Evaluation, measure, predict
from dan_model.learn.head_report import measure_heads
from dan_model.learn.map_report import MOST, measure_maps
from dan_model.network import PRIORS, TRAINING_PRIOR, UNIFORM_PRIOR, with_classes, with_uniform_prior
from dan_model.show.axes import png
from dan_model.show.evaluation_figures import confusion_figure, reliability_figure
from dan_model.weights import load_checkpoint

CLASSES = ("same", "common")


def evaluate(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="JSON file for the metrics; figures are written beside it.")],
    split: Split = "valid",
    weights: Weights = None,
    preset: Preset = None,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode images, for datasets beyond memory.")] = 0,
    prior: Prior = TRAINING_PRIOR,
    classes: Annotated[
        str, typer.Option(help=f"{' or '.join(CLASSES)}: what to do where dataset and network differ in classes.")
    ] = "same",
    heads: Annotated[
        bool,
        typer.Option(
            "--heads",
            help=f"Also measure the heads: regions, ablation, overlap; on {MOST} faces, whether their maps follow the "
            "face.",
        ),
    ] = False,
) -> None:
    """Measure a network on a dataset: accuracy, balanced accuracy, per class, confusion, calibration.

    With --prior uniform the metrics are those with every class equally likely; the file has the others beside them.
    Several processes can share the work: torchrun -m dan_model evaluate …
    """
    with exit_on_error():
        for path in (out, *_figure_files(out)):
            check_writable(path)
        state = sharing_processes(device)
        checkpoint = load_checkpoint(weights, preset)
        model, faces = checkpoint.model, load_faces(dataset, root, split)
        if classes not in CLASSES:
            raise ArgumentError(f"--classes {classes}: there is no such choice.", f"Choose: {', '.join(CLASSES)}.")
        if prior not in PRIORS:
            raise ArgumentError(f"--prior {prior}: there is no such prior.", f"Choose: {', '.join(PRIORS)}.")
        left_out = 0
        if classes == "common":
            common = [label for label in model.config.labels if label in faces.labels]
            if len(common) < 2:
                raise ArgumentError(
                    f"Network ({', '.join(model.config.labels)}) and dataset ({', '.join(faces.labels)}) have "
                    f"{len(common)} classes in common.",
                    "Rename the folders, or take other weights.",
                )
            model, every = with_classes(model, common), len(faces)
            faces = faces.of_classes(common)
            left_out = every - len(faces)
            typer.echo(f"Common classes: {', '.join(common)}; {left_out} images of others are left out.", err=True)
        else:
            faces = faces.in_order_of(model.config.labels)
        if prior == UNIFORM_PRIOR:
            with_uniform_prior(model)  # refuses weights whose class prior is not known, before anything is measured
        model = model.to(state.device if state.num_processes > 1 else choose_device(device))
        pixels = Pixels(faces, model.config.preprocess)
        logits, true = predict(model, pixels, workers=workers)
        if not state.is_main_process:
            return
        print_notes(pixels.notes)
        more: dict[str, Any] = {
            "weights": checkpoint.name, "dataset": faces.name, "processes": state.num_processes, "prior": prior,
            "classes": classes, "images_left_out": left_out, "images_unreadable": len(pixels.unreadable),
            "unreadable": list(pixels.unreadable),
        }  # fmt: skip
        if prior == UNIFORM_PRIOR:
            trained = measure(logits, true, model.config.labels)
            more[TRAINING_PRIOR] = {name: getattr(trained, name) for name in ("accuracy", "balanced_accuracy", "ece")}
            uniform = with_uniform_prior(model)
            logits, model = logits + (uniform.bn.bias - model.bn.bias).detach().cpu(), uniform
        measured = measure(logits, true, model.config.labels)
        if heads:
            maps = measure_maps(model, pixels)
            more["heads"] = measure_heads(model, pixels, face_cover(model.config.preprocess)).to_dict()
            more["maps"] = maps.to_dict()
            typer.echo(maps.to_text())
        write_evaluation(measured, out, logits, true, more)
    typer.echo(
        f"{faces.name}, {measured.count} faces: accuracy {measured.accuracy:.4f}, balanced "
        f"{measured.balanced_accuracy:.4f}, ECE {measured.ece:.4f} -> {out}"
    )


def write_evaluation(measured: Evaluation, out: Path, logits: Tensor, classes: Tensor, more: dict[str, Any]) -> None:
    """Write an evaluation as JSON, with further entries, and its figures beside it."""
    write_text(out, json.dumps({**measured.to_dict(), **more}, indent=1))
    figures = confusion_figure(measured), reliability_figure(logits, classes, measured)
    for path, figure in zip(_figure_files(out), figures, strict=True):
        write_bytes(path, png(figure))


def _figure_files(out: Path) -> list[Path]:
    """The files of the two figures beside an evaluation."""
    return [out.with_name(f"{out.stem}-{name}.png") for name in ("confusion", "reliability")]
