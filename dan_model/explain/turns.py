"""Whose pass through the network comes next: of the request that has used the network least so far."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count


class Turns:
    """One pass at a time, of many requests. A new request, whose first results are to come, never waits for long ones.

    Args:
        clock: Returns the seconds of a steady clock.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.changed = threading.Condition()
        self.waiting: list[tuple[float, int]] = []  # seconds used so far, and a number in the order of arrival
        self.numbers = count()
        self.owner: int | None = None  # a thread
        self.depth = 0


class Turn:
    """The lock of one request, as a context manager around each pass. A thread that holds it may enter it again.

    Args:
        turns: All requests of a network. None: there is only this one.
    """

    def __init__(self, turns: Turns | None = None) -> None:
        self._turns = turns or Turns()
        self._used = self._began = 0.0

    def __enter__(self) -> Turn:
        turns, own = self._turns, threading.get_ident()
        with turns.changed:
            if turns.owner != own:
                ticket = (self._used, next(turns.numbers))
                heapq.heappush(turns.waiting, ticket)
                try:
                    turns.changed.wait_for(lambda: turns.owner is None and turns.waiting[0] == ticket)
                finally:
                    turns.waiting.remove(ticket)
                    heapq.heapify(turns.waiting)
                    turns.changed.notify_all()
                turns.owner, self._began = own, turns.clock()
            turns.depth += 1
        return self

    def __exit__(self, *raised: object) -> None:
        turns = self._turns
        with turns.changed:
            turns.depth -= 1
            if turns.depth == 0:
                self._used += turns.clock() - self._began
                turns.owner = None
                turns.changed.notify_all()
