"""Files in the published layout: parameters under the published names, without a configuration."""

from __future__ import annotations

import argparse
import pathlib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy._core.multiarray import _reconstruct
from numpy._core.multiarray import scalar as _scalar
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

PLAIN: list[Any] = [
    argparse.Namespace, pathlib.PosixPath, pathlib.PurePosixPath, np.dtype, np.ndarray,
    *(type(np.dtype(name)) for name in ("float16", "float32", "float64", "int32", "int64", "bool", "uint8")),
    _scalar, _reconstruct,
]  # fmt: skip
"""Harmless objects beside the tensors of training checkpoints: options, paths, NumPy's numbers."""

OWN = re.compile(r"(features|cat_head\d+|fc|bn)\.")
"""How DAN's own names begin."""

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
        found = f" It has: {', '.join(list(state)[:4])} …" if state else ""
        raise CheckpointError(
            f"{where} does not hold DAN's parameters (cat_head0… and fc.weight).{found}", "Give a checkpoint of DAN."
        )
    classes = count_classes(state)
    if classes != len(names):
        given = f"preset {preset!r}" if labels is None else "the list of labels"
        raise CheckpointError(f"{where} has {classes} classes, {given} has {len(names)}.", "Give the one that fits.")
    return ModelConfig(names, len(indices), base.preprocess, base.provenance)


def read_published(path: Path) -> dict[str, Tensor]:
    """Read the parameters of a published file (`.pth`, `.bin`, `.safetensors`). Code in the file is never run.

    DAN's own names are looked for: wrappers (`state_dict`, `model`, `net`, `ema` …) and prefixes (`module.`, `model.`,
    `_orig_mod.` …) are taken off, what is no part of a network (`criterion.…`, `n_averaged`) is left out, and counters
    of batches that older files do not have are zero.

    Raises:
        CheckpointError: The file is unreadable or contains no state dict.
    """
    states = dict(_state_dicts(read_tensors(path)))
    if not states:
        raise CheckpointError(
            f"{path} holds no state dict.", "Expected {'model_state_dict': …}, {'state_dict': …} or a bare state dict."
        )
    own = {name: found for name, state in states.items() if (found := _own_names(state))}
    if not own:  # of another network: whoever needs more will say what is missing
        return next(iter(states.values()))
    return min(own.items(), key=lambda item: _rank(item[0]))[1]


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
        with torch.serialization.safe_globals(PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler raises many kinds of exceptions on damaged files
        foreign = re.search(r"GLOBAL (\S+) was not an allowed", str(error))
        if foreign:
            raise CheckpointError(
                f"{path} holds an object of {foreign[1]}, and code in files is never run.",
                "Save the parameters alone: torch.save(model.state_dict(), PATH).",
            ) from error
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as weights: {_plain_text(reason)[:200]}",
            "It may be cut short, have another format, or hold code, which is never run. Get it again from its source.",
        ) from error


def count_classes(state: Mapping[str, Tensor]) -> int:
    """K, the number of rows of the classifier's weight (K, C); 0 if it is not a matrix."""
    weight = state["fc.weight"]
    return weight.shape[0] if weight.ndim == 2 else 0


def _state_dicts(values: Any, name: str = "", depth: int = 3) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """All state dicts in the plain data of a file, by the names of the wrappers around them."""
    if not isinstance(values, Mapping) or depth < 0:
        return
    tensors = {str(key): value for key, value in values.items() if isinstance(value, Tensor)}
    if tensors:
        yield name, tensors
    for key, value in values.items():
        yield from _state_dicts(value, f"{name}.{key}".strip("."), depth - 1)


def _own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """The parameters under DAN's own names, without what stands before them; None if DAN's are not there."""
    prefix = next((key.removesuffix("fc.weight") for key in state if re.fullmatch(r"(\w+\.)*fc\.weight", key)), None)
    if prefix is None or not any(key.startswith(f"{prefix}cat_head0.") for key in state):
        return None
    own = {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    own = {key: value for key, value in own.items() if OWN.match(key)}
    for key in [key for key in own if key.endswith(".running_mean")]:
        own.setdefault(key.replace("running_mean", "num_batches_tracked"), torch.tensor(0))
    return own


def _rank(name: str) -> tuple[int, str]:
    """Which of several state dicts is taken: the trained one before an average of it, and then by name."""
    return ("ema" in name or "average" in name, name)


def _plain_text(text: str) -> str:
    """A message of torch without the codes that colour it on a terminal."""
    return re.sub(r"\x1b\[[0-9;]*m", "", text)
