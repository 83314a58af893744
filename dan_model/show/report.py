"""An explanation as files and plain values: numbers for JSON, arrays for NPZ, the panel as PNG."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.attributions import Attribution
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import Faithfulness, MapFaithfulness, ParameterRandomisation
from dan_model.explain.fusion import (
    ABSENCES,
    MAX_HEADS,
    ablate,
    ablate_all_but,
    shapley_values,
    tug_of_war,
)
from dan_model.explain.heads import compute_overlap
from dan_model.explain.reference import compare_maps
from dan_model.explain.regions import REGIONS
from dan_model.files import replacing, write_bytes, write_text
from dan_model.show.axes import png
from dan_model.show.faithfulness_views import faithfulness_views, randomisation_view
from dan_model.show.figure_views import all_views
from dan_model.show.panel import panel
from dan_model.show.sentences import crop_notes


def numbers(
    explanation: Explanation,
    faithfulness: Faithfulness | None = None,
    randomisation: ParameterRandomisation | None = None,
) -> dict[str, Any]:
    """The explanation as JSON values. Heads are lists in order, maps are rows of cells, classes are keys by name."""
    labels, fusion, face = explanation.labels, explanation.fusion, explanation.crop.face
    return {
        "labels": list(labels),
        "prediction": {
            "label": explanation.prediction.label,
            "probabilities": dict(zip(labels, explanation.prediction.probabilities.tolist(), strict=True)),
            "logits": dict(zip(labels, explanation.prediction.logits.tolist(), strict=True)),
        },
        "target": labels[explanation.target],
        "explained": explanation.description,
        "score": explanation.score.kind,
        "unit": explanation.score.unit,
        "prior": explanation.prior,
        "face": {
            "box": face.box.tolist(),
            "score": face.score,
            "landmarks": None if face.landmarks is None else face.landmarks.tolist(),
            "crop_side": explanation.crop.side,
            "crop_to_photo": explanation.crop.to_photo.tolist(),
            "small": explanation.crop.small,
            "outside": explanation.crop.part_outside,
        },
        "notes": [*explanation.notes, *crop_notes(explanation.crop)],
        "heads": _heads(explanation),
        "fusion": {
            "contributions": fusion.contributions.tolist(),
            "consensus": dict(zip(labels, fusion.consensus.tolist(), strict=True)),
            "ledger": [dict(zip(labels, row, strict=True)) for row in fusion.ledger.tolist()],
            "residual": dict(zip(labels, fusion.residual.tolist(), strict=True)),
            "evidence": fusion.evidence.tolist(),
            "unplaced": fusion.unplaced,
            **_fusion_details(explanation),
        },
        "attended_vs_used": None
        if explanation.attended_vs_used is None
        else _attended_vs_used(explanation.attended_vs_used),
        "attributions": {name: _attribution(attribution) for name, attribution in explanation.attributions.items()},
        "faithfulness": None if faithfulness is None else _faithfulness(faithfulness),
        "randomisation": None if randomisation is None else _randomisation(randomisation),
    }


def _attribution(attribution: Attribution) -> dict[str, Any]:
    regions = attribution.by_region
    return {
        "explained": attribution.explained,
        "residual": attribution.residual,
        "complete": attribution.complete,
        "tolerance": attribution.tolerance,
        "final": attribution.final,
        "baseline": attribution.baseline,
        "regions": None if regions is None else dict(zip(REGIONS, regions.tolist(), strict=True)),
        "forwards": attribution.forwards,
        "backwards": attribution.backwards,
        "seconds": attribution.seconds,
        "device": attribution.device,
    }


def _faithfulness(found: Faithfulness) -> dict[str, Any]:
    """The fields of `Faithfulness`; an undefined correlation is null."""

    def measurements(one: MapFaithfulness) -> dict[str, Any]:
        return {
            "deletion": one.deletion.tolist(),
            "insertion": one.insertion.tolist(),
            "deletion_auc": one.deletion_auc,
            "insertion_auc": one.insertion_auc,
            "infidelity": one.infidelity,
            "sensitivity": one.sensitivity,
        }

    return {
        "unit": found.unit,
        "baseline": found.baseline,
        "maps": {one.name.key: measurements(one) for one in found.maps},
        "random": [measurements(one) for one in found.random],
        "edges": measurements(found.edges),
        "agreement": [_known(row) for row in found.agreement.tolist()],
    }


def _randomisation(found: ParameterRandomisation) -> dict[str, Any]:
    """The similarities of `ParameterRandomisation`; an undefined correlation is null."""
    return {
        "layers": list(found.layers),
        "maps": {
            name.key: {
                "similarity": _known(found.similarity(name.key)),
                "detail": _known(found.detail[name.key]),
                "insensitive": found.insensitive(name.key),
                "detail_stays": found.detail_stays(name.key) is not None,
            }
            for name in found.names
        },
    }


def _known(values: Sequence[float]) -> list[float | None]:
    """NaN as None: JSON has no number for it."""
    return [None if math.isnan(value) else value for value in values]


def _heads(explanation: Explanation) -> dict[str, Any]:
    spatial, regions = explanation.heads.spatial, explanation.regions
    values: dict[str, Any] = {"spatial": spatial.tolist(), "regions": None, "overlap": None}
    if regions is not None:
        values["regions"] = [dict(zip(REGIONS, regions.shares(cells).tolist(), strict=True)) for cells in spatial]
    reference = explanation.reference
    compared = None if reference is None else compare_maps(spatial, reference)
    values["cosine_with_average"] = None if compared is None else compared.cosine.tolist()
    if len(spatial) > 1:
        overlap = compute_overlap(explanation.heads)
        values["overlap"] = {
            "cosine": overlap.cosine.tolist(),
            "iou": overlap.iou.tolist(),
            "cells": overlap.cells,
            "gates": overlap.gates.tolist(),
            "partition_loss": overlap.partition_loss,
        }
    return values


def _fusion_details(explanation: Explanation) -> dict[str, Any]:
    """Probabilities without each head and with it only, saturation, channels won, Shapley values of the score."""
    classifier, embeddings = explanation.fusion.classifier, explanation.heads.embeddings
    values: dict[str, Any] = {
        name: explanation.probabilities_with(change).tolist()
        for name, change in (("probability_without", ablate), ("probability_alone", ablate_all_but))
    }
    if len(embeddings) > 1:
        tug = tug_of_war(explanation.fusion, embeddings)
        values |= {"saturation": tug.saturation, "channels_won": tug.won.tolist()}
    if 1 < len(embeddings) <= MAX_HEADS:
        results = {name: shapley_values(classifier, embeddings, name, explanation.score) for name in ABSENCES}
        values["shapley"] = {name: result.values.tolist() for name, result in results.items()}
    return values


def _attended_vs_used(found: AttendedVsUsed) -> dict[str, Any]:
    """The fields of `AttendedVsUsed`; an undefined correlation is null."""
    return {
        "cells": found.cells.tolist(),
        "predicted": found.predicted.tolist(),
        "measured": found.measured.tolist(),
        "random": found.random.tolist(),
        "correlation": _known(found.correlation.tolist()),
    }


def arrays(explanation: Explanation) -> dict[str, np.ndarray]:
    """The arrays of the explanation by name; see `Explanation` for their shapes. One map for each attribution."""
    return {
        "crop": explanation.crop.pixels,
        "input": explanation.input_pixels,
        "probabilities": explanation.prediction.probabilities.numpy(),
        "spatial": explanation.heads.spatial.numpy(),
        "gates": explanation.heads.gates.numpy(),
        "embeddings": explanation.heads.embeddings.numpy(),
        "shares": explanation.fusion.shares.numpy(),
        "ledger": explanation.fusion.ledger.numpy(),
        "consensus": explanation.fusion.consensus.numpy(),
        "evidence": explanation.fusion.evidence.numpy(),
        **{f"attribution_{name}": a.map.numpy() for name, a in explanation.attributions.items()},
        **{
            f"attribution_{name}_per_head": a.per_head.numpy()
            for name, a in explanation.attributions.items()
            if a.per_head is not None
        },
    }


def panel_png(explanation: Explanation, smooth: bool = True) -> bytes:
    """The panel as the bytes of a PNG file."""
    return png(panel(explanation, smooth))


def write(
    explanation: Explanation,
    stem: Path,
    smooth: bool = True,
    views: bool = False,
    panel: bool = True,
    faithfulness: Faithfulness | None = None,
    randomisation: ParameterRandomisation | None = None,
    provenance: Mapping[str, Any] | None = None,
) -> list[Path]:
    """Write `stem`.npz, `stem`.json and `stem`.png; existing ones are replaced.

    Args:
        explanation: What to write.
        stem: Folder and beginning of the names.
        smooth: Draw maps smoothly instead of in their native cells or pixels.
        views: Write the figures of the views as well: `stem`-regions.png, `stem`-contributions.png and so on.
        panel: Write the panel, `stem`.png.
        faithfulness: Write its numbers and figures as well.
        randomisation: Write its numbers and figure as well.
        provenance: What made the explanation (`origin.software_and_weights`), to be written with the numbers.

    Returns:
        The paths.
    """
    # Arrays, numbers, panel.
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("npz", "json", "png")[: 3 if panel else 2]]
    with replacing(paths[0]) as part:
        np.savez_compressed(part, allow_pickle=False, **arrays(explanation))
    found = numbers(explanation, faithfulness, randomisation) | ({"provenance": dict(provenance)} if provenance else {})
    write_text(paths[1], json.dumps(found, indent=1))
    if panel:
        write_bytes(paths[2], panel_png(explanation, smooth))
    # The figures of the views.
    drawn = all_views(explanation) if views else []
    drawn += [] if faithfulness is None else faithfulness_views(faithfulness)
    drawn += [] if randomisation is None else [randomisation_view(randomisation)]
    for view in drawn:
        if view.figure is not None:
            paths.append(stem.with_name(f"{stem.name}-{view.name}.png"))
            write_bytes(paths[-1], png(view.figure))
    return paths
