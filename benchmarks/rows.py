"""One row of the benchmark's table, and the machine on which it was measured."""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

GOAL = re.compile(r"([≤≥]) ([\d.]+)")
MODEL = re.compile(r"^model name\s*: (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Row:
    """One measured figure.

    Attributes:
        what: What was measured.
        against: What it is divided by; for a figure with a unit, under which circumstances.
        value: The ratio, or the figure in `unit`.
        goal: "≤ 1.10" or "≥ 2"; empty for none.
        unit: Empty for a ratio.
    """

    what: str
    against: str
    value: float
    goal: str = ""
    unit: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        found = GOAL.fullmatch(self.goal)
        if found is None:
            return None
        bound = float(found[2])
        return self.value <= bound if found[1] == "≤" else self.value >= bound

    @property
    def text(self) -> str:
        """The figure with three significant digits and its unit."""
        digits = 0 if self.value >= 100 else 1 if self.value >= 10 else 2 if self.value >= 0.1 else 4
        return f"{self.value:,.{digits}f} {self.unit}".strip()


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, cores, threads, versions, and how busy it was at the start."""
    information = Path("/proc/cpuinfo")
    found = MODEL.search(information.read_text()) if information.exists() else None
    return {
        "processor": found[1] if found else platform.processor() or platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "load at the start": round(os.getloadavg()[0], 1) if hasattr(os, "getloadavg") else None,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
