"""A cache of results, bounded in bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any, Generic, Protocol, TypeVar


class Sized(Protocol):
    """A result that knows how much memory it takes."""

    @property
    def nbytes(self) -> int: ...


T = TypeVar("T", bound=Sized)


class Cache(Generic[T]):
    """The least recently used results are dropped first. Safe to share between threads.

    Args:
        limit: The number of bytes that all results may take together; 0 stores nothing.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.nbytes = 0
        self._results: OrderedDict[Hashable, T] = OrderedDict()
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """A copy starts empty: a lock cannot be copied."""
        return {"limit": self.limit}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._results)

    def get(self, key: Hashable) -> T | None:
        """The result stored under a key, or None."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
            return self._results.get(key)

    def put(self, key: Hashable, value: T) -> None:
        """Store a result; one larger than the limit is not stored."""
        with self._lock:
            old = self._results.pop(key, None)
            self._results[key] = value
            self.nbytes += value.nbytes - (old.nbytes if old is not None else 0)
            while self.nbytes > self.limit:
                _, dropped = self._results.popitem(last=False)
                self.nbytes -= dropped.nbytes
