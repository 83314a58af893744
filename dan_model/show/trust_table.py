"""Faithfulness and sanity over many faces: what `report.numbers` wrote of each, as one table."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dan_model.explain.attributions import Request
from dan_model.explain.faithfulness import CURVES, EDGES, RANDOM
from dan_model.explain.maps import FUSION, MapName
from dan_model.explain.sanity import UPPER_LAYERS

COLUMNS = ("deletion ↓", "insertion ↑", "beats random", "infidelity ↓", "sensitivity ↓", "similarity ↓", "detail ↓")


def summarise(faces: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, float | int | None]]:
    """Every map's measurements over faces.

    Args:
        faces: As `numbers` gives them, with faithfulness; sanity may be missing in some or all.

    Returns:
        By map's key, random maps and edges last. `deletion` and `insertion`: mean area; `deletion_error` and
        `insertion_error`: its standard error; `beats_random`: part of the faces in which it does better than every
        random map on both curves; `infidelity` and `sensitivity`: median; `similarity`: mean rank correlation of its
        patches with those that it has under a wholly random network; `detail`: of its pixels' fine detail, everything
        from the classifier down to layer4 random; `faces` and `sanity_faces`: how many. None: not measured.
    """
    keys = list(dict.fromkeys(key for face in faces for key in face["faithfulness"]["maps"]))
    table = {key: _summary([_map(face, key) for face in faces if key in face["faithfulness"]["maps"]]) for key in keys}
    table[RANDOM] = _summary([_mean_of_random(face) for face in faces])
    table[EDGES] = _summary([_judged(face["faithfulness"]["edges"], face) for face in faces])
    return table


def markdown(table: Mapping[str, Mapping[str, float | int | None]]) -> str:
    """The table for a document, one row for each map."""
    lines = ["| map | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for key, row in table.items():
        areas = [f"{row[curve]:.3f} ± {row[f'{curve}_error']:.3f}" for curve in CURVES]
        beats = "" if row["beats_random"] is None else f"{row['beats_random']:.0%}"
        others = [_cell(row[name]) for name in ("infidelity", "sensitivity", "similarity", "detail")]
        lines.append("| " + " | ".join([_title(key), *areas, beats, *others]) + " |")
    return "\n".join(lines) + "\n"


def _judged(one: Mapping[str, Any], face: Mapping[str, Any]) -> dict[str, Any]:
    random = face["faithfulness"]["random"]
    lowest = min(other["deletion_auc"] for other in random)
    highest = max(other["insertion_auc"] for other in random)
    return {**one, "beats_random": one["deletion_auc"] < lowest and one["insertion_auc"] > highest}


def _mean_of_random(face: Mapping[str, Any]) -> dict[str, Any]:
    """A face's random maps as one: their areas differ over faces far more than over maps."""
    random = face["faithfulness"]["random"]
    kinds = (*(f"{curve}_auc" for curve in CURVES), "infidelity")
    return {kind: float(np.mean([one[kind] for one in random])) for kind in kinds} | {"sensitivity": None}


def _map(face: Mapping[str, Any], key: str) -> dict[str, Any]:
    shaken = None if face["sanity"] is None else face["sanity"]["maps"][key]
    return _judged(face["faithfulness"]["maps"][key], face) | {"sanity": shaken}


def _summary(found: Sequence[Mapping[str, Any]]) -> dict[str, float | int | None]:
    told: dict[str, float | int | None] = {"faces": len(found)}
    for curve in CURVES:
        areas = np.array([one[f"{curve}_auc"] for one in found])
        told[curve] = float(areas.mean())
        told[f"{curve}_error"] = float(areas.std(ddof=1) / math.sqrt(len(areas))) if len(areas) > 1 else 0.0
    told["beats_random"] = _average([one["beats_random"] for one in found if "beats_random" in one])
    for name in ("infidelity", "sensitivity"):
        values = [one[name] for one in found if one[name] is not None]
        told[name] = float(np.median(values)) if values else None
    shaken = [one["sanity"] for one in found if one.get("sanity") is not None]
    told["sanity_faces"] = len(shaken)
    told["similarity"] = _average([one["similarity"][-1] for one in shaken])
    told["detail"] = _average([one["detail"][UPPER_LAYERS - 1] for one in shaken])
    return told


def _average(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _cell(value: float | int | None) -> str:
    return "" if value is None else f"{value + 0.0:.2f}".replace("-", "−")


def _title(key: str) -> str:
    if key in (RANDOM, EDGES):
        return {RANDOM: "random maps", EDGES: "the picture's edges"}[key]
    if key.startswith("head ") or key == FUSION:
        return MapName(key, head=int(key.split()[1]) - 1).title if key != FUSION else MapName(key).title
    return MapName(key, request=Request.parse(key)).title
