"""Whose pass through the network comes next: of the request that has used the network least so far."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from itertools import count


class PassOrder:
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


class PassLock:
    """The lock of one request, as a context manager around each pass. A thread that holds it may enter it again.

    Args:
        order: All requests of a network. None: there is only this one.
    """

    def __init__(self, order: PassOrder | None = None) -> None:
        self._order = order or PassOrder()
        self._used = self._began = 0.0

    def __enter__(self) -> PassLock:
        order, own = self._order, threading.get_ident()
        with order.changed:
            if order.owner != own:
                ticket = (self._used, next(order.numbers))
                order.waiting.append(ticket)
                try:
                    order.changed.wait_for(lambda: order.owner is None and min(order.waiting) == ticket)
                finally:
                    order.waiting.remove(ticket)
                    order.changed.notify_all()
                order.owner, self._began = own, order.clock()
            order.depth += 1
        return self

    def __exit__(self, *raised: object) -> None:
        order = self._order
        with order.changed:
            order.depth -= 1
            if order.depth == 0:
                self._used += order.clock() - self._began
                order.owner = None
                order.changed.notify_all()
