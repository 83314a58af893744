"""Faithfulness over many faces as one table, from what `report.numbers` gives for each face."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dan_model.explain.attributions import AttributionRequest
from dan_model.explain.faithfulness import CURVES, EDGES, FUSION, RANDOM, UPPER_LAYERS, MapName

COLUMNS = (
    "deletion ↓", "insertion ↑", "better than random by (deletion, insertion)", "on faces", "beats all random",
    "infidelity ↓", "sensitivity ↓", "similarity ↓", "detail ↓",
)  # fmt: skip


def summarise(faces: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    """Summarise the measurements of every map over faces.

    Args:
        faces: As `numbers` gives them, with `faithfulness`; `randomisation` may be None in some or all.

    Returns:
        By the key of a map, random maps and edges last. `deletion` and `insertion`: mean area; `deletion_error` and
        `insertion_error`: its standard error; `deletion_gain` and `insertion_gain`: by how much the area is better than
        the mean of the random maps of the same face, on average over the faces, and `…_gain_error` its standard error;
        `deletion_better` and `insertion_better`: the part of the faces on which it is; `beats_random`: the part of the
        faces on which the map is better than every random map on both curves; `infidelity` and `sensitivity`: median;
        `similarity`: mean rank correlation of the patches with those of the map under a network that is all random;
        `detail`: the same for its fine detail, with everything random from the classifier down to layer4; `faces` and
        `randomisation_faces`: how many were measured. None: not measured.
    """
    keys = list(dict.fromkeys(key for face in faces for key in face["faithfulness"]["maps"]))
    table = {key: _summary([_map(face, key) for face in faces if key in face["faithfulness"]["maps"]]) for key in keys}
    table[RANDOM] = _summary([_mean_of_random(face) for face in faces])
    table[EDGES] = _summary([_compared(face["faithfulness"]["edges"], face) for face in faces])
    return table


def markdown(table: Mapping[str, Mapping[str, float | int | None]]) -> str:
    """The table for a document, one row for each map."""
    lines = ["| map | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for key, row in table.items():
        areas = [f"{row[curve]:.3f} ± {row[f'{curve}_error']:.3f}" for curve in CURVES]
        gains = better = beats = ""
        if row["beats_random"] is not None:
            gains = ", ".join(_signed_with_error(row[f"{c}_gain"], row[f"{c}_gain_error"]) for c in CURVES)
            better = ", ".join(f"{row[f'{curve}_better']:.0%}" for curve in CURVES)
            beats = f"{row['beats_random']:.0%}"
        others = [_cell(row[name]) for name in ("infidelity", "sensitivity", "similarity", "detail")]
        lines.append("| " + " | ".join([_title(key), *areas, gains, better, beats, *others]) + " |")
    return "\n".join(lines) + "\n"


def _compared(one: Mapping[str, Any], face: Mapping[str, Any]) -> dict[str, Any]:
    """The measurements of a map, with how much better it is than the random maps of the same face."""
    random, mean = face["faithfulness"]["random"], _mean_of_random(face)
    lowest = min(other["deletion_auc"] for other in random)
    highest = max(other["insertion_auc"] for other in random)
    return {
        **one,
        "deletion_gain": mean["deletion_auc"] - one["deletion_auc"],
        "insertion_gain": one["insertion_auc"] - mean["insertion_auc"],
        "beats_random": one["deletion_auc"] < lowest and one["insertion_auc"] > highest,
    }


def _mean_of_random(face: Mapping[str, Any]) -> dict[str, Any]:
    """The mean over the random maps of a face, which counts once: areas differ far more between faces than maps."""
    random = face["faithfulness"]["random"]
    kinds = (*(f"{curve}_auc" for curve in CURVES), "infidelity")
    return {kind: float(np.mean([one[kind] for one in random])) for kind in kinds} | {"sensitivity": None}


def _map(face: Mapping[str, Any], key: str) -> dict[str, Any]:
    found = face["randomisation"]
    randomised = None if found is None else found["maps"][key]
    return _compared(face["faithfulness"]["maps"][key], face) | {"randomisation": randomised}


def _summary(found: Sequence[Mapping[str, Any]]) -> dict[str, float | int | None]:
    row: dict[str, float | int | None] = {"faces": len(found)}
    for curve in CURVES:
        row[curve], row[f"{curve}_error"] = _mean_and_error([one[f"{curve}_auc"] for one in found])
        gains = [one[f"{curve}_gain"] for one in found if f"{curve}_gain" in one]
        if gains:
            row[f"{curve}_gain"], row[f"{curve}_gain_error"] = _mean_and_error(gains)
            row[f"{curve}_better"] = float(np.mean(np.array(gains) > 0))
    row["beats_random"] = _average([one["beats_random"] for one in found if "beats_random" in one])
    for name in ("infidelity", "sensitivity"):
        values = [one[name] for one in found if one[name] is not None]
        row[name] = float(np.median(values)) if values else None
    randomised = [one["randomisation"] for one in found if one.get("randomisation") is not None]
    row["randomisation_faces"] = len(randomised)
    row["similarity"] = _average([one["similarity"][-1] for one in randomised])
    row["detail"] = _average([one["detail"][UPPER_LAYERS - 1] for one in randomised])
    return row


def _mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """The mean and its standard error; 0 for a single value."""
    error = float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else 0.0
    return float(np.mean(values)), error


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value + 0.0:.2f}".replace("-", "−")


def _signed_with_error(value: float | int | None, error: float | int | None) -> str:
    return f"{value:+.3f} ± {error:.3f}".replace("-", "−")


def _title(key: str) -> str:
    if key in (RANDOM, EDGES):
        return {RANDOM: "random maps", EDGES: "the picture's edges"}[key]
    if key.startswith("head ") or key == FUSION:
        return MapName(key, head=int(key.split()[1]) - 1).title if key != FUSION else MapName(key).title
    return MapName(key, request=AttributionRequest.parse(key)).title
