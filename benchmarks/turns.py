"""How the benchmarks measure: all runs in turns, so that a slow moment affects them equally; then medians."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping


def median_seconds(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median duration of each run in seconds, over `rounds` rounds that follow one round of warm-up."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(times[1:]) for name, times in seconds.items()}
