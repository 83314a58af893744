"""`train`: train DAN on a dataset, or resume a training."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import Progress

from dan_model.commands.evaluate import write_evaluation
from dan_model.commands.options import Dataset, Preset, Root
from dan_model.commands.terminal import errors, exit_on_error, make_folder, print_notes
from dan_model.config import ModelConfig
from dan_model.devices import choose_device
from dan_model.errors import ArgumentError
from dan_model.explain.regions import face_inside
from dan_model.files import write_bytes
from dan_model.learn.batches import Pixels, class_prior
from dan_model.learn.datasets import load_faces
from dan_model.learn.evaluation import fold_temperature, measure, predict
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.ferplus import MAJORITY, VOTES
from dan_model.learn.layouts.named import SFEW_LABELS
from dan_model.learn.recipes import RECIPES, Phase, Recipe
from dan_model.learn.training import BEST, Training, fresh_model
from dan_model.network import DAN
from dan_model.weights import PRESETS, REFERENCE_FILE, load_backbone, load_checkpoint, model_card, write_checkpoint

WEIGHTS = "weights"  # folder of the final checkpoint, in the folder of the training
PRECISIONS = ("no", "bf16", "fp16")


def train(
    dataset: Dataset,
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for state, history and weights; a training in it is resumed.")],
    recipe: Annotated[
        str | None, typer.Option(help=f"One of {', '.join(RECIPES)}; default: the recipe of the dataset.")
    ] = None,
    change: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe: name=value, may be repeated.")
    ] = None,
    heads: Annotated[int | None, typer.Option(min=1, help="Attention heads of a new network; default: 4.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="Weights to start from instead of new ones.")] = None,
    backbone: Annotated[str | None, typer.Option(help="Weights or a ResNet-18 file: take the backbone.")] = None,
    preset: Preset = None,
    precision: Annotated[str, typer.Option(help=f"One of {', '.join(PRECISIONS)}; fp16 on a GPU only.")] = "no",
    cpu: Annotated[bool, typer.Option("--cpu", help="Stay on the CPU.")] = False,
    workers: Annotated[int, typer.Option(min=0, help="Processes that decode images, for datasets beyond memory.")] = 0,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th image only, to try things out.")] = 1,
    also: Annotated[
        Path | None, typer.Option(help="Folder of more training images in the same layout, such as an aligned copy.")
    ] = None,
) -> None:
    """Train DAN, or resume a training that was stopped; also under torchrun -m dan_model train …"""
    with exit_on_error():
        # The recipe and the data.
        plan = _changed(_recipe(dataset, recipe), change or [])
        protocol = VOTES if dataset == "ferplus" else MAJORITY
        learning = load_faces(dataset, root, "train", protocol)
        if also:
            learning = learning.joined(load_faces(dataset, also, "train", protocol, whole=not learning.held_out))
        learning = learning.every(every)
        validation = load_faces(dataset, root, "valid").every(every)
        # Refuse what cannot be done, before images are decoded.
        if precision not in PRECISIONS or (precision == "fp16" and (cpu or choose_device().type == "cpu")):
            raise ArgumentError(f"--precision {precision} is not available here.", "Choose no or bf16.")
        if preset and not start:
            raise ArgumentError("--preset is for a published file.", "Give the file: --from.")
        if start and heads:
            raise ArgumentError("The weights of --from have their own heads.", "Omit --heads, or give --backbone.")
        # The network.
        config = replace(_config(dataset, learning), num_heads=heads or 4)
        model = load_checkpoint(start, preset).model if start else fresh_model(config, plan)
        if backbone:
            load_backbone(model, backbone)
        config = model.config
        inside = face_inside(config.preprocess)
        left_out = []
        if plan.outside and inside is None:
            plan = replace(plan, outside=0.0)
            left_out.append("No landmark template says what is inside the face: the term outside is left out.")
        # Train, with a progress bar on the main process.
        make_folder(out)
        training = Training(
            model,
            Pixels(learning.in_order_of(config.labels), config.preprocess),
            Pixels(validation.in_order_of(config.labels), config.preprocess),
            plan,
            out,
            inside=inside,
            precision=precision,
            cpu=cpu,
            workers=workers,
        )
        is_main = training.accelerator.is_main_process
        if is_main:
            print_notes([*left_out, *dict.fromkeys(training.train.notes + training.valid.notes)])
        shown = errors.is_terminal and is_main
        with Progress(console=errors, disable=not shown) as progress:
            bar = progress.add_task("Starting", total=None)
            training.run(
                typer.echo,
                lambda epoch, step, steps: progress.update(
                    bar, description=f"Epoch {epoch} of {plan.epochs}", completed=step, total=steps
                ),
            )
        _finish(out, training, plan)
        training.accelerator.end_training()


def _finish(out: Path, training: Training, recipe: Recipe) -> None:
    """Write the best weights with their temperature folded in, their evaluation and their model card."""
    # Measure the best weights; all processes share this, and the main process writes the rest.
    model = load_checkpoint(out / BEST).model.to(training.accelerator.device)
    logits, classes = predict(model, training.valid)
    if not training.accelerator.is_main_process:
        return
    before = measure(logits, classes, model.config.labels)
    fold_temperature(model, before.temperature)
    measured = measure(logits / before.temperature, classes, model.config.labels)
    # Write them with their provenance.
    learning, lost = training.train.faces, len(training.train.unreadable)
    described = {
        "dataset": f"{learning.name}, {len(learning):,} images" + (f" ({lost:,} more are unreadable)" if lost else ""),
        "recipe": {spec.name: getattr(recipe, spec.name) for spec in fields(recipe) if spec.name != "augmentation"},
        "hardware": _hardware(training),
        "validation": measured.to_dict(),
    }
    provenance = json.loads(json.dumps(described, default=vars))
    config = model.config
    prior = class_prior(learning, recipe.sampling)
    final = DAN(config.labels, config.num_heads, config.preprocess, provenance, prior)
    final.load_state_dict(model.cpu().state_dict())
    write_checkpoint(final, out / WEIGHTS, model_card(final.config, out.resolve().name))
    if (out / BEST / REFERENCE_FILE).is_file():
        write_bytes(out / WEIGHTS / REFERENCE_FILE, (out / BEST / REFERENCE_FILE).read_bytes())
    source = {
        "dataset": training.valid.faces.name, "processes": training.accelerator.num_processes,
        "images_unreadable": len(training.valid.unreadable), "unreadable": list(training.valid.unreadable),
        "training_images": len(learning), "training_images_unreadable": lost,
        "training_unreadable": list(training.train.unreadable),
    }  # fmt: skip
    write_evaluation(measured, out / "metrics.json", logits / before.temperature, classes, source)
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


def _recipe(dataset: str, name: str | None) -> Recipe:
    name = name or (dataset if dataset in RECIPES else "ferplus")
    if name not in RECIPES:
        raise ArgumentError(f"There is no recipe {name!r}.", f"Choose from: {', '.join(RECIPES)}.")
    return RECIPES[name]


def _changed(recipe: Recipe, changes: list[str]) -> Recipe:
    """A recipe with changes given as name=value; phases are written as size:epochs, for example 64:30,112:20."""
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
            raise ArgumentError(f"--set {text} is not valid: {error}.", "Write name=value.") from error
    return replace(recipe, **values)


def _phases(text: str) -> tuple[Phase, ...]:
    return tuple(Phase(*map(int, part.split(":"))) for part in text.split(","))


def _config(dataset: str, faces: FaceSet) -> ModelConfig:
    """Labels and preprocessing of a new network for a dataset."""
    if dataset in ("ferplus", "fer2013"):  # the same images, with other labels
        config = replace(load_checkpoint().model.config, provenance={}, class_prior=None)
        return config if dataset == "ferplus" else replace(config, labels=faces.labels)
    if dataset in PRESETS:
        return replace(PRESETS[dataset], provenance={})
    return ModelConfig(SFEW_LABELS if dataset == "sfew" else faces.labels)
