"""The one error family. Every message says what was wrong, where, and what to do about it."""

from __future__ import annotations


class DanError(Exception):
    """Anything this package refuses to do.

    Args:
        what: What was wrong, with the offending value and where it came from.
        remedy: What to do about it; empty where `what` says it.
    """

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(f"{what} {remedy}".strip())
        self.what = what
        self.remedy = remedy


class ConfigError(DanError, ValueError):
    """A configuration value is missing, of the wrong type or out of range."""


class CheckpointError(DanError):
    """Weights cannot be found, read, trusted or fitted to the network."""


class ImageError(DanError, ValueError):
    """The input is not an image that can be used."""


class NoFaceError(DanError):
    """The detector found no face, or not the one that was asked for."""


class DetectorError(DanError):
    """The face detector itself cannot run on this machine."""


class ArgumentError(DanError, ValueError):
    """A class, method, head or option was asked for that does not exist."""


class DatasetError(DanError):
    """A dataset is missing, incomplete, or not laid out as published."""


class TrainingError(DanError):
    """Training cannot start or go on; the last good state is kept."""


class Stopped(DanError):
    """The caller asked to stop; nothing is wrong."""

    def __init__(self) -> None:
        super().__init__("The computation was stopped.", "Start it again when needed.")


class DeviceMemoryError(DanError):
    """The device has no room for even the smallest computation."""
