"""The errors of this package, with one base class. Each message says what was wrong, where, and what to do about it."""

from __future__ import annotations


class DanError(Exception):
    """The base class of all errors that this package raises on purpose.

    Args:
        what: What was wrong, with the value and where it came from.
        remedy: What to do about it; empty if `what` includes that.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class ConfigError(DanError, ValueError):
    """A configuration value is missing, of the wrong type or out of range."""


class CheckpointError(DanError):
    """Weights cannot be found, read safely, or loaded into the network."""


class ImageError(DanError, ValueError):
    """The input is not an image that can be used."""


class FilmError(DanError, ValueError):
    """The input is not a film that can be used."""


class NoFaceError(DanError):
    """The detector found no face, or not the requested one."""


class DetectorError(DanError):
    """The face detector cannot run on this machine."""


class ArgumentError(DanError, ValueError):
    """The requested class, method, head or option does not exist."""


class DatasetError(DanError):
    """A dataset is missing, incomplete, or not laid out as published."""


class TrainingError(DanError):
    """Training cannot start or continue; the last valid state remains on disk."""


class WriteError(DanError):
    """A file cannot be written; an earlier file of that name is as it was."""


class DiskError(WriteError):
    """A file cannot be written because its disk is full, broken or read-only: no other file can be written there."""


class Stopped(DanError):
    """The caller stopped the computation. This is not a failure."""

    def __init__(self) -> None:
        super().__init__("The computation was stopped.", "Start it again when needed.")


class DeviceMemoryError(DanError):
    """The device has too little memory for even the smallest computation."""
