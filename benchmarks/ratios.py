"""What things cost, as ratios to one bare forward pass in the same run: `make benchmark`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.explain.interventions import consensus_path, mute
from dan_model.explain.shapley import ABSENCES, shapley_values
from dan_model.explain.use import RANDOM_SETS, read_use
from dan_model.images import read_image
from dan_model.network import frozen
from dan_model.preprocess import to_tensor

PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
ROUNDS = 25


def main() -> None:
    """Measure everything in turns and print medians."""
    explainer = Explainer.from_pretrained(device="cpu")
    model, photo = explainer.model, read_image(PHOTO)
    crop = explainer.crop(photo, explainer.faces(photo)[0])
    x = to_tensor(crop.pixels, model.config.preprocess)
    explanation = next(explainer.stream_crop(crop))
    embeddings, classifier = explanation.heads.embeddings, explanation.fusion.classifier
    with frozen(model):
        features = model.features(x)

    def bare() -> None:
        with frozen(model):
            model(x)

    def use() -> None:
        with frozen(model):
            read_use(model, features, explanation.heads, explanation.fusion)

    measured: dict[str, tuple[Callable[[], object], str]] = {
        "one bare forward pass": (bare, ""),
        "prediction, head maps, ledger, fusion map": (lambda: next(explainer.stream_crop(crop)), "≤ 1.15"),
        "one intervention: mute a head": (lambda: classifier.logits(mute(embeddings, 1)), "≤ 0.05"),
        "consensus path, 101 points": (lambda: consensus_path(classifier, embeddings), ""),
        "Shapley values, three absences": (
            lambda: [shapley_values(classifier, embeddings, absence) for absence in ABSENCES],
            "",
        ),
        f"looked at versus used, {RANDOM_SETS} random fillings": (use, ""),
    }
    medians = median_seconds({name: run for name, (run, _) in measured.items()}, ROUNDS)
    table = Table("what", "ratio", "goal", "ms", title=f"{torch.get_num_threads()} threads, median of {ROUNDS}")
    for name, (_, goal) in measured.items():
        ratio = medians[name] / medians["one bare forward pass"]
        table.add_row(name, f"{ratio:.3f}", goal, f"{1000 * medians[name]:.1f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
