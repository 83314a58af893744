"""The one thread in which figures are drawn.

matplotlib's settings are shared by all threads, and it keeps the fonts of each thread that ever drew: eight megabytes
and two open files. So figures take turns in a thread of their own, whoever asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Drawn = TypeVar("Drawn")
_thread: ThreadPoolExecutor


def draw_in_turn(draw: Callable[[], Drawn]) -> Drawn:
    """Call a function in the thread of the figures, and wait for what it returns. It must not ask for another turn."""
    return _thread.submit(draw).result()


def _start() -> None:
    global _thread
    _thread = ThreadPoolExecutor(1, "figures")


_start()
if hasattr(os, "register_at_fork"):  # a forked process has none of the threads of its parent
    os.register_at_fork(after_in_child=_start)
