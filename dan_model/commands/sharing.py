"""What commands share that explain many images: one explainer per process, and results that come step by step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TypeVar

from accelerate import PartialState

from dan_model.devices import sharing_processes
from dan_model.explain import Explainer

T = TypeVar("T")


def shared_explainer(weights: str | None, preset: str | None, device: str) -> tuple[Explainer, PartialState]:
    """The explainer of this process on its own device, and the processes that share the work.

    Raises:
        DanError: There is no such device, or the weights cannot be loaded.
    """
    state = sharing_processes(device)
    explainer = Explainer.from_pretrained(weights, preset, device)
    if state.num_processes > 1:
        explainer.model.to(state.device)
    return explainer, state


def last(results: Iterator[T]) -> T:
    """The last of results that come step by step, each including those before it."""
    return deque(results, maxlen=1).pop()
