"""What a process holds: memory, threads, files (Linux)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from dan_model.ui.process_memory import give_back

KIB = 1024


def resident(process: int | str = "self") -> int:
    """Bytes of memory that a process holds."""
    return _status(process, "VmRSS")


def threads(process: int | str = "self") -> int:
    """How many threads a process has."""
    return _status(process, "Threads") // KIB


def peak_of(run: Callable[[], object]) -> int:
    """Bytes that this process held at most while something ran, above what it held before."""
    give_back()  # memory that is free but held would hide what runs in it
    Path("/proc/self/clear_refs").write_text("5")  # begins the peak anew
    before = resident()
    run()
    return max(0, _status("self", "VmHWM") - before)


def files_of(process: int | str = "self") -> int:
    """How many files and connections a process has open."""
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def _status(process: int | str, name: str) -> int:
    """A line of the process's status, where numbers count KiB."""
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    value = next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
    return int(value) * KIB
