"""The memory of the server: what was freed goes back to the system (Linux with glibc; elsewhere nothing happens).

For each of many threads, glibc's allocator holds an arena that grows to what the thread needed, and does not shrink.
"""

from __future__ import annotations

import ctypes
import sys
import threading
import time

ARENAS = 2  # at most; passes through the network take turns anyway
M_ARENA_MAX = -8  # glibc's number of this setting


def bound_memory(seconds: float) -> None:
    """Bound the number of arenas from now on, and give free memory back every so many seconds."""
    library = _glibc()
    if library is None:
        return
    library.mallopt(M_ARENA_MAX, ARENAS)

    def repeat() -> None:
        while True:
            time.sleep(seconds)
            give_back()

    threading.Thread(target=repeat, name="memory", daemon=True).start()


def give_back() -> None:
    """Give the free memory of this process back to the system."""
    library = _glibc()
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is glibc."""
    if sys.platform != "linux":
        return None
    library = ctypes.CDLL(None)
    return library if hasattr(library, "malloc_trim") and hasattr(library, "mallopt") else None
