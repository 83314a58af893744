"""Explanations made in advance, of example photos: all that one pass and the attributions gave, one file per photo.

Reading them back costs no pass through the network: the faces are cropped from the photo again, and everything that
follows from the stages is computed from the stored stages.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import torch
from torch import Tensor

from dan_model.errors import ArgumentError, ImageError
from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.attributions import METHODS, Attribution
from dan_model.explain.explainer import Explainer
from dan_model.explain.explanation import Explanation
from dan_model.faces import Face
from dan_model.files import replacing
from dan_model.network import Stages, frozen
from dan_model.texts import translate as _
from dan_model.weights import fingerprint

INDEX, EXPLAINED = "index.json", "explained"  # of a folder of examples: the photos in order, and their explanations
TENSORS = ("map", "cells", "per_head", "by_region")  # of an attribution
MEASURED = ("cells", "predicted", "measured", "random", "correlation")  # of `AttendedVsUsed`


@dataclass(frozen=True)
class Example:
    """An example photo.

    Attributes:
        photo: The image file.
        caption: What it shows.
        group: The row in which it stands.
    """

    photo: Path
    caption: str
    group: str

    @property
    def explained(self) -> Path:
        """Where its explanations are stored."""
        return self.photo.parent / EXPLAINED / f"{self.photo.stem}.npz"


def load_index(folder: Path) -> list[Example]:
    """The examples of a folder, in the order of its index.json: a list of {"file", "caption", "group"}.

    Raises:
        ArgumentError: The index is missing or not of this form.
    """
    try:
        entries = json.loads((folder / INDEX).read_text(encoding="utf-8"))
        return [Example(folder / entry["file"], entry["caption"], entry["group"]) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArgumentError(
            f"{folder / INDEX} is no index of examples: {error}.", "See examples/index.json."
        ) from error


def write_explanations(path: Path, explainer: Explainer, photo: np.ndarray, attributions: Sequence[str]) -> int:
    """Explain every face of a photo (H, W, 3) and store the explanations.

    Args:
        path: The NPZ file to write.
        explainer: On the weights that are explained.
        photo: The photo, upright RGB.
        attributions: Requests, as `Explainer.explain` takes them.

    Returns:
        The number of faces.
    """
    arrays: dict[str, np.ndarray] = {}
    faces = explainer.faces(photo)
    described = []
    for i, face in enumerate(faces):
        e = explainer.explain(photo, face=face, attributions=attributions, attended_vs_used=True)
        with torch.no_grad(), frozen(explainer.model):
            stages = explainer.model.stages(explainer.input_of(e.crop))
        for name, tensor in vars(stages).items():
            arrays[f"{i}/{name}"] = tensor.cpu().numpy()
        assert e.attended_vs_used is not None
        for name in MEASURED:
            arrays[f"{i}/attended_vs_used/{name}"] = getattr(e.attended_vs_used, name).numpy()
        for text, attribution in e.attributions.items():
            for name in TENSORS:
                if (tensor := getattr(attribution, name)) is not None:
                    # A picture needs no more digits; sums are stored beside it.
                    stored = tensor.half() if name == "map" else tensor
                    arrays[f"{i}/{text}/{name}"] = stored.numpy()
        described.append(
            {
                "box": face.box.tolist(),
                "score": face.score,
                "landmarks": None if face.landmarks is None else face.landmarks.tolist(),
                "attributions": {text: _described(one) for text, one in e.attributions.items()},
            }
        )
    meta = {"weights": fingerprint(explainer.model), "faces": described}
    with replacing(path) as part:
        np.savez_compressed(part, meta=np.array(json.dumps(meta)), **arrays)  # type: ignore[arg-type]
    return len(faces)


def load_explanations(path: Path, explainer: Explainer, photo: np.ndarray, weights: str) -> list[Explanation] | None:
    """The explanations of every face of a photo, largest first; None if they were made with other weights.

    Maps per pixel have half precision; everything else is as computed.

    Args:
        path: The NPZ file.
        explainer: On the weights that are explained.
        photo: The photo, upright RGB.
        weights: The `fingerprint` of the explainer's network.

    Raises:
        ImageError: The file is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            meta = json.loads(str(file["meta"]))
            if meta["weights"] != weights:
                return None
            arrays = {name: torch.from_numpy(file[name]) for name in file.files if name != "meta"}
        return [_restore(i, face, arrays, explainer, photo) for i, face in enumerate(meta["faces"])]
    except (OSError, ValueError, KeyError, TypeError, RecursionError, BadZipFile, zlib.error) as error:
        raise ImageError(f"{path.name} holds no explanations: {error}.", "Make it again with `examples`.") from error


def _restore(
    index: int, described: dict[str, Any], arrays: dict[str, Tensor], explainer: Explainer, photo: np.ndarray
) -> Explanation:
    """One explanation, from the arrays of its face."""
    landmarks = described["landmarks"]
    face = Face(np.array(described["box"]), described["score"], None if landmarks is None else np.array(landmarks))
    stages = Stages(**{field.name: arrays[f"{index}/{field.name}"].to(explainer.device) for field in fields(Stages)})
    e = explainer.explain_stages(explainer.crop(photo, face), stages)
    measured = AttendedVsUsed(e.score, *(arrays[f"{index}/attended_vs_used/{name}"] for name in MEASURED))
    attributions = {}
    for text, numbers in described["attributions"].items():
        tensors: dict[str, Any] = {name: arrays.get(f"{index}/{text}/{name}") for name in TENSORS}
        tensors["map"] = arrays[f"{index}/{text}/map"].float()
        unit = METHODS[numbers["method"]].unit.format(unit=_(e.score.unit))
        attributions[text] = Attribution(**tensors, **numbers, request=text, score=e.score, unit=unit)
    return replace(e, attended_vs_used=measured, attributions=attributions)


def _described(attribution: Attribution) -> dict[str, Any]:
    """The plain numbers of an attribution, as JSON values."""
    names = ("explained", "residual", "method", "baseline", "tolerance", "forwards", "backwards", "seconds", "device")
    return {name: getattr(attribution, name) for name in names}
