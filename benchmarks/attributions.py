"""Attributions, as ratios to the same number of bare passes at the best batch size."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from captum.attr import IntegratedGradients, Occlusion
from torch import Tensor

from benchmarks.bare import ONE, bare_pass
from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.explain.attributions import DEFAULT_METHODS, attribute, attribute_in_stages
from dan_model.explain.attributions.gradients import COARSE_NODES, NODES
from dan_model.network import frozen

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
BATCHES = (1, 4, 8, 16)
ROUNDS = 5
STEPS = 3 * NODES  # of integrated gradients: three whole intervals of the path
GOAL = "≤ 1.10"


def rows() -> list[Row]:
    """Each method against its own bare passes, and the defaults against one."""
    explainer = Explainer.from_pretrained(device="cpu")
    model, task = explainer.model, explainer.task(explainer.explain(PHOTO))

    # Bare passes at several batch sizes, and the fastest of them.
    def faces(count: int) -> Tensor:
        return task.x.expand(count, -1, -1, -1).contiguous(memory_format=torch.channels_last)

    def forward(batch: int, count: int) -> None:
        with torch.inference_mode():
            for part in faces(count).split(batch):
                model(part)

    def backward(batch: int, count: int) -> None:
        with frozen(model):
            for part in faces(count).split(batch):
                x = part.detach().clone().requires_grad_()
                torch.autograd.grad(model(x)[:, 1].sum(), x)

    bare = {
        f"{kind}, {batch} at a time": partial(passes, batch)
        for batch in BATCHES
        for kind, passes in (("forward", forward), ("forward and back", backward))
    }
    probes = median_seconds({name: partial(run, 16) for name, run in bare.items()}, 3)

    def best(kind: str) -> str:
        return min((name for name in probes if name.startswith(f"{kind},")), key=probes.__getitem__)

    # The attributions, each with its bare passes.
    measured = {
        f"integrated gradients, {STEPS} steps": (
            f"integrated_gradients:steps={STEPS},most={STEPS}",
            best("forward and back"),
            COARSE_NODES + STEPS,
        ),
        "occlusion": ("occlusion", best("forward"), 1 + 9 + 1 + 49),  # coarse, then one square for each cell
        "region ablation": ("region_ablation", best("forward"), 9),
    }
    runs: dict[str, Callable[[], object]] = {}
    for name, (request, kind, count) in measured.items():
        runs[name] = partial(attribute, task, request)
        runs[f"bare {name}"] = partial(bare[kind], count)

    # Captum's own methods at equal settings, as its documentation calls them.
    peers = {
        f"integrated gradients, {STEPS} steps": partial(
            IntegratedGradients(model).attribute, task.x, target=1, n_steps=STEPS
        ),
        "occlusion": partial(
            Occlusion(model).attribute, task.x, sliding_window_shapes=(3, 32, 32), strides=(3, 32, 32), target=1
        ),
    }
    for name, run in peers.items():
        runs[f"Captum's {name}"] = run

    # What a visitor waits for: the default attributions, coarse and in full, against one bare pass of one face.
    def defaults(coarse: bool) -> None:
        for name in DEFAULT_METHODS:
            for result in attribute_in_stages(task, name):
                if coarse or result.final:
                    break

    visitor = {"the three defaults, coarse": (True, "≤ 15"), "the three defaults": (False, "≤ 70")}
    for name, (coarse, _) in visitor.items():
        runs[name] = partial(defaults, coarse)
    runs[ONE] = bare_pass(model, task.x)
    medians = median_seconds(runs, ROUNDS)
    found = []
    for name, (_, kind, count) in measured.items():
        found.append(Row(name, f"{count} × {kind}", medians[name] / medians[f"bare {name}"], GOAL))
    for name in peers:
        found.append(Row(f"Captum's {name}, called plainly", "ours", medians[f"Captum's {name}"] / medians[name]))
    for name, (_, goal) in visitor.items():
        found.append(Row(name, ONE, medians[name] / medians[ONE], goal))
    return found
