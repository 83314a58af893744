"""Files in the published layout: parameters under the published names, without a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import CheckpointError

_AFFECTNET = ("neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger")

PRESETS: Mapping[str, ModelConfig] = {
    "rafdb": ModelConfig(
        labels=("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"),
        preprocess=PreprocessConfig(detail_size=100),
        provenance={"dataset": "RAF-DB", "source": "published checkpoint of arXiv:2109.07270"},
    ),
    "affectnet7": ModelConfig(
        labels=_AFFECTNET,
        provenance={"dataset": "AffectNet, 7 classes", "source": "published checkpoint of arXiv:2109.07270"},
    ),
    "affectnet8": ModelConfig(
        labels=(*_AFFECTNET, "contempt"),
        provenance={"dataset": "AffectNet, 8 classes", "source": "published checkpoint of arXiv:2109.07270"},
    ),
}
"""Label order and preprocessing by training set, which the published files do not contain."""

_RESNET = ("conv1", "bn1", "", "", "layer1", "layer2", "layer3", "layer4")
"""torchvision's names of the modules of `DAN.features`, in order; "" has no parameters."""


def published_config(
    state: Mapping[str, Tensor], where: str, preset: str | None, labels: Sequence[str] | None = None
) -> ModelConfig:
    """The configuration for a published file: H is read off its keys, labels and preprocessing come from the preset.

    Args:
        state: Parameters under the published names.
        where: The source of the parameters, for messages.
        preset: One of `PRESETS`, or None.
        labels: Class names in index order, instead of the preset's.

    Raises:
        CheckpointError: Neither preset nor labels are given, the parameters are not DAN's, or K differs from the number
            of labels.
    """
    # Preset or labels.
    if preset not in PRESETS and not (preset is None and labels):
        raise CheckpointError(
            f"A published file does not contain its labels, and preset is {preset!r}.",
            f"Give --preset, one of: {', '.join(PRESETS)}.",
        )
    base = ModelConfig(labels or ()) if preset is None else PRESETS[preset]
    names = tuple(labels or base.labels)
    # Heads and classes, from the parameters.
    indices = {int(match[1]) for key in state if (match := re.match(r"cat_head(\d+)\.", key))}
    if indices != set(range(len(indices))) or not indices or "fc.weight" not in state:
        raise CheckpointError(
            f"{where} does not hold DAN's parameters (cat_head0… and fc.weight).", "Give a checkpoint of DAN."
        )
    classes = count_classes(state)
    if classes != len(names):
        given = f"preset {preset!r}" if labels is None else "the list of labels"
        raise CheckpointError(f"{where} has {classes} classes, {given} has {len(names)}.", "Give the one that fits.")
    return ModelConfig(names, len(indices), base.preprocess, base.provenance)


def read_published(path: Path) -> dict[str, Tensor]:
    """Read the parameters of a published file (`.pth`, `.bin`, `.safetensors`). Code in the file is never run.

    Raises:
        CheckpointError: The file is unreadable or contains no state dict.
    """
    return _unwrap(read_tensors(path), path)


def read_backbone(path: Path) -> dict[str, Tensor]:
    """Read the parameters of `DAN.features` from a file with DAN, or with a ResNet-18 under torchvision's names.

    Raises:
        CheckpointError: The file is unreadable or contains no state dict.
    """
    state = read_published(path)
    if any(key.startswith("features.") for key in state):
        return {key.removeprefix("features."): value for key, value in state.items() if key.startswith("features.")}
    indices = {name: index for index, name in enumerate(_RESNET) if name}
    backbone = {}
    for key, value in state.items():
        module, _, rest = key.partition(".")
        if module in indices:
            backbone[f"{indices[module]}.{rest}"] = value
    return backbone


def read_tensors(path: Path) -> Any:
    """Read a state dict, or the plain data of a pickle. Code in a pickle is never run."""
    try:
        if path.suffix.lower() == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises many kinds of exceptions on damaged files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as weights: {reason[:200]}",
            "It may be cut short, have another format, or hold code, which is never run. Get it again from its source.",
        ) from error


def count_classes(state: Mapping[str, Tensor]) -> int:
    """K, the number of rows of the classifier's weight (K, C); 0 if it is not a matrix."""
    weight = state["fc.weight"]
    return weight.shape[0] if weight.ndim == 2 else 0


def _unwrap(values: Any, path: Path) -> dict[str, Tensor]:
    """The state dict of a training checkpoint, without the prefix `module.` that DataParallel adds."""
    for key in ("model_state_dict", "state_dict"):
        if isinstance(values, Mapping) and isinstance(values.get(key), Mapping):
            values = values[key]
            break
    if not isinstance(values, Mapping) or not all(isinstance(v, Tensor) for v in values.values()):
        raise CheckpointError(
            f"{path} holds no state dict.", "Expected {'model_state_dict': …}, {'state_dict': …} or a bare state dict."
        )
    return {str(key).removeprefix("module."): value for key, value in values.items()}
