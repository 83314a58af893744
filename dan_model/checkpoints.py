"""Weights from somewhere -> DAN. The only file that knows where weights live and what their files look like."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dan_model.config import ModelConfig
from dan_model.errors import CheckpointError, ConfigError, DanError
from dan_model.hub import HubAddress, HubFolder
from dan_model.network import DAN
from dan_model.published import PRESETS, count_classes, published_config, read_backbone, read_published, read_tensors

EMBEDDED = Path(__file__).parent / "pretrained" / "ferplus"
EMBEDDED_SHA256 = "68416d397af03020a58104fc023405a3f8fbd1ef9cfe835f8c445f49521301ae"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
REFERENCE_FILE = "reference.safetensors"
CHECKPOINT_FILES = (CONFIG_FILE, WEIGHTS_FILE, REFERENCE_FILE, "README.md")
"""What a checkpoint folder may hold; nothing else is ever published."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with its weights, and where they came from.

    Attributes:
        model: The network, in eval mode, on the CPU.
        name: A short name for people ("FER+ (embedded)", a folder's or file's name, `user/name`).
        path: The folder or file that was read.
        revision: On the Hub, the commit: its first eight hex digits.
        notice: What people must know about these weights, such as why they are not those that were asked for.
        reference: The file with statistics over many faces (`explain.reference`), or None.
    """

    model: DAN
    name: str
    path: Path
    revision: str | None = None
    notice: str | None = None
    reference: Path | None = None


def load_checkpoint(source: str | Path | None = None, preset: str | None = None) -> Checkpoint:
    """Load DAN with weights.

    Args:
        source: None or "" for the embedded weights; a folder with `config.json` and `model.safetensors`; a file in the
            published layout (`.pth`, `.bin` or `.safetensors`), which needs a `preset`; or on the Hub `user/name`,
            `user/name@revision`, and either with `:file` for a file in the published layout.
        preset: One of `PRESETS`; says what a published file does not say about itself.

    Returns:
        The checkpoint. Where the Hub does not answer and an earlier download serves, its `notice` says so.

    Raises:
        CheckpointError: Nothing there, unreadable, unsafe, or not this network; every wrong tensor is named.
        UnreachableError: The Hub does not answer, and no earlier download can serve.
        ConfigError: `config.json` is malformed.
    """
    if source is None or source == "":
        if preset is not None:
            raise CheckpointError(f"Preset {preset!r} needs a published file.", "Give the file as weights.")
        _check_sha256(EMBEDDED / WEIGHTS_FILE, EMBEDDED_SHA256)
        return Checkpoint(_load_folder(EMBEDDED), "FER+ (embedded)", EMBEDDED, reference=_reference(EMBEDDED))
    path = Path(source)
    try:
        path = path.expanduser()
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, RuntimeError) as error:
        raise CheckpointError(f"{str(source)[:200]!r} is no path: {error}.", "Give a folder or a file.") from error
    if preset is not None and (is_folder or preset not in PRESETS):
        raise CheckpointError(
            f"Preset {preset!r} does not apply to {source}.",
            f"A preset is for a bare published file, and one of: {', '.join(PRESETS)}.",
        )
    if is_folder:
        return Checkpoint(_load_folder(path), path.resolve().name, path, reference=_reference(path))
    if is_file:
        return Checkpoint(import_published(path, preset), path.name, path)
    address = HubAddress.parse(str(source))
    if address is not None:
        return _load_hub(address, preset)
    raise CheckpointError(
        f"There are no weights at {str(source)!r}.",
        f"Give a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, a published file, user/name, or nothing (embedded).",
    )


def load_backbone(model: DAN, source: str | Path) -> None:
    """Give a network the backbone of other weights; all else stays.

    Args:
        model: Whose backbone is replaced.
        source: As for `load_checkpoint`; or a file with a ResNet-18 in torchvision's names, such as the one trained on
            MS-Celeb-1M that the paper starts from.

    Raises:
        CheckpointError: Nothing there, unreadable, unsafe, or no ResNet-18.
    """
    path = Path(source).expanduser()
    given = read_backbone(path) if path.is_file() else load_checkpoint(source).model.features.state_dict()
    own = model.features.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}  # old files have none
    state = {**counters, **_plain(given, str(source))}
    _refuse_misfits(state, own, f"{source} holds no ResNet-18", "Give one of DAN or of torchvision.")
    model.features.load_state_dict(state)


def load_or_embedded(source: str | Path | None = None, preset: str | None = None) -> Checkpoint:
    """Like `load_checkpoint`; where that fails the embedded weights serve, and the notice says which and why."""
    try:
        return load_checkpoint(source, preset)
    except DanError as error:
        embedded = load_checkpoint()
        return replace(embedded, notice=f"These are the embedded weights, not {source}: {error}")


def import_published(
    path: Path,
    preset: str | None,
    labels: Sequence[str] | None = None,
    changes: Mapping[str, Any] | None = None,
    where: str | None = None,
) -> DAN:
    """DAN from a file in the published layout.

    Args:
        path: `.pth`, `.bin` or `.safetensors`.
        preset: One of `PRESETS`, or None where labels are given.
        labels: Class names in index order; instead of the preset's.
        changes: Entries of `PreprocessConfig` that differ from the preset's.
        where: Where the file came from, for messages; the path unless given.

    Raises:
        CheckpointError: Unreadable, unsafe, not DAN's, or labels and preset do not fit.
        ConfigError: A change makes no preprocessing.
    """
    where = where or str(path)
    state = read_published(path)
    config = published_config(state, where, preset, labels)
    preprocess = replace(config.preprocess, **(changes or {}))
    return build(replace(config, preprocess=preprocess), state, where)


def _load_folder(folder: Path) -> DAN:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} has no {name}.", "A checkpoint folder holds both, as save_pretrained writes."
            )
    return _load_pair(_read_config(folder / CONFIG_FILE, str(folder)), folder / WEIGHTS_FILE, str(folder))


def _reference(folder: Path) -> Path | None:
    path = folder / REFERENCE_FILE
    return path if path.is_file() else None


def _load_pair(config: ModelConfig, weights: Path, where: str) -> DAN:
    return build(config, read_tensors(weights), f"{where}: {WEIGHTS_FILE}")


def _read_config(path: Path, where: str) -> ModelConfig:
    try:
        return ModelConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ConfigError as error:
        raise ConfigError(f"{where}: {CONFIG_FILE} is not one of DAN: {error.what}", error.remedy) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{where}: {CONFIG_FILE} is not valid JSON: {error}.", "Mend or download it again."
        ) from error


def _load_hub(address: HubAddress, preset: str | None) -> Checkpoint:
    folder = HubFolder.open(address, address.file or CONFIG_FILE)
    if address.file is not None:
        if preset not in PRESETS:
            published_config({}, str(address), preset)  # says what is missing, before anything is fetched
        path, commit = folder.fetch(address.file)
        model = import_published(path, preset, where=str(address))
    else:
        config_path, commit = folder.fetch(CONFIG_FILE)
        config = _read_config(config_path, str(address))  # before the tensors are fetched
        path, _ = folder.fetch(WEIGHTS_FILE)
        model = _load_pair(config, path, str(address))
    reference = None
    if address.file is None:
        with suppress(CheckpointError):  # most have none
            reference, _ = folder.fetch(REFERENCE_FILE)
    notice = f"An earlier download of {address} serves: {folder.unreachable}." if folder.unreachable else None
    return Checkpoint(model, str(address), path, commit[:8], notice, reference)


def build(config: ModelConfig, state: Mapping[str, Tensor], where: str) -> DAN:
    """DAN with these parameters, in eval mode.

    Args:
        config: Labels, heads, preprocessing.
        state: Parameters and buffers by published name, any float type.
        where: Where they came from, for messages.

    Raises:
        CheckpointError: A tensor is missing, unknown, of another shape or not finite.
    """
    state = _plain(state, where)
    if "fc.weight" in state and count_classes(state) != len(config.labels):
        raise CheckpointError(
            f"{where} has {count_classes(state)} classes, its config {len(config.labels)} labels.",
            "Give the config that belongs to these weights.",
        )
    model = DAN(config.labels, config.num_heads, config.preprocess, config.provenance)
    _refuse_misfits(
        state, model.state_dict(), f"{where} does not fit the network", "Give the weights that belong to its config."
    )
    model.load_state_dict(state, strict=True)
    return model.eval()


def _plain(state: Mapping[str, Tensor], where: str) -> dict[str, Tensor]:
    """The tensors as float32, where they are numbers at all; integers stay."""
    odd = [key for key, value in state.items() if value.layout != torch.strided or value.is_meta or value.is_complex()]
    if odd:
        raise CheckpointError(f"{where} holds tensors that are not plain numbers: {_first(odd)}.", "Save them dense.")
    return {key: value.float() if value.is_floating_point() else value for key, value in state.items()}


def _refuse_misfits(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], complaint: str, remedy: str) -> None:
    missing = sorted(set(expected) - set(state))
    unknown = sorted(set(state) - set(expected))
    shared = sorted(set(expected) & set(state))
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in shared
        if state[key].shape != expected[key].shape
    ]
    broken = [key for key in shared if not torch.isfinite(state[key]).all()]
    negative = [key for key in shared if key.endswith("running_var") and (state[key] < 0).any()]
    problems = {
        "missing": missing,
        "unknown": unknown,
        "of another shape": shapes,
        "not finite": broken,
        "negative": negative,
    }
    if any(problems.values()):
        told = "; ".join(f"{kind}: {_first(names)}" for kind, names in problems.items() if names)
        raise CheckpointError(f"{complaint} ({told}).", remedy)


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
