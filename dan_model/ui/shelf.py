"""Weights that visitors chose: a few at a time, loaded whole or not at all, shared between visitors."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from dan_model.checkpoints import Checkpoint, load_checkpoint
from dan_model.errors import ArgumentError
from dan_model.explain.explainer import Explainer
from dan_model.hub import HubAddress

ROOM = 3  # sets of weights besides the first; about 80 MB each


@dataclass(frozen=True, eq=False)
class Loaded:
    """Weights, ready to explain with."""

    checkpoint: Checkpoint
    explainer: Explainer


class Shelf:
    """Loads weights for visitors and keeps the latest.

    Args:
        first: What runs unless a visitor chooses otherwise.
        paths_allowed: Whether visitors may name folders and files of this machine; on a public server they may not.
        load: Loads a checkpoint by source and preset.
    """

    def __init__(
        self,
        first: Loaded,
        paths_allowed: bool,
        load: Callable[[str, str | None], Checkpoint] = load_checkpoint,
    ) -> None:
        self.first = first
        self._paths_allowed = paths_allowed
        self._load = load
        self._kept: OrderedDict[tuple[str, str | None], Loaded] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, source: str, preset: str | None) -> Loaded:
        """The weights by this name; the first ones for an empty name. Others go on with what they have.

        Raises:
            ArgumentError: A path, where none may be given.
            CheckpointError: They cannot be loaded; see `load_checkpoint`.
        """
        source = source.strip()
        if not source:
            return self.first
        if not self._paths_allowed and HubAddress.parse(source) is None:
            raise ArgumentError(f"{source!r} is no repository on the Hub.", "Write user/name or user/name@revision.")
        key = (source, preset)
        with self._lock:
            loaded = self._kept.get(key)
        if loaded is None:  # outside the lock: others are served meanwhile
            checkpoint = self._load(source, preset)
            explainer = Explainer.of(
                checkpoint, self.first.explainer.device, self.first.explainer.detector, cache_bytes=0
            )
            loaded = Loaded(checkpoint, explainer)
        with self._lock:
            loaded = self._kept.setdefault(key, loaded)
            self._kept.move_to_end(key)
            while len(self._kept) > ROOM:
                self._kept.popitem(last=False)
        return loaded
