"""Which training terms make heads react to the face: `python -m benchmarks.moved_heads`.

Heads are trained on one frozen backbone, whose features of the faces, as they are and moved at random, are computed
once and kept in the output folder. A run that was stopped goes on with the same command.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.progress import track
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from benchmarks.heads import PUBLISHED, each, table_of, train_heads
from benchmarks.heads import RECIPE as UNMOVED
from dan_model.commands.options import Root
from dan_model.explain.regions import FACE, face_cover, face_inside
from dan_model.faces import normalised
from dan_model.files import replacing, write_text
from dan_model.learn.batches import Pixels, training_order
from dan_model.learn.datasets import load_faces
from dan_model.learn.face_set import FaceSet
from dan_model.learn.head_report import measure_heads
from dan_model.learn.layouts.ferplus import VOTES
from dan_model.learn.map_report import MOVES, measure_maps
from dan_model.learn.moves import draw_moves, move, unmoved
from dan_model.learn.objective import Objective
from dan_model.learn.recipes import RECIPES, Recipe
from dan_model.learn.training import fresh_model
from dan_model.network import DAN
from dan_model.weights import load_checkpoint, write_checkpoint

RECIPE = RECIPES["ferplus-moved"]
MASKED = replace(RECIPE, follow=0.0, alike=0.0, fewer=0.0)
FOLLOWING = replace(RECIPE, alike=0.0, fewer=0.0)
VARIED = replace(RECIPE, fewer=0.0)


@dataclass(frozen=True)
class Setting:
    """One column: the terms, and how the heads are trained.

    Attributes:
        recipe: The weights of the terms.
        moved: Whether every face is seen moved too.
        fresh: Whether the heads start untrained. False: they go on from trained ones.
    """

    recipe: Recipe
    moved: bool = True
    fresh: bool = True


SETTINGS: Mapping[str, Setting] = {
    "published": Setting(PUBLISHED, moved=False),
    "ferplus": Setting(UNMOVED, moved=False),
    "moved": Setting(MASKED),
    "follow": Setting(FOLLOWING),
    "alike": Setting(VARIED),
    "ferplus-moved": Setting(RECIPE),
    "ferplus-moved-trained": Setting(RECIPE, fresh=False),
}
VIEWS = 2  # moved copies of each face
CHUNK, PASS, BATCH = 256, 32, 64  # faces per file, per pass of the backbone, per step
RATE, WARMUP, SEED, AVERAGE = 0.03, 15, 1, 0.97  # the last: decay of the average of the weights per step
FIGURES = "figures.json"
MAP_FIGURES = {
    "energy in the mean map": "energy", "the same, moved": "energy_moved", "cosine to the mean map, faces": "cosine",
    "the same, pictures without a face": "cosine_non_faces", "peak in one cell": "peak",
}  # fmt: skip


def main(
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for features, weights and moved-heads.md.")],
    weights: Annotated[str | None, typer.Option(help="Weights with the backbone; default: embedded.")] = None,
    heads: Annotated[
        str | None, typer.Option(help="Weights whose heads are trained further; default: --weights.")
    ] = None,
    only: Annotated[list[str] | None, typer.Option(help=f"Of {', '.join(SETTINGS)}; may be repeated.")] = None,
    faces: Annotated[int, typer.Option(min=CHUNK, help="Training faces.")] = 4096,
    epochs: Annotated[int, typer.Option(min=1)] = 4,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th validation face.")] = 7,
) -> None:
    """Train heads with each setting on the backbone of some weights, save them, and measure them."""
    start = load_checkpoint(weights).model
    config = start.config
    trained = load_checkpoint(heads or weights).model
    trained.features.load_state_dict(start.features.state_dict())
    learning = _chosen(root, config.labels, faces)
    valid = load_faces("ferplus", root, "valid").in_order_of(config.labels).every(every)
    pixels = Pixels(valid, config.preprocess)
    for name in only or SETTINGS:
        if not (out / name / FIGURES).is_file():
            files = _features(start, learning, 1 + VIEWS if SETTINGS[name].moved else 1, out / "features")
            model = _trained(trained, SETTINGS[name], files, learning.targets, epochs, name)
            write_checkpoint(model, out / name)
            report, maps = measure_heads(model, pixels, face_cover(config.preprocess)), measure_maps(model, pixels)
            figures = {"heads": report.to_dict(), "maps": maps.to_dict()}
            write_text(out / name / FIGURES, json.dumps(figures, indent=1))
    write_text(out / "moved-heads.md", _markdown(out))
    typer.echo(_markdown(out))


def _chosen(root: Path, labels: Sequence[str], count: int) -> FaceSet:
    """The training faces that the recipe draws first."""
    train = load_faces("ferplus", root, "train", VOTES).in_order_of(labels)
    index = training_order(train, RECIPE.sampling, count, SEED, epoch=0)[0]
    return replace(train, paths=tuple(train.paths[i] for i in index), targets=train.targets[index])


def _features(start: DAN, faces: FaceSet, views: int, folder: Path) -> list[list[Path]]:
    """Per `CHUNK` faces a file for each view: features x (n, C, 7, 7) in bfloat16, and theta. View 0 is unmoved."""
    folder.mkdir(parents=True, exist_ok=True)
    config, ranges = start.config.preprocess, RECIPE.augmentation
    network = start.features.eval().to(memory_format=torch.channels_last)
    chunks = torch.arange(len(faces)).split(CHUNK)
    files = [[folder / f"{i:03d}-{view}.pt" for view in range(views)] for i in range(len(chunks))]
    pixels = None if all(file.is_file() for of_chunk in files for file in of_chunk) else Pixels(faces, config)

    def run(part: Tensor, theta: Tensor) -> Tensor:
        x = normalised(move(part.float() / 255, theta, config.image_size), config)
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            return network(x.contiguous(memory_format=torch.channels_last)).bfloat16().contiguous()

    for i, chunk in enumerate(track(chunks, description="Features")):
        for view, file in enumerate(files[i]):
            if file.is_file() or pixels is None:
                continue
            generator = torch.Generator().manual_seed(100 * i + view)
            theta = (
                draw_moves(len(chunk), generator, ranges.degrees, ranges.shift, ranges.scale, ranges.mirror)
                if view
                else unmoved(len(chunk))
            )
            ((shown, _),) = pixels.batches([chunk])
            parts = zip(shown.split(PASS), theta.split(PASS), strict=True)
            with replacing(file) as new, new.open("wb") as stream:
                torch.save({"x": torch.cat([run(*part) for part in parts]), "theta": theta}, stream)
    return files


def _trained(start: DAN, setting: Setting, files: list[list[Path]], targets: Tensor, epochs: int, name: str) -> DAN:
    """Heads on the backbone of `start`, trained on its features of faces as they are and moved."""
    recipe = setting.recipe
    model = fresh_model(start.config, recipe)
    (model.features if setting.fresh else model).load_state_dict(
        (start.features if setting.fresh else start).state_dict()
    )
    torch.manual_seed(recipe.seed)
    objective = Objective(model, recipe, face_inside(start.config.preprocess)).train()
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(AVERAGE), use_buffers=True)
    steps = epochs * sum(len(part) // BATCH for part in targets.split(CHUNK))
    batches = track(_batches(files, targets, epochs), name, steps)
    train_heads(objective, batches, steps, RATE, WARMUP, lambda: average.update_parameters(model))
    return average.module.eval()  # type: ignore[return-value]


def _batches(files: list[list[Path]], targets: Tensor, epochs: int) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Batches of features, moves and targets: faces moved, then the same as they are; or with one view as they are."""
    generator = torch.Generator().manual_seed(SEED)
    for epoch in range(epochs):
        for i in torch.randperm(len(files), generator=generator).tolist():
            views = [1 + epoch % (len(files[i]) - 1), 0] if len(files[i]) > 1 else [0]
            shown = [torch.load(files[i][view], mmap=True) for view in views]
            for chosen in torch.randperm(len(shown[0]["x"]), generator=generator).split(BATCH):
                if len(chosen) == BATCH:
                    x, theta = (torch.cat([view[name][chosen] for view in shown]) for name in ("x", "theta"))
                    yield x, theta, targets[i * CHUNK + chosen].repeat(len(views), 1)


