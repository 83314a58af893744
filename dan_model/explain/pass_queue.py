"""Whose pass through the network comes next: of the request that has used the network least so far."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable
from itertools import count


class PassQueue:
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


class RequestLock:
    """The lock of one request, as a context manager around each pass. A thread that holds it may enter it again.

    Args:
        queue: All requests of a network. None: there is only this one.
    """

    def __init__(self, queue: PassQueue | None = None) -> None:
        self._queue = queue or PassQueue()
        self._used = self._began = 0.0

    def __enter__(self) -> RequestLock:
        queue, own = self._queue, threading.get_ident()
        with queue.changed:
            if queue.owner != own:
                ticket = (self._used, next(queue.numbers))
                heapq.heappush(queue.waiting, ticket)
                try:
                    queue.changed.wait_for(lambda: queue.owner is None and queue.waiting[0] == ticket)
                finally:
                    queue.waiting.remove(ticket)
                    heapq.heapify(queue.waiting)
                    queue.changed.notify_all()
                queue.owner, self._began = own, queue.clock()
            queue.depth += 1
        return self

    def __exit__(self, *raised: object) -> None:
        queue = self._queue
        with queue.changed:
            queue.depth -= 1
            if queue.depth == 0:
                self._used += queue.clock() - self._began
                queue.owner = None
                queue.changed.notify_all()
