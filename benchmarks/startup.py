"""What a start costs, against importing PyTorch, without which nothing here can run."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from campaigns.served import ServedPage

ROUNDS = 5
IMPORT = "import torch"
STARTS = {
    IMPORT: ["-c", IMPORT],
    "python -m dan_model --help": ["-m", "dan_model", "--help"],
    "import dan_model": ["-c", "import dan_model"],
    "load the embedded weights": ["-c", "import dan_model; dan_model.load_checkpoint()"],
}


def rows() -> list[Row]:
    """Each in a process of its own."""
    runs: dict[str, Callable[[], object]] = {name: partial(_run, arguments) for name, arguments in STARTS.items()}
    runs["the page, until it answers"] = _serve
    medians = median_seconds(runs, ROUNDS)
    found = [Row(IMPORT, "a process of its own", medians[IMPORT], unit="s")]
    return found + [
        Row(name, f"a process with {IMPORT}", seconds / medians[IMPORT])
        for name, seconds in medians.items()
        if name != IMPORT
    ]


def _run(arguments: list[str]) -> None:
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)


def _serve() -> None:
    with tempfile.TemporaryDirectory() as folder, ServedPage(Path(folder)):
        pass
