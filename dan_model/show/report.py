"""An explanation as files and plain values: numbers for JSON, arrays for NPZ, the panel as PNG."""

from __future__ import annotations

import io
import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from dan_model.explain.channels import tug_of_war
from dan_model.explain.explainer import Explanation
from dan_model.explain.heads import read_overlap
from dan_model.explain.interventions import for_each_head, mute, solo
from dan_model.explain.regions import REGIONS
from dan_model.explain.shapley import ABSENCES, MAX_HEADS, shapley_values
from dan_model.explain.use import Use
from dan_model.show.figures import panel
from dan_model.show.views import all_views

PANEL_DPI = 130


def numbers(explanation: Explanation) -> dict[str, Any]:
    """The explanation in JSON values. Heads are listed in order; maps are rows of cells; classes go by name."""
    labels, fusion, face = explanation.labels, explanation.fusion, explanation.crop.face
    return {
        "labels": list(labels),
        "prediction": {
            "label": explanation.prediction.label,
            "probabilities": dict(zip(labels, explanation.prediction.probabilities.tolist(), strict=True)),
            "logits": dict(zip(labels, explanation.prediction.logits.tolist(), strict=True)),
        },
        "target": labels[explanation.target],
        "face": {
            "box": face.box.tolist(),
            "score": face.score,
            "landmarks": None if face.landmarks is None else face.landmarks.tolist(),
            "crop_side": explanation.crop.side,
            "crop_to_photo": explanation.crop.to_photo.tolist(),
            "small": explanation.crop.small,
        },
        "heads": _heads(explanation),
        "fusion": {
            "consensus": dict(zip(labels, fusion.consensus.tolist(), strict=True)),
            "ledger": [dict(zip(labels, row, strict=True)) for row in fusion.ledger.tolist()],
            "residual": dict(zip(labels, fusion.residual.tolist(), strict=True)),
            "evidence": fusion.evidence.tolist(),
            "unplaced": fusion.unplaced,
            **_laboratory(explanation),
        },
        "use": None if explanation.use is None else _use(explanation.use),
        "attributions": {
            name: {"explained": a.explained, "residual": a.residual} for name, a in explanation.attributions.items()
        },
    }


def _heads(explanation: Explanation) -> dict[str, Any]:
    spatial, regions = explanation.heads.spatial, explanation.regions
    told: dict[str, Any] = {"spatial": spatial.tolist(), "regions": None, "overlap": None}
    if regions is not None:
        told["regions"] = [dict(zip(REGIONS, regions.shares(cells).tolist(), strict=True)) for cells in spatial]
    if len(spatial) > 1:
        overlap = read_overlap(explanation.heads)
        told["overlap"] = {
            "cosine": overlap.cosine.tolist(),
            "iou": overlap.iou.tolist(),
            "cells": overlap.cells,
            "gates": overlap.gates.tolist(),
            "partition_loss": overlap.partition_loss,
        }
    return told


def _laboratory(explanation: Explanation) -> dict[str, Any]:
    """Saturation and channels won, probabilities without and with each head alone, Shapley values; for `target`."""
    classifier, embeddings, k = explanation.fusion.classifier, explanation.heads.embeddings, explanation.target
    told: dict[str, Any] = {
        name: for_each_head(classifier, embeddings, change).softmax(dim=1)[:, k].tolist()
        for name, change in (("probability_without", mute), ("probability_alone", solo))
    }
    if len(embeddings) > 1:
        tug = tug_of_war(classifier, embeddings, k)
        told |= {"saturation": tug.saturation, "channels_won": tug.won.tolist()}
    if 1 < len(embeddings) <= MAX_HEADS:
        results = {name: shapley_values(classifier, embeddings, name) for name in ABSENCES}
        told["shapley"] = {name: result.values[:, k].tolist() for name, result in results.items()}
    return told


def _use(use: Use) -> dict[str, Any]:
    """As `Use` documents it; a correlation that does not exist is null."""
    return {
        "cells": use.cells.tolist(),
        "predicted": use.predicted.tolist(),
        "measured": use.measured.tolist(),
        "random": use.random.tolist(),
        "correlation": [None if math.isnan(rho) else rho for rho in use.correlation.tolist()],
    }


def arrays(explanation: Explanation) -> dict[str, np.ndarray]:
    """The explanation's arrays by name: what `Explanation` documents, plus one map for each attribution."""
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
    }


def panel_png(explanation: Explanation, smooth: bool = True) -> bytes:
    """The panel as a PNG file's bytes."""
    buffer = io.BytesIO()
    panel(explanation, smooth).savefig(buffer, format="png", dpi=PANEL_DPI)
    return buffer.getvalue()


def write(
    explanation: Explanation, stem: Path, smooth: bool = True, views: bool = False, panel: bool = True
) -> list[Path]:
    """Write `stem`.npz, `stem`.json and `stem`.png; existing ones are replaced.

    Args:
        explanation: What to write.
        stem: Folder and beginning of the names.
        smooth: Draw maps smoothly instead of in their native cells or pixels.
        views: Write the laboratory's figures as well: `stem`-regions.png, `stem`-ledger.png and so on.
        panel: Write the panel, `stem`.png.

    Returns:
        The paths.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("npz", "json", "png")[: 3 if panel else 2]]
    np.savez_compressed(paths[0], allow_pickle=False, **arrays(explanation))
    paths[1].write_text(json.dumps(numbers(explanation), indent=1), encoding="utf-8")
    if panel:
        paths[2].write_bytes(panel_png(explanation, smooth))
    if views:
        for view in all_views(explanation):
            if view.figure is not None:
                paths.append(stem.with_name(f"{stem.name}-{view.name}.png"))
                view.figure.savefig(paths[-1], dpi=PANEL_DPI)
    return paths
