"""The parts of an explanation, against one bare forward pass; on an accelerator as well where there is one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.bare import ONE, bare_pass
from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.explain.attended_vs_used import RANDOM_SETS, measure_attended_vs_used
from dan_model.explain.fusion import ABSENCES, ablate, consensus_path, shapley_values
from dan_model.faces import read_image
from dan_model.network import frozen

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ROUNDS = 25


def rows() -> list[Row]:
    """On the CPU, and on the accelerator."""
    return _rows("cpu") + (_rows("cuda") if torch.cuda.is_available() else [])


def _rows(device: str) -> list[Row]:
    # One explained face.
    explainer = Explainer.from_pretrained(device=device)
    model, photo = explainer.model, read_image(PHOTO)
    crop = explainer.crop(photo, explainer.faces(photo)[0])
    explanation = next(explainer.stream_crop(crop))
    embeddings, classifier = explanation.heads.embeddings, explanation.fusion.classifier
    x = explainer.input_of(crop)
    with frozen(model):
        features = model.features(x)

    def attended_vs_used() -> None:
        with frozen(model):
            measure_attended_vs_used(model, features, explanation.heads, explanation.fusion)

    # What is measured, with its goal.
    measured: dict[str, tuple[Callable[[], object], str]] = {
        "prediction, head maps, ledger, fusion map": (lambda: next(explainer.stream_crop(crop)), "≤ 1.10"),
        "one intervention: ablate a head": (lambda: classifier.logits(ablate(embeddings, 1)), "≤ 0.05"),
        "consensus path, 101 points": (lambda: consensus_path(classifier, embeddings), ""),
        "Shapley values, three absences": (
            lambda: [shapley_values(classifier, embeddings, absence, explanation.score) for absence in ABSENCES],
            "",
        ),
        f"attended versus used, {RANDOM_SETS} random sets": (attended_vs_used, ""),
    }
    medians = median_seconds({ONE: bare_pass(model, x), **{name: run for name, (run, _) in measured.items()}}, ROUNDS)
    against = ONE if device == "cpu" else f"{ONE} on {device}"
    bare = medians[ONE]
    return [Row(against, device, 1000 * bare, unit="ms")] + [
        Row(name, against, medians[name] / bare, goal) for name, (_, goal) in measured.items()
    ]
