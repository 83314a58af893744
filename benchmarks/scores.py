"""Do the maps beat random ones? Every score and filling, on the same faces: `python -m benchmarks.scores FERPLUS`.

For each face, each map's deletion and insertion areas are compared with the mean over random maps of the same face.
Results are appended to a file as faces are done; the same command resumes a run that was killed. Several processes may
share the file: each takes the faces in an order of its own.
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from torch import Tensor

from dan_model import Explainer
from dan_model.explain.attributions import BASELINES, METHODS, attribute
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import in_patches
from dan_model.explain.faithfulness.controls import random_maps
from dan_model.explain.faithfulness.curves import PatchRemoval, area_under
from dan_model.faces import read_image, template_face
from dan_model.learn.datasets import load_faces

FILLINGS = ("blur", "mean")
RANDOM = 4
FEWER = {"smooth_grad": ":samples=8", "gradient_shap": ":samples=8", "region_shapley": ":samples=4"}
DIGITS = 5  # of the areas in the file


def main(
    root: Annotated[Path, typer.Argument(help="Folder of FER+, in its published layout.")],
    out: Annotated[Path, typer.Option(help="JSONL file of the areas, one line for each face; resumed.")],
    count: Annotated[int, typer.Option(help="Validation faces, evenly spaced.")] = 100,
    method: Annotated[list[str] | None, typer.Option(help="An attribution method too, or all; repeatable.")] = None,
    bf16: Annotated[bool, typer.Option(help="Compute the curves in bfloat16.")] = False,
) -> None:
    """Measure the faces that are not in the file yet, and print the table."""
    explainer = Explainer.from_pretrained(device="cpu")
    paths = load_faces("ferplus", root, "valid").files
    chosen = [paths[i] for i in np.linspace(0, len(paths) - 1, count).round().astype(int)]
    wanted = {path.name for path in chosen}
    methods = [name for name in METHODS if method and (name in method or "all" in method)]
    random.Random(os.getpid()).shuffle(chosen)
    for path in chosen:
        if path.name not in _measured(out):
            areas = measure(explainer, path, methods, bf16)
            with out.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"face": path.name, **areas}) + "\n")
    print(table([row for face, row in _measured(out).items() if face in wanted]))


def _measured(out: Path) -> dict[str, dict]:
    """The lines of the file, by face."""
    rows = map(json.loads, out.read_text(encoding="utf-8").splitlines()) if out.is_file() else ()
    return {row["face"]: row for row in rows}


def measure(explainer: Explainer, path: Path, methods: list[str], bf16: bool) -> dict[str, dict[str, list[float]]]:
    """By filling and map: the deletion and the insertion area of one face."""
    # Explain the face under each score; a contrast is that of the predicted class with the runner-up.
    photo = read_image(path)
    face = template_face(photo, explainer.model.config.preprocess)
    own = explainer.explain(photo, face=face)
    second = int(own.prediction.probabilities.argsort(descending=True)[1])
    explanations = {
        "log-probability": own,
        "contrast with the runner-up": explainer.explain(photo, face=face, against=second),
        "raw logit": explainer.explain(photo, face=face, score="logit"),
    }
    # All maps, in patches.
    maps = {f"fusion, {score}": e.fusion.map for score, e in explanations.items()}
    maps |= {f"head {h + 1}": cells for h, cells in enumerate(own.heads.spatial)}
    for score in ("log-probability", "raw logit"):
        found = _attributions(explainer, explanations[score], methods, score)
        maps |= {f"{text}, {score}": values for text, values in found}
    patches = {name: in_patches(values) for name, values in maps.items()}
    patches |= {f"random {i + 1}": values for i, values in enumerate(random_maps()[:RANDOM])}
    # The curves show the probability of the predicted class, whatever the score of the map.
    task, areas = explainer.task(own), {}
    for filling in FILLINGS:
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            removal = PatchRemoval(task, task.baseline(filling), torch.Generator().manual_seed(0))
            curves = {name: removal.curves(values) for name, values in patches.items()}
        areas[filling] = {name: [round(area_under(curve), DIGITS) for curve in pair] for name, pair in curves.items()}
    return areas


def _attributions(
    explainer: Explainer, explanation: Explanation, methods: list[str], score: str
) -> Iterator[tuple[str, Tensor]]:
    """Every method asked for; with every baseline where the log-probability is explained, else with a black image."""
    task = explainer.task(explanation)
    for name in methods:
        method = METHODS[name]
        baselines = BASELINES if score == "log-probability" else ("black",)
        for baseline in baselines if method.baselines else ("",):
            text = f"{name}@{baseline}".rstrip("@")
            found = attribute(task, text + FEWER.get(name, ""))
            values = found.native
            yield text, values if method.signed else values.abs()


def table(rows: list[dict]) -> str:
    """Areas and paired differences from the mean random map, as Markdown."""
    lines = [
        f"{len(rows)} faces. Better: mean ± standard error over the faces; on: the part of the faces.\n",
        "| filling | map | deletion ↓ | insertion ↑ | better than random: deletion | on | insertion | on |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for filling in FILLINGS:
        areas = {name: np.array([row[filling][name] for row in rows]) for name in rows[0][filling]}  # (N, 2)
        chance = np.mean([areas.pop(f"random {i + 1}") for i in range(RANDOM)], axis=0)
        lines.append(f"| {filling} | random maps | {chance[:, 0].mean():.3f} | {chance[:, 1].mean():.3f} | | | | |")
        for name, values in areas.items():
            gains = (chance - values) * (1, -1)
            parts = [
                f"{gain.mean():+.3f} ± {gain.std(ddof=1) / len(gain) ** 0.5:.3f} | {(gain > 0).mean():.0%}"
                for gain in gains.T
            ]
            means = " | ".join(f"{value:.3f}" for value in values.mean(axis=0))
            lines.append(f"| {filling} | {name} | {means} | {' | '.join(parts)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    typer.run(main)
