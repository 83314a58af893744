"""The weights that visitors chose: a few sets, each loaded completely or not at all, shared by all visitors."""

from __future__ import annotations

import copy
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from dan_model.errors import ArgumentError, CheckpointError, DanError
from dan_model.explain import Explainer
from dan_model.faces import FaceDetector
from dan_model.texts import translate as _
from dan_model.weights import Checkpoint, HubAddress, load_checkpoint

log = logging.getLogger(__name__)

MAX_SETS = 3  # besides the first; about 80 MB each


@dataclass(frozen=True, eq=False)
class LoadedWeights:
    """A checkpoint and its explainer.

    Attributes:
        checkpoint: The network and where it came from.
        explainer: On the device that explains.
        on_cpu: A copy on the CPU where the device is only lent for events; None: the explainer runs everything.
    """

    checkpoint: Checkpoint
    explainer: Explainer
    on_cpu: Explainer | None = None

    @classmethod
    def place(
        cls, checkpoint: Checkpoint, device: torch.device, detector: FaceDetector | None, lent: bool
    ) -> LoadedWeights:
        """Put a loaded checkpoint on a device, which is `lent` or one's own."""
        on_cpu = None
        if lent:  # copied before the network moves: a lent device cannot be read from outside of events
            copied = replace(checkpoint, model=copy.deepcopy(checkpoint.model))
            on_cpu = Explainer.from_checkpoint(copied, torch.device("cpu"), detector, cache_bytes=0)
        return cls(checkpoint, Explainer.from_checkpoint(checkpoint, device, detector, cache_bytes=0), on_cpu)

    @property
    def here(self) -> Explainer:
        """The explainer for work that is no event."""
        return self.on_cpu or self.explainer


class WeightsCache:
    """Loads weights for visitors and stores the latest sets.

    Args:
        first: The weights that the page starts with.
        paths_allowed: Whether visitors may name folders and files of this machine; not on a public server.
        load: Loads a checkpoint by source and preset.
    """

    def __init__(
        self,
        first: LoadedWeights,
        paths_allowed: bool,
        load: Callable[[str, str | None], Checkpoint] = load_checkpoint,
    ) -> None:
        self.first = first
        self._paths_allowed = paths_allowed
        self._load = load
        self._sets: OrderedDict[tuple[str, str | None], LoadedWeights] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: str, preset: str | None) -> LoadedWeights:
        """The weights with this source; the first ones for an empty source.

        Raises:
            ArgumentError: The source is a path, and paths are not allowed.
            CheckpointError: The weights cannot be loaded; see `load_checkpoint`. Of a path, the message says no more:
                neither whether it exists nor what is there.
        """
        source = source.strip()
        if not source:
            return self.first
        if not self._paths_allowed and HubAddress.parse(source) is None:
            text = _("{source} is no repository on the Hub.").format(source=repr(source))
            raise ArgumentError(text, _("Write user/name or user/name@revision."))
        key = (source, preset)
        with self._lock:
            loaded = self._sets.get(key)
        if loaded is None:  # outside the lock, so that others are served meanwhile
            loaded = self._load_set(source, preset)
        with self._lock:
            loaded = self._sets.setdefault(key, loaded)
            self._sets.move_to_end(key)
            while len(self._sets) > MAX_SETS:
                self._sets.popitem(last=False)
        return loaded

    def _load_set(self, source: str, preset: str | None) -> LoadedWeights:
        first = self.first
        device, detector = first.explainer.device, first.explainer.detector
        try:
            checkpoint = self._load(source, preset)
            return LoadedWeights.place(checkpoint, device, detector, lent=first.on_cpu is not None)
        except DanError as error:
            if not _may_be_path(source):
                raise
            log.warning("Weights of a path were not loaded: %s", error)  # for whoever runs the server
            text = _("There are no weights that can be loaded at {source}, or their preset is missing.")
            raise CheckpointError(
                text.format(source=repr(source[:200])),
                _(
                    "Give a folder with config.json and model.safetensors, or a published file with its preset; the "
                    "server's log has the reason."
                ),
            ) from None


def _may_be_path(source: str) -> bool:
    """Whether a source names a place of this machine: it is no address on the Hub, or exists here."""
    return HubAddress.parse(source) is None or Path(source).exists()
