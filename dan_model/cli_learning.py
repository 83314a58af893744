"""The command line's part for learning: train, evaluate, reference, align, averages. `cli` adds them to the rest."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer
from PIL import Image
from rich.progress import Progress, track
from torch import Tensor

from dan_model.cards import model_card
from dan_model.checkpoints import REFERENCE_FILE, load_backbone, load_checkpoint
from dan_model.cli_options import Dataset, Device, Preset, Root, Split, Weights
from dan_model.config import ModelConfig
from dan_model.devices import choose_device, sharing_processes
from dan_model.errors import ArgumentError, DanError, NoFaceError
from dan_model.explain.reference import measure_reference
from dan_model.explain.regions import Regions, draw_regions, face_cover, face_inside
from dan_model.faces import FaceDetector, average_face, only_face
from dan_model.images import read_image
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import MAJORITY, SFEW_LABELS, VOTES, FaceSet, copy_tables, load_faces
from dan_model.learn.evaluation import Evaluation, fold_temperature, measure, predict
from dan_model.learn.head_report import measure_heads
from dan_model.learn.recipes import RECIPES, Phase, Recipe
from dan_model.learn.training import BEST, Training, fresh_model
from dan_model.network import DAN
from dan_model.published import PRESETS
from dan_model.show.learning_figures import confusion_figure, reliability_figure
from dan_model.terminal import errors, exit_on_error, make_folder

WEIGHTS = "weights"  # in a training's folder: what came out
PRECISIONS = ("no", "bf16", "fp16")


def evaluate(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Where the metrics go, as JSON; figures go beside it.")],
    split: Split = "valid",
    weights: Weights = None,
    preset: Preset = None,
    device: Device = "auto",
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode images too many to keep.")] = 0,
    heads: Annotated[bool, typer.Option("--heads", help="Also where each head looks and what it is worth.")] = False,
) -> None:
    """Measure weights on a dataset: accuracy, balanced accuracy, per class, confusion, calibration. Many processes may
    share the work: torchrun -m dan_model evaluate …
    """
    with exit_on_error():
        state = sharing_processes(device)
        checkpoint = load_checkpoint(weights, preset)
        faces = load_faces(dataset, root, split).in_order_of(checkpoint.model.config.labels)
        make_folder(out.parent)
        model = checkpoint.model.to(state.device if state.num_processes > 1 else choose_device(device))
        pixels = Pixels(faces, model.config.preprocess)
        logits, classes = predict(model, pixels, workers=workers)
        if not state.is_main_process:
            return
        measured = measure(logits, classes, model.config.labels)
        told: dict[str, Any] = {"weights": checkpoint.name, "dataset": faces.name, "processes": state.num_processes}
        if heads:
            told["heads"] = measure_heads(model, pixels, face_cover(model.config.preprocess)).to_dict()
        _write(measured, out, logits, classes, told)
    typer.echo(
        f"{faces.name}, {measured.count} faces: accuracy {measured.accuracy:.4f}, balanced "
        f"{measured.balanced_accuracy:.4f}, ECE {measured.ece:.4f} -> {out}"
    )


def train(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for state, history and weights; a training in it is gone on with.")],
    recipe: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(RECIPES)}; default: the dataset's own.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: name=value, may be repeated.")
    ] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Attention heads of a fresh network; default: 4.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Weights to go on with instead of fresh ones.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Weights or a ResNet-18's file; its backbone is taken.")] = None,
    preset: Preset = None,
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(PRECISIONS)}; fp16 on a GPU only.")] = "no",
    cpu: Annotated[bool, typer.Option("--cpu", help="Stay on the CPU.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode images too many to keep.")] = 0,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th image only, to try things out.")] = 1,
    also: Annotated[
        Path | None, typer.Option(help="Folder of more training images in the same layout, such as an aligned copy.")
    ] = None,
) -> None:
    """Train DAN, or go on with a training that was stopped; also under torchrun -m dan_model train …"""
    with exit_on_error():
        plan = _changed(_recipe(dataset, recipe), change or [])
        protocol = VOTES if dataset == "ferplus" else MAJORITY
        learning = load_faces(dataset, root, "train", protocol)
        if also:
            learning = learning.joined(load_faces(dataset, also, "train", protocol))
        learning = learning.every(every)
        validation = load_faces(dataset, root, "valid").every(every)
        if precision not in PRECISIONS or (precision == "fp16" and (cpu or choose_device().type == "cpu")):
            raise ArgumentError(f"--precision {precision} cannot be had here.", "Choose no or bf16.")
        if start and heads:
            raise ArgumentError("The weights of --from have their heads.", "Leave --heads out, or give --backbone.")
        config = replace(_config(dataset, learning), num_heads=heads or 4)
        model = load_checkpoint(start, preset).model if start else fresh_model(config, plan)
        if backbone:
            load_backbone(model, backbone)
        config = model.config
        make_folder(out)
        training = Training(
            model,
            Pixels(learning.in_order_of(config.labels), config.preprocess),
            Pixels(validation.in_order_of(config.labels), config.preprocess),
            plan,
            out,
            inside=face_inside(config.preprocess),
            precision=precision,
            cpu=cpu,
            workers=workers,
        )
        shown = errors.is_terminal and training.accelerator.is_main_process
        with Progress(console=errors, disable=not shown) as progress:
            task = progress.add_task("Starting", total=None)
            training.run(
                typer.echo,
                lambda epoch, step, steps: progress.update(
                    task, description=f"Epoch {epoch} of {plan.epochs}", completed=step, total=steps
                ),
            )
        _finish(out, training, plan, learning)
        training.accelerator.end_training()


def reference(
    dataset: Dataset,
    root: Root,
    weights: Annotated[Path, typer.Option(help="Checkpoint folder; its reference.safetensors is made or replaced.")],
    split: Split = "train",
    device: Device = "auto",
    every: Annotated[int, typer.Option(min=1, help="Take every n-th image only.")] = 1,
) -> None:
    """Measure what is usual under these weights: class centres, projection, percentiles, mean face."""
    with exit_on_error():
        if not weights.is_dir():
            raise ArgumentError(f"{weights} is no folder.", "Give a checkpoint folder.")
        model = load_checkpoint(weights).model.to(choose_device(device))
        faces = load_faces(dataset, root, split).in_order_of(model.config.labels).every(every)
        template = model.config.preprocess.landmark_template
        regions = None if template is None else Regions(draw_regions(np.array(template.points)))
        with Progress(console=errors, disable=not errors.is_terminal) as progress:
            task = progress.add_task("Measuring", total=len(faces))
            found = measure_reference(
                model,
                Pixels(faces, model.config.preprocess),
                regions,
                lambda done: progress.update(task, completed=done),
            )
        found.save(weights / REFERENCE_FILE)
    typer.echo(f"{weights / REFERENCE_FILE}: {len(faces)} faces of {faces.name}")


def align(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for the aligned copy, in the same layout.")],
    split: Split = "train",
    weights: Annotated[
        str | None, typer.Option(help="Whose landmark template; default: the embedded weights'.")
    ] = None,
) -> None:
    """Copy a dataset with every face turned and cut as uploads are; where no single face is found it stays as it is.

    What is there already is not done again. Many processes share it under: torchrun -m dan_model align …
    """
    with exit_on_error():
        preprocess = load_checkpoint(weights).model.config.preprocess
        if preprocess.landmark_template is None:
            raise ArgumentError("These weights have no landmark template.", "Take others, or see `template`.")
        if out.resolve().is_relative_to(root.resolve()):
            raise ArgumentError(f"--out {out} lies in {root}, which is copied there.", "Give a folder outside.")
        state = sharing_processes("cpu")
        paths = load_faces(dataset, root, split, VOTES).paths
        make_folder(out)
        if state.is_main_process:
            copy_tables(root, out)
        own, detector, aligned, failed = paths[state.process_index :: state.num_processes], FaceDetector(), 0, 0
        for path in track(own, description="Aligning", console=errors, disable=not errors.is_terminal):
            place = out / path.relative_to(root)
            if place.is_file():
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            aside = place.with_name(f"{place.stem}.part{place.suffix}")
            try:
                crop = only_face(read_image(path), detector, preprocess)
                if crop is None:
                    shutil.copyfile(path, aside)
                else:
                    Image.fromarray(crop.pixels).save(aside, quality=95)
                    aligned += 1
                aside.replace(place)
            except (DanError, OSError) as error:
                failed += 1
                errors.print(f"{path}: {error}", style="red", markup=False)
        state.wait_for_everyone()  # a process that ends with an error takes the others with it
    typer.echo(f"{out}: {aligned} of {len(own)} images aligned, the others copied or there before")
    if failed:
        errors.print(f"{failed} of {len(own)} images failed.", style="red")
        raise typer.Exit(1)


def averages(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for one picture of each class.")],
    split: Split = "train",
    most: Annotated[int, typer.Option(min=2, help="Faces of each class, at most.")] = 400,
) -> None:
    """Average the aligned faces of each class, as the embedded weights see them: examples that show nobody."""
    with exit_on_error():
        preprocess = load_checkpoint().model.config.preprocess
        faces, detector = load_faces(dataset, root, split), FaceDetector()
        make_folder(out)
        with Progress(console=errors, disable=not errors.is_terminal) as progress:
            for k, label in enumerate(faces.labels):
                paths = [path for path, c in zip(faces.paths, faces.classes.tolist(), strict=True) if c == k][:most]
                photos = (read_image(path) for path in progress.track(paths, description=label))
                try:
                    average, count = average_face(photos, detector, preprocess)
                except NoFaceError:
                    typer.echo(f"{label}: no face was found in {len(paths)} images, so there is no average")
                    continue
                Image.fromarray(average).save(out / f"mean_{label}.png")
                typer.echo(f"{out / f'mean_{label}.png'}: {count} faces")


def _finish(out: Path, training: Training, recipe: Recipe, learning: FaceSet) -> None:
    """The best weights with their temperature taken up, their figures and their card."""
    model = load_checkpoint(out / BEST).model.to(training.accelerator.device)
    logits, classes = predict(model, training.valid)  # all processes share this, one writes the rest
    if not training.accelerator.is_main_process:
        return
    before = measure(logits, classes, model.config.labels)
    fold_temperature(model, before.temperature)
    measured = measure(logits / before.temperature, classes, model.config.labels)
    provenance = {
        "dataset": f"{learning.name}, {len(learning):,} images",
        "recipe": {spec.name: getattr(recipe, spec.name) for spec in fields(recipe) if spec.name != "augmentation"},
        "hardware": _hardware(training),
        "validation": measured.to_dict(),
    }
    told = json.loads(json.dumps(provenance, default=vars))
    final = DAN(model.config.labels, model.config.num_heads, model.config.preprocess, told)
    final.load_state_dict(model.cpu().state_dict())
    final.save_pretrained(out / WEIGHTS)
    if (out / BEST / REFERENCE_FILE).is_file():
        (out / WEIGHTS / REFERENCE_FILE).write_bytes((out / BEST / REFERENCE_FILE).read_bytes())
    (out / WEIGHTS / "README.md").write_text(model_card(final.config, out.resolve().name), encoding="utf-8")
    source = {"dataset": training.valid.faces.name, "processes": training.accelerator.num_processes}
    _write(measured, out / "metrics.json", logits / before.temperature, classes, source)
    typer.echo(
        f"{out / WEIGHTS}: accuracy {measured.accuracy:.4f}, balanced {measured.balanced_accuracy:.4f}, "
        f"ECE {measured.ece:.4f}"
    )


def _hardware(training: Training) -> str:
    device, processes = training.accelerator.device, training.accelerator.num_processes
    on_gpu = device.type == "cuda"
    where = torch.cuda.get_device_name() if on_gpu else f"{device.type}, {torch.get_num_threads()} threads"
    return (
        f"{processes} process{'' if processes == 1 else 'es'} on {where}; precision "
        f"{training.accelerator.mixed_precision}; {training.seconds / 3600:.1f} hours"
    )


def _write(measured: Evaluation, out: Path, logits: Tensor, classes: Tensor, more: dict[str, Any]) -> None:
    out.write_text(json.dumps({**measured.to_dict(), **more}, indent=1), encoding="utf-8")
    confusion_figure(measured).savefig(out.with_name(f"{out.stem}-confusion.png"), dpi=130)
    reliability_figure(logits, classes, measured).savefig(out.with_name(f"{out.stem}-reliability.png"), dpi=130)


def _recipe(dataset: str, name: str | None) -> Recipe:
    name = name or (dataset if dataset in RECIPES else "ferplus")
    if name not in RECIPES:
        raise ArgumentError(f"There is no recipe {name!r}.", f"Choose from: {', '.join(RECIPES)}.")
    return RECIPES[name]


def _changed(recipe: Recipe, changes: list[str]) -> Recipe:
    """A recipe with name=value changes; phases are written 64:30,112:20."""
    kinds: dict[str, Callable[[str], Any]] = {"int": int, "float": float, "tuple[Phase, ...]": _phases}
    known = {spec.name: kinds.get(str(spec.type), str) for spec in fields(recipe) if spec.name != "augmentation"}
    values: dict[str, Any] = {}
    for text in changes:
        name, _, value = text.partition("=")
        if name not in known:
            raise ArgumentError(f"--set {text}: there is no such setting.", f"Choose from: {', '.join(known)}.")
        try:
            values[name] = known[name](value)
        except (TypeError, ValueError) as error:
            raise ArgumentError(f"--set {text} makes no sense: {error}.", "Write name=value.") from error
    return replace(recipe, **values)


def _phases(text: str) -> tuple[Phase, ...]:
    return tuple(Phase(*map(int, part.split(":"))) for part in text.split(","))


def _config(dataset: str, faces: FaceSet) -> ModelConfig:
    """Labels and preprocessing to train on a dataset with."""
    if dataset == "ferplus":
        return replace(load_checkpoint().model.config, provenance={})
    if dataset in PRESETS:
        return replace(PRESETS[dataset], provenance={})
    return ModelConfig(SFEW_LABELS if dataset == "sfew" else faces.labels)
