"""Weights from somewhere -> DAN. The only file that knows where weights live and what their files look like."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import CheckpointError, ConfigError
from dan_model.network import DAN

EMBEDDED = Path(__file__).parent / "pretrained" / "ferplus"
EMBEDDED_SHA256 = "5412af99864d6be07c9fdc80a565cbfbd046d8b11071c145f06001e1680a456a"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

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
"""What the published files do not say about themselves: label order and preprocessing, by training set."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with its weights, and where they came from.

    Attributes:
        model: The network, in eval mode, on the CPU.
        name: A short name for people ("FER+ (embedded)", a folder's or file's name).
        path: The folder or file that was read.
    """

    model: DAN
    name: str
    path: Path


def load_checkpoint(source: str | Path | None = None, preset: str | None = None) -> Checkpoint:
    """Load DAN with weights.

    Args:
        source: None for the embedded weights; a folder with `config.json` and `model.safetensors`; or a file in the
            published layout (`.pth`, or `.safetensors`), which needs a `preset`.
        preset: One of `PRESETS`; says what a published file does not say about itself.

    Raises:
        CheckpointError: Nothing there, unreadable, unsafe, or not this network; every wrong tensor is named.
        ConfigError: `config.json` is malformed.
    """
    if source is None:
        _check_sha256(EMBEDDED / WEIGHTS_FILE, EMBEDDED_SHA256)
        return Checkpoint(_load_folder(EMBEDDED), "FER+ (embedded)", EMBEDDED)
    path = Path(source).expanduser()
    if path.is_dir():
        return Checkpoint(_load_folder(path), path.resolve().name, path)
    if path.is_file():
        return Checkpoint(_load_published(path, preset), path.name, path)
    raise CheckpointError(
        f"There are no weights at {str(source)!r}.",
        f"Give a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, a published .pth file, or nothing (embedded).",
    )


def _load_folder(folder: Path) -> DAN:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} has no {name}.", "A checkpoint folder holds both, as save_pretrained writes."
            )
    try:
        values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(
            f"{folder / CONFIG_FILE} is not valid JSON: {error}.", "Mend or download it again."
        ) from error
    return build(ModelConfig.from_dict(values), _read_tensors(folder / WEIGHTS_FILE), str(folder / WEIGHTS_FILE))


def _load_published(path: Path, preset: str | None) -> DAN:
    if preset is None or preset not in PRESETS:
        raise CheckpointError(
            f"A bare weights file does not say which labels it has, and preset is {preset!r}.",
            f"Give --preset, one of: {', '.join(PRESETS)}.",
        )
    state = _unwrap(_read_tensors(path), path)
    indices = {int(match[1]) for key in state if (match := re.match(r"cat_head(\d+)\.", key))}
    if indices != set(range(len(indices))) or not indices or "fc.weight" not in state:
        raise CheckpointError(
            f"{path} does not hold DAN's parameters (cat_head0… and fc.weight).", "Give a checkpoint of DAN."
        )
    config = PRESETS[preset]
    classes = state["fc.weight"].shape[0]
    if classes != len(config.labels):
        raise CheckpointError(
            f"{path} has {classes} classes, preset {preset!r} has {len(config.labels)}.", "Give the preset that fits."
        )
    return build(ModelConfig(config.labels, len(indices), config.preprocess, config.provenance), state, str(path))


def build(config: ModelConfig, state: Mapping[str, Tensor], where: str) -> DAN:
    """DAN with these parameters, in eval mode.

    Args:
        config: Labels, heads, preprocessing.
        state: Parameters and buffers by published name, any float type.
        where: Where they came from, for messages.

    Raises:
        CheckpointError: A tensor is missing, unknown, of another shape or not finite.
    """
    model = DAN(config.labels, config.num_heads, config.preprocess, config.provenance)
    expected = model.state_dict()
    missing = sorted(set(expected) - set(state))
    unknown = sorted(set(state) - set(expected))
    shared = sorted(set(expected) & set(state))
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in shared
        if state[key].shape != expected[key].shape
    ]
    broken = [key for key in shared if not torch.isfinite(state[key]).all()]
    problems = {"missing": missing, "unknown": unknown, "of another shape": shapes, "not finite": broken}
    if any(problems.values()):
        told = "; ".join(f"{kind}: {_first(names)}" for kind, names in problems.items() if names)
        raise CheckpointError(
            f"{where} does not fit the network ({told}).", "Give the weights that belong to its config."
        )
    model.load_state_dict(state, strict=True)
    return model.eval()


def _read_tensors(path: Path) -> Any:
    """A state dict, or for a pickle whatever plain data it holds; code in a pickle is never run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch's unpickler fails on damaged files in every way there is
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(
            f"{path} cannot be read as weights: {reason[:200]}",
            "It may be cut short, of another kind, or hold code, which is never run. Get it again from its source.",
        ) from error


def _unwrap(values: Any, path: Path) -> dict[str, Tensor]:
    """The state dict inside a training checkpoint, without DataParallel's `module.`."""
    for key in ("model_state_dict", "state_dict"):
        if isinstance(values, Mapping) and isinstance(values.get(key), Mapping):
            values = values[key]
            break
    if not isinstance(values, Mapping) or not all(isinstance(v, Tensor) for v in values.values()):
        raise CheckpointError(
            f"{path} holds no state dict.", "Expected {'model_state_dict': …}, {'state_dict': …} or a bare state dict."
        )
    return {str(key).removeprefix("module."): value for key, value in values.items()}


def _check_sha256(path: Path, expected: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"The embedded weights {path} cannot be read: {error}.", "Install again.") from error
    if found != expected:
        raise CheckpointError(
            f"The embedded weights {path} are not the ones that belong here (sha256 {found[:12]}… instead of "
            f"{expected[:12]}…).",
            "Get them again (git checkout, or install again).",
        )


def _first(names: list[str], count: int = 4) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
