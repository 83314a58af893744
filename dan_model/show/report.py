"""An explanation as files and plain values: numbers for JSON, arrays for NPZ, the panel as PNG."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from dan_model.explain.explainer import Explanation
from dan_model.show.figures import panel

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
        "heads": {"spatial": explanation.heads.spatial.tolist()},
        "fusion": {
            "consensus": dict(zip(labels, fusion.consensus.tolist(), strict=True)),
            "ledger": [dict(zip(labels, row, strict=True)) for row in fusion.ledger.tolist()],
            "residual": dict(zip(labels, fusion.residual.tolist(), strict=True)),
            "evidence": fusion.evidence.tolist(),
            "unplaced": fusion.unplaced,
        },
        "attributions": {
            name: {"explained": a.explained, "residual": a.residual} for name, a in explanation.attributions.items()
        },
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


def write(explanation: Explanation, stem: Path, smooth: bool = True) -> list[Path]:
    """Write `stem`.png, `stem`.npz and `stem`.json; existing ones are replaced.

    Returns:
        The three paths.
    """
    paths = [stem.with_name(f"{stem.name}.{suffix}") for suffix in ("png", "npz", "json")]
    paths[0].write_bytes(panel_png(explanation, smooth))
    np.savez_compressed(paths[1], allow_pickle=False, **arrays(explanation))
    paths[2].write_text(json.dumps(numbers(explanation), indent=1), encoding="utf-8")
    return paths
