"""How OpenMP's threads wait: one pass on idle cores, and beside busy processes, for several ways of waiting.

OpenMP reads its settings when PyTorch is imported, so each pass is measured in a process of its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.rows import Row

NEIGHBOURS = 4
PASSES = 15
ROUNDS = 3
WAYS: dict[str, dict[str, str]] = {
    "passive": {"OMP_WAIT_POLICY": "passive"},  # as `app.py`, the command line and the tests set it
    "PyTorch's default": {},
}
GOAL = "≤ 2.5"
PASS = f"""
import statistics, time, torch
from benchmarks.bare import bare_pass
from dan_model import load_checkpoint
model = load_checkpoint().model.eval().to(memory_format=torch.channels_last)
run, seconds = bare_pass(model, torch.zeros(1, 3, 224, 224)), []
for _ in range({PASSES} + 3):
    start = time.perf_counter()
    run()
    seconds.append(time.perf_counter() - start)
print(statistics.median(seconds[3:]))
"""


def rows() -> list[Row]:
    """On idle cores and beside neighbours, in turns."""
    alone: dict[str, list[float]] = {way: [] for way in WAYS}
    beside: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(ROUNDS):
        for way in WAYS:
            alone[way].append(_seconds(WAYS[way]))
            with _busy(NEIGHBOURS):
                beside[way].append(_seconds(WAYS[way]))
    first = statistics.median(alone["passive"])
    found = []
    for n, way in enumerate(WAYS):
        idle, busy = statistics.median(alone[way]), statistics.median(beside[way])
        if n:
            found.append(Row(f"one pass on idle cores, {way}", "passive", idle / first))
        what = f"one pass beside {NEIGHBOURS} busy processes, {way}"
        found.append(Row(what, "the same on idle cores", busy / idle, "" if n else GOAL))
    return found


def _seconds(way: dict[str, str]) -> float:
    """The median of passes in a new process."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    }
    done = subprocess.run(
        [sys.executable, "-c", PASS], env={**environment, **way}, check=True, capture_output=True, text=True
    )
    return float(done.stdout)


@contextmanager
def _busy(count: int) -> Iterator[None]:
    """So many processes that do nothing but compute."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()
