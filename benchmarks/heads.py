"""Which training terms make every head attend to a part of the face that matters: `python -m benchmarks.heads`.

Fresh heads are trained on one frozen backbone, on the same faces in the same order, with one objective after another.
Only the terms of the recipe and the initial scale of the attention differ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.progress import track
from torch import Tensor

from dan_model.commands.options import Root
from dan_model.explain import Explainer
from dan_model.explain.regions import FACE, face_cover, face_inside
from dan_model.faces import to_input
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.head_report import HeadReport, measure_heads
from dan_model.learn.layouts.ferplus import VOTES
from dan_model.learn.objective import Objective
from dan_model.learn.recipes import RECIPES, Recipe
from dan_model.learn.training import fresh_model
from dan_model.network import DAN
from dan_model.show.head_figures import maps_figure
from dan_model.weights import load_checkpoint

RECIPE = RECIPES["ferplus"]
PUBLISHED = replace(
    RECIPE, affinity=1.0, partition=1.0, overlap=0.0, overlap_margin=0.0, balance=0.0, outside=0.0, needed=0.0,
    attention_scale=1.0,
)  # fmt: skip
APART = replace(PUBLISHED, overlap=0.6)
SOFT = replace(PUBLISHED, affinity=RECIPE.affinity, partition=RECIPE.partition, attention_scale=RECIPE.attention_scale)
INSIDE = replace(RECIPE, balance=0.0, needed=0.0, alone=0.3)
BALANCED = replace(INSIDE, balance=RECIPE.balance)
SETTINGS: Mapping[str, Recipe] = {
    "published objective": PUBLISHED,
    "overlap 0.6": APART,
    "softer start": SOFT,
    "softer start; overlap above 0.2, inside, alone": INSIDE,
    "the same, and balance": BALANCED,
    "needed instead of alone: the recipe": RECIPE,
}
PICTURED = ("astronaut.jpg", "hopper.jpg")
EXAMPLES = Path(__file__).parent.parent / "examples"
RATE, WARMUP, BATCH = 0.05, 30, 64  # highest learning rate, steps of warm-up, faces per step


def main(
    root: Root,
    out: Annotated[Path, typer.Option(help="Folder for heads.md and heads.png.")],
    epochs: Annotated[int, typer.Option(min=1)] = 4,
    every: Annotated[int, typer.Option(min=1, help="Take every n-th training and validation face.")] = 7,
) -> None:
    """Train heads with each setting on the backbone of the embedded weights, measure them and draw their maps."""
    backbone = load_checkpoint().model
    features, targets = _features(backbone, root, every)
    valid = load_faces("ferplus", root, "valid").in_order_of(backbone.config.labels).every(every)
    pixels = Pixels(valid, backbone.config.preprocess)
    table, pictures = {}, {}
    for name, recipe in SETTINGS.items():
        model = _trained(backbone, recipe, features, targets, epochs, name)
        table[name] = _figures(measure_heads(model, pixels, face_cover(model.config.preprocess)))
        typer.echo(f"{name}: {table[name]}")
        explainer = Explainer(model)
        pictures[name] = [next(explainer.stream(EXAMPLES / face)) for face in PICTURED]
    out.mkdir(parents=True, exist_ok=True)
    (out / "heads.md").write_text(_markdown(table), encoding="utf-8")
    maps_figure(pictures).savefig(out / "heads.png", dpi=110)


def _features(backbone: DAN, root: Path, every: int) -> tuple[Tensor, Tensor]:
    """The features x (N, C, 7, 7) in bfloat16 and the targets (N, K) of the training faces."""
    config = backbone.config
    faces = load_faces("ferplus", root, "train", VOTES).in_order_of(config.labels).every(every)
    pixels, network = Pixels(faces, config.preprocess), copy.deepcopy(backbone.features).eval()
    network = network.to(memory_format=torch.channels_last)
    found, targets = [], []
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for part, target in pixels.batches(track(torch.arange(len(pixels)).split(BATCH), description="Features")):
            found.append(network(to_input(part, config.preprocess)).bfloat16())
            targets.append(target)
    return torch.cat(found), torch.cat(targets)


def _trained(backbone: DAN, recipe: Recipe, features: Tensor, targets: Tensor, epochs: int, name: str) -> DAN:
    """Fresh heads on the backbone, trained on its features."""
    # The network, the objective, the optimizer; the backbone is not trained.
    model = fresh_model(backbone.config, recipe)
    model.features.load_state_dict(backbone.features.state_dict())
    torch.manual_seed(recipe.seed)
    objective = Objective(model, recipe, face_inside(backbone.config.preprocess)).train()
    # A separate generator, so that the order is the same with every objective.
    generator = torch.Generator().manual_seed(recipe.seed)
    order = torch.cat([torch.randperm(len(features), generator=generator) for _ in range(epochs)]).split(BATCH)
    batches = ((features[chosen], None, targets[chosen]) for chosen in track(order, description=name))
    train_heads(objective, batches, len(order), RATE, WARMUP)
    return model.eval()


def train_heads(
    objective: Objective,
    batches: Iterable[tuple[Tensor, Tensor | None, Tensor]],
    steps: int,
    highest: float,
    warmup: int,
    after_step: Callable[[], object] = lambda: None,
) -> None:
    """Train all of a network but its backbone, on features that are already computed.

    Args:
        objective: The network and its losses.
        batches: Features x (B, C, 7, 7), how the faces were moved, and targets (B, K); one for each step.
        steps: How many there are.
        highest: Learning rate after the warm-up; it falls to zero along a cosine.
        warmup: Steps over which it rises.
        after_step: Called after each step.
    """
    parameters = [p for key, p in objective.named_parameters() if not key.startswith("model.features")]
    optimizer = torch.optim.SGD(parameters, highest, momentum=0.9, weight_decay=5e-4)
    for step, (x, theta, target) in enumerate(batches):
        rate = highest * min(1, (step + 1) / warmup) * (1 + math.cos(math.pi * step / steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            loss, _ = objective.from_stages(objective.model.attend(x.float()), target, theta)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, objective.recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        after_step()


def _figures(report: HeadReport) -> dict[str, str]:
    """One column of the table: the figures as text, by name."""
    regions = report.regions or []
    return {
        "accuracy, balanced accuracy": each([report.accuracy, report.balanced_accuracy], ".3f"),
        "cosine, correlation of the maps": each([report.cosine, report.correlation]),
        "entropy of the maps": each(report.entropy),
        "most channels won": each([max(report.won)], ".0%"),
        "saturated channels": each([report.saturation], ".0%"),
        "attends most to": ", ".join(map(_most, regions)),
        "inside the face": each((sum(r[part] for part in FACE) for r in regions), ".0%"),
        "accuracy with a head ablated, in points": each(100 * (np.array(report.ablated) - report.accuracy), "+.1f"),
        "accuracy with one head alone": each(report.alone),
    }


def each(values: Iterable[float | None], form: str = ".2f") -> str:
    """The figures of the heads in a cell of a table; those that a single head does not have are left out."""
    shown = (f"{value:{form}}" for value in values if value is not None)
    return ", ".join(value.replace("-", "−").replace("%", " %") for value in shown)


def _most(shares: Mapping[str, float]) -> str:
    """The region with the largest share."""
    region = max(shares, key=shares.__getitem__)
    return f"{region} {100 * shares[region]:.0f} %"


def _markdown(table: Mapping[str, Mapping[str, str]]) -> str:
    rows = [["", *table], ["---"] * (len(table) + 1)]
    for figure in next(iter(table.values())):
        rows.append([figure, *(figures[figure] for figures in table.values())])
    return table_of(rows)


def table_of(rows: Iterable[Sequence[str]]) -> str:
    """Rows of cells as a table in Markdown."""
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    typer.run(main)
