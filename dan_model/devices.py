"""The device to compute on, chosen once, by name."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from functools import wraps
from typing import ParamSpec, TypeVar

import torch
from accelerate import PartialState

from dan_model.errors import ArgumentError

DEVICES = ("auto", "cpu", "cuda", "mps")
T = TypeVar("T")
P = ParamSpec("P")


def choose_device(name: str = "auto") -> torch.device:
    """The device with a name.

    Args:
        name: One of `DEVICES`; "auto" is the machine's accelerator if it has one, else the CPU.

    Raises:
        ArgumentError: This machine has no such device.
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    available = {"cpu": torch.device("cpu"), **({accelerator.type: accelerator} if accelerator else {})}
    if name == "auto":
        return accelerator or available["cpu"]
    if name not in available:
        raise ArgumentError(f"There is no device {name!r} here.", f"Choose auto or one of: {', '.join(available)}.")
    return available[name]


def in_full_precision(method: Callable[P, Iterator[T]]) -> Callable[P, Iterator[T]]:
    """Each part that a method yields is computed without autocast, on the `device` of its object.

    Between the parts, what the caller has set holds.
    """

    @wraps(method)
    def parts(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        device, source = args[0].device, method(*args, **kwargs)  # type: ignore[attr-defined]
        try:
            while True:
                with ExitStack() as stack:
                    for kind in {"cpu", device.type}:
                        stack.enter_context(torch.autocast(kind, enabled=False))
                    try:
                        part = next(source)
                    except StopIteration:
                        return
                yield part
        finally:
            if isinstance(source, Generator):
                source.close()

    return parts


def sharing_processes(name: str = "auto") -> PartialState:
    """The processes that share the work, started by `torchrun` or `accelerate launch`; otherwise this process alone.

    Args:
        name: One of `DEVICES`.

    Raises:
        ArgumentError: This machine has no such device.
    """
    return PartialState(cpu=choose_device(name).type == "cpu")  # Accelerate shares work among CPUs only with cpu=True
