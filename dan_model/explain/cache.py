"""Results that were computed already, kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """What knows how much memory it takes."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)


class Cache(Generic[T]):
    """Bounded in bytes; what was used longest ago goes first. Safe to share between threads.

    Args:
        limit: Bytes that all results may take together.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, key: Hashable) -> T | None:
        """What was kept under a key, or None."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: Hashable, value: T) -> None:
        """Keep a result; one larger than the limit is not kept."""
        with self._lock:
            old = self._kept.pop(key, None)
            self._kept[key] = value
            self.nbytes += value.nbytes - (old.nbytes if old is not None else 0)
            while self.nbytes > self.limit:
                _, gone = self._kept.popitem(last=False)
                self.nbytes -= gone.nbytes
