"""Weights from any source -> DAN. Only this file knows where weights are stored and which files a checkpoint has."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from dan_model.config import ModelConfig
from dan_model.errors import CheckpointError, ConfigError, DanError
from dan_model.files import write_bytes, write_text
from dan_model.network import DAN
from dan_model.weights.hub import HubAddress, HubFolder, MissingFileError, UnreachableError
from dan_model.weights.published import (
    PRESETS,
    count_classes,
    published_config,
    read_backbone,
    read_published,
    read_tensors,
)

EMBEDDED = Path(__file__).parent.parent / "pretrained" / "ferplus"
EMBEDDED_SHA256 = "c83d253067074248445ea942f8a4c568fb268387650e051538d3d34d293d7c3f"
CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
REFERENCE_FILE = "reference.safetensors"
CHECKPOINT_FILES = (CONFIG_FILE, WEIGHTS_FILE, REFERENCE_FILE, "README.md")
"""The files of a checkpoint folder; no other file is ever published."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A network with its weights, and where they came from.

    Attributes:
        model: The network, in eval mode, on the CPU.
        name: A short name to display ("FER+ (embedded)", the name of a folder or file, `user/name`).
        path: The folder or file that was read.
        revision: For the Hub: the first eight hex digits of the commit.
        notice: What users must know about these weights, such as why they are not the requested ones; or None.
        reference: The file with statistics over many faces (see `explain.reference`), or None.
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
        preset: One of `PRESETS`, for a published file: its labels and preprocessing.

    Returns:
        The checkpoint. If the Hub does not answer and an earlier download is used, its `notice` says so.

    Raises:
        CheckpointError: There are no weights, or they are unreadable, unsafe, or not those of this network; the message
            names the tensors that do not fit.
        UnreachableError: The Hub does not answer, and there is no earlier download.
        ConfigError: `config.json` is malformed.
    """
    # The embedded weights.
    if source is None or source == "":
        if preset is not None:
            raise CheckpointError(f"Preset {preset!r} needs a published file.", "Give the file as weights.")
        _check_sha256(EMBEDDED / WEIGHTS_FILE, EMBEDDED_SHA256)
        return Checkpoint(_load_folder(EMBEDDED), "FER+ (embedded)", EMBEDDED, reference=_reference(EMBEDDED))
    # A folder or a file on disk.
    path, is_folder, is_file = _on_disk(source)
    if preset is not None and (is_folder or preset not in PRESETS):
        raise CheckpointError(
            f"Preset {preset!r} does not apply to {source}.",
            f"A preset is for a published file, and one of: {', '.join(PRESETS)}.",
        )
    if is_folder:
        return Checkpoint(_load_folder(path), path.resolve().name, path, reference=_reference(path))
    if is_file:
        return Checkpoint(import_published(path, preset), path.name, path)
    # A repository on the Hub.
    address = HubAddress.parse(str(source))
    if address is not None:
        return _load_hub(address, preset)
    raise CheckpointError(
        f"There are no weights at {str(source)[:200]!r}.",
        f"Give a folder with {CONFIG_FILE} and {WEIGHTS_FILE}, a published file, user/name, or nothing (embedded).",
    )


def load_backbone(model: DAN, source: str | Path) -> None:
    """Replace the backbone of a network by that of other weights. All other parameters stay as they are.

    Args:
        model: The network; changed in place.
        source: As for `load_checkpoint`; or a file with a ResNet-18 under torchvision's names, such as the one trained
            on MS-Celeb-1M from which the paper starts.

    Raises:
        CheckpointError: There are no weights, or they are unreadable, unsafe, or not those of a ResNet-18.
    """
    path, _, is_file = _on_disk(source)
    given = read_backbone(path) if is_file else load_checkpoint(source).model.features.state_dict()
    own = model.features.state_dict()
    counters = {key: value for key, value in own.items() if key.endswith("num_batches_tracked")}  # old files have none
    state = {**counters, **given}
    complaint, remedy = f"{source} holds no ResNet-18", "Give one of DAN or of torchvision."
    model.features.load_state_dict(_checked(state, own, str(source), complaint, remedy))


def load_or_embedded(source: str | Path | None = None, preset: str | None = None) -> Checkpoint:
    """Like `load_checkpoint`, but fall back to the embedded weights; the notice then gives the reason."""
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
    """Load DAN from a file in the published layout.

    Args:
        path: `.pth`, `.bin` or `.safetensors`.
        preset: One of `PRESETS`, or None if labels are given.
        labels: Class names in index order, instead of the preset's.
        changes: Entries of `PreprocessConfig` that differ from the preset's.
        where: The source of the file, for messages. None: the path.

    Raises:
        CheckpointError: The file is unreadable, unsafe, or not DAN's; or labels and preset do not fit it.
        ConfigError: The changes do not give a valid preprocessing.
    """
    where = where or str(path)
    state = read_published(path)
    config = published_config(state, where, preset, labels)
    preprocess = replace(config.preprocess, **(changes or {}))
    return build(replace(config, preprocess=preprocess), state, where)


def build(config: ModelConfig, state: Mapping[str, Tensor], where: str) -> DAN:
    """Build DAN with given parameters, in eval mode.

    Args:
        config: Labels, heads, preprocessing.
        state: Parameters and buffers under the published names, of any float type.
        where: The source of the parameters, for messages.

    Raises:
        CheckpointError: A tensor is missing, unknown, of another shape or not finite.
    """
    if "fc.weight" in state and count_classes(state) != len(config.labels):
        raise CheckpointError(
            f"{where} has {count_classes(state)} classes, its config {len(config.labels)} labels.",
            "Give the config that belongs to these weights.",
        )
    with torch.device("meta"):  # no random numbers for parameters that are replaced at once
        model = DAN(config.labels, config.num_heads, config.preprocess, config.provenance, config.class_prior)
    model = model.to_empty(device="cpu")
    complaint, remedy = f"{where} does not fit the network", "Give the weights that belong to its config."
    model.load_state_dict(_checked(state, model.state_dict(), where, complaint, remedy), strict=True)
    return model.eval()


def write_checkpoint(model: DAN, folder: Path, card: str | None = None) -> None:
    """Write the files of a checkpoint, each whole or not at all: configuration, weights and, where given, the card.

    Raises:
        WriteError: They cannot be written.
    """
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_text(folder / CONFIG_FILE, json.dumps(model.config.to_dict(), sort_keys=True, indent=2))
    write_bytes(folder / WEIGHTS_FILE, save(tensors, metadata={"format": "pt"}))
    if card is not None:
        write_text(folder / "README.md", card)


def _on_disk(source: object) -> tuple[Path, bool, bool]:
    """The path of a source, and whether it is a folder, and a file.

    Raises:
        CheckpointError: It can be no path.
    """
    if not isinstance(source, (str, Path)):
        raise CheckpointError(f"Weights cannot be a {type(source).__name__}.", "Give a folder, a file or user/name.")
    try:
        path = Path(source).expanduser()
        return path, path.is_dir(), path.is_file()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error  # without the path, which may be long
        raise CheckpointError(f"{str(source)[:200]!r} is no path: {reason}.", "Give a folder or a file.") from error


def _load_folder(folder: Path) -> DAN:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} has no {name}.", "A checkpoint folder holds both, as save_pretrained writes."
            )
    return _load_files(_read_config(folder / CONFIG_FILE, str(folder)), folder / WEIGHTS_FILE, str(folder))


def _load_hub(address: HubAddress, preset: str | None) -> Checkpoint:
    """Load a checkpoint from the Hub; whatever can be checked is checked before the large files are downloaded."""
    folder = HubFolder.open(address, address.file or CONFIG_FILE)
    # Configuration and tensors, from one published file or from a checkpoint's two files.
    if address.file is not None:
        if preset not in PRESETS:
            published_config({}, str(address), preset)  # raises the error that explains the preset
        path, commit = folder.fetch(address.file)
        model = import_published(path, preset, where=str(address))
    else:
        config_path, commit = folder.fetch(CONFIG_FILE)
        config = _read_config(config_path, str(address))
        path, _ = folder.fetch(WEIGHTS_FILE)
        model = _load_files(config, path, str(address))
    # Reference statistics, which most repositories do not have.
    reference = None
    notices = [f"An earlier download of {address} is used: {folder.unreachable}."] if folder.unreachable else []
    if address.file is None:
        try:
            reference, _ = folder.fetch(REFERENCE_FILE)
        except MissingFileError:
            pass
        except CheckpointError as error:  # offline, nobody knows whether there are any
            if not (folder.unreachable and isinstance(error, UnreachableError)):
                notices.append(
                    f"The reference statistics could not be loaded, so views and baselines do without: {error}"
                )
    return Checkpoint(model, str(address), path, commit[:8], " ".join(notices) or None, reference)


def _load_files(config: ModelConfig, weights: Path, where: str) -> DAN:
    return build(config, read_tensors(weights), f"{where}: {WEIGHTS_FILE}")


def _reference(folder: Path) -> Path | None:
    path = folder / REFERENCE_FILE
    return path if path.is_file() else None


def _read_config(path: Path, where: str) -> ModelConfig:
    try:
        return ModelConfig.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except ConfigError as error:
        raise ConfigError(f"{where}: {CONFIG_FILE} is not one of DAN: {error.what}", error.remedy) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"{where}: {CONFIG_FILE} is not valid JSON: {error}.", "Correct it or download it again."
        ) from error


def _checked(
    state: Mapping[str, Tensor], expected: Mapping[str, Tensor], where: str, complaint: str, remedy: str
) -> dict[str, Tensor]:
    """The tensors with all float types as float32; integers stay.

    Kinds, names and shapes are checked before any number: a small file may hold a tensor that grows to gigabytes.

    Raises:
        CheckpointError: It lists the tensors that are of another kind or shape than `expected`, missing, unknown, or
            hold numbers that cannot be a network's.
    """
    odd = [
        key
        for key, value in state.items()
        if value.is_meta or value.is_nested or value.is_quantized or value.is_complex() or value.layout != torch.strided
    ]
    if odd:
        raise CheckpointError(
            f"{where} holds tensors that are not plain numbers: {_shortened(odd)}.", "Save them as dense tensors."
        )
    shapes = [
        f"{key} {tuple(state[key].shape)} instead of {tuple(expected[key].shape)}"
        for key in sorted(set(expected) & set(state))
        if state[key].shape != expected[key].shape
    ]
    missing, unknown = sorted(set(expected) - set(state)), sorted(set(state) - set(expected))
    _refuse({"missing": missing, "unknown": unknown, "of another shape": shapes}, complaint, remedy)
    plain = {key: value.float() if value.is_floating_point() else value for key, value in state.items()}
    negative = [key for key, value in plain.items() if key.endswith("running_var") and (value < 0).any()]
    not_finite = [key for key, value in plain.items() if not torch.isfinite(value).all()]
    _refuse({"not finite": sorted(not_finite), "negative": sorted(negative)}, complaint, remedy)
    return plain


def _refuse(problems: Mapping[str, list[str]], complaint: str, remedy: str) -> None:
    if any(problems.values()):
        details = "; ".join(f"{problem}: {_shortened(names)}" for problem, names in problems.items() if names)
        raise CheckpointError(f"{complaint} ({details}).", remedy)


def _check_sha256(path: Path, expected: str) -> None:
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise CheckpointError(f"The embedded weights {path} cannot be read: {error}.", "Install again.") from error
    if found != expected:
        raise CheckpointError(
            f"The embedded weights {path} were changed (sha256 {found[:12]}… instead of {expected[:12]}…).",
            "Restore them (git checkout, or install again).",
        )


def _shortened(names: list[str], count: int = 4) -> str:
    """The first names of a list, and how many more there are."""
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
