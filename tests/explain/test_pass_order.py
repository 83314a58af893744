"""Whose pass comes next."""

from __future__ import annotations

import threading
import time

import pytest

from dan_model.explain.pass_order import PassLock, PassOrder


def wait_for(condition) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_the_request_that_used_least_comes_next_and_of_equal_ones_the_first():
    now, order, threads = [0.0], [], []
    turns = PassOrder(clock=lambda: now[0])
    used = {"long": 9.0, "short": 1.0, "new": 0.0, "newer": 0.0}
    requests = {name: PassLock(turns) for name in used}
    for name, seconds in used.items():
        if seconds:
            with requests[name]:
                now[0] += seconds

    def run(name: str) -> None:
        with requests[name]:
            order.append(name)

    with PassLock(turns) as holder:
        for n, name in enumerate(used):
            threads.append(threading.Thread(target=run, args=(name,)))
            threads[-1].start()
            wait_for(lambda n=n: len(turns.waiting) == n + 1)
        with holder, requests["long"]:  # again, by the thread that has it
            order.append("itself")
    for thread in threads:
        thread.join()
    assert order == ["itself", "new", "newer", "short", "long"]


def test_it_is_free_again_after_an_error_and_for_one_thread_at_a_time():
    turns, inside = PassOrder(), []
    with pytest.raises(ValueError, match="within"), PassLock(turns):
        raise ValueError("within")

    def enter() -> None:
        own = PassLock(turns)
        for _ in range(50):
            with own:
                inside.append(1)
                assert sum(inside) == 1
                time.sleep(0)
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert inside == []
    assert turns.waiting == []
