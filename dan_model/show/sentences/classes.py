"""The sentence on where a face lies among the classes."""

from __future__ import annotations

from collections.abc import Sequence

from dan_model.explain.reference import ClassDistances
from dan_model.texts import translate as _


def distances_sentence(class_distances: ClassDistances, labels: Sequence[str], predicted: int) -> str:
    """Which class centre is nearest, and whether it is that of the predicted class."""
    distances = class_distances.distances
    first, second = distances.argsort()[:2].tolist()
    nearest = _(
        "The face lies nearest to the centre of {label} ({distance}; next is {second}, {second_distance}), which is "
        "also the prediction."
    )
    if first != predicted:
        nearest = _(
            "The face lies nearest to the centre of {label} ({distance}; next is {second}, {second_distance}), but the "
            "prediction is {predicted}."
        )
    return nearest.format(
        label=labels[first], distance=f"{float(distances[first]):.2f}", second=labels[second],
        second_distance=f"{float(distances[second]):.2f}", predicted=labels[predicted],
    )  # fmt: skip
