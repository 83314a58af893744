"""The cost of an explanation's parts, as ratios to one bare forward pass: `python -m benchmarks.ratios`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.explain.attended_vs_used import RANDOM_SETS, measure_attended_vs_used
from dan_model.explain.fusion import ABSENCES, ablate, consensus_path, shapley_values
from dan_model.faces import read_image, to_tensor
from dan_model.network import frozen

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ROUNDS = 25


def main() -> None:
    """Measure everything in turns and print the ratios of the medians."""
    # One explained face.
    explainer = Explainer.from_pretrained(device="cpu")
    model, photo = explainer.model, read_image(PHOTO)
    crop = explainer.crop(photo, explainer.faces(photo)[0])
    x = to_tensor(crop.pixels, model.config.preprocess)
    explanation = next(explainer.stream_crop(crop))
    embeddings, classifier = explanation.heads.embeddings, explanation.fusion.classifier
    with frozen(model):
        features = model.features(x)

    # What is measured, with its goal.
    def bare() -> None:
        with frozen(model):
            model(x)

    def attended_vs_used() -> None:
        with frozen(model):
            measure_attended_vs_used(model, features, explanation.heads, explanation.fusion)

    measured: dict[str, tuple[Callable[[], object], str]] = {
        "one bare forward pass": (bare, ""),
        "prediction, head maps, ledger, fusion map": (lambda: next(explainer.stream_crop(crop)), "≤ 1.10"),
        "one intervention: ablate a head": (lambda: classifier.logits(ablate(embeddings, 1)), "≤ 0.05"),
        "consensus path, 101 points": (lambda: consensus_path(classifier, embeddings), ""),
        "Shapley values, three absences": (
            lambda: [shapley_values(classifier, embeddings, absence, explanation.score) for absence in ABSENCES],
            "",
        ),
        f"attended versus used, {RANDOM_SETS} random sets": (attended_vs_used, ""),
    }
    # Measure, and print a table.
    medians = median_seconds({name: run for name, (run, _) in measured.items()}, ROUNDS)
    table = Table("what", "ratio", "goal", "ms", title=f"{torch.get_num_threads()} threads, median of {ROUNDS}")
    for name, (_, goal) in measured.items():
        ratio = medians[name] / medians["one bare forward pass"]
        table.add_row(name, f"{ratio:.3f}", goal, f"{1000 * medians[name]:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
