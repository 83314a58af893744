"""Where to compute: chosen once, by name."""

from __future__ import annotations

import torch
from accelerate import PartialState

from dan_model.errors import ArgumentError

DEVICES = ("auto", "cpu", "cuda", "mps")


def choose_device(name: str = "auto") -> torch.device:
    """A device by name.

    Args:
        name: One of `DEVICES`; "auto" is the machine's accelerator where there is one, else the CPU.

    Raises:
        ArgumentError: There is no such device here.
    """
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    here = {"cpu": torch.device("cpu"), **({accelerator.type: accelerator} if accelerator else {})}
    if name == "auto":
        return accelerator or here["cpu"]
    if name not in here:
        raise ArgumentError(f"There is no device {name!r} here.", f"Choose auto or one of: {', '.join(here)}.")
    return here[name]


def sharing_processes(name: str = "auto") -> PartialState:
    """The processes that torchrun or accelerate launch started to share the work on a device; one without them.

    Args:
        name: One of `DEVICES`.

    Raises:
        ArgumentError: There is no such device here.
    """
    return PartialState(cpu=choose_device(name).type == "cpu")  # unasked, Accelerate lets no CPUs share