def _markdown(out: Path) -> str:
    """The table of all settings that are done."""
    found = {name: json.loads(file.read_text()) for name in SETTINGS if (file := out / name / FIGURES).is_file()}
    rows = [["", *found], ["---"] * (len(found) + 1)]

    def row(label: str, text: Callable[[dict[str, Any], dict[str, Any]], str]) -> None:
        rows.append([label, *(text(figures["heads"], figures["maps"]) for figures in found.values())])

    row("accuracy, balanced accuracy", lambda heads, _: each([heads["accuracy"], heads["balanced_accuracy"]], ".3f"))
    for label, name in MAP_FIGURES.items():
        row(label, lambda _, maps, name=name: each(maps[name]))  # type: ignore[misc]
    for kind in MOVES:
        for name in ("follows", "stays"):
            row(f"{name}, {kind}", lambda _, maps, name=name, kind=kind: each(maps[name][kind]))  # type: ignore[misc]
    row("inside the face", lambda heads, _: each((sum(r[part] for part in FACE) for r in heads["regions"]), ".0%"))
    row("cosine between heads", lambda heads, _: each([heads["cosine"]]))
    row("channels won", lambda heads, _: each(heads["won"], ".0%"))
    row(
        "accuracy with a head ablated, in points",
        lambda heads, _: each((100 * (a - heads["accuracy"]) for a in heads["ablated"]), "+.1f"),
    )
    row("accuracy with one head alone", lambda heads, _: each(heads["alone"]))
    return table_of(rows)


if __name__ == "__main__":
    typer.run(main)
