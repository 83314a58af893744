"""The device to compute on, chosen once, by name."""

from __future__ import annotations

import torch
from accelerate import PartialState

from dan_model.errors import ArgumentError

DEVICES = ("auto", "cpu", "cuda", "mps")


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


def sharing_processes(name: str = "auto") -> PartialState:
    """The processes that share the work, started by `torchrun` or `accelerate launch`; otherwise this process alone.

    Args:
        name: One of `DEVICES`.

    Raises:
        ArgumentError: This machine has no such device.
    """
    return PartialState(cpu=choose_device(name).type == "cpu")  # Accelerate shares work among CPUs only with cpu=True
