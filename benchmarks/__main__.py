"""What things cost, as ratios within one run: `python -m benchmarks`, or `python -m benchmarks PART…`.

Every part is a module with a function `rows()`. The table is printed, and kept as JSON with the machine named.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime, timezone
from enum import Enum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row, machine


class Part(str, Enum):
    """The modules that have rows, in the order in which they are measured."""

    explanation = "explanation"
    attributions = "attributions"
    head_maps = "head_maps"
    growth = "growth"
    neighbours = "neighbours"
    startup = "startup"
    live = "live"
    visitor = "visitor"
    training = "training"
    memory = "memory"


def main(
    parts: Annotated[list[Part] | None, typer.Argument(help="Which parts; all without one.")] = None,
    out: Annotated[Path, typer.Option(help="JSON file for the rows and the machine.")] = Path("out/benchmark.json"),
) -> None:
    """Measure, print one table, and write it down."""
    console, began, where = Console(), datetime.now(timezone.utc), machine()
    rows: list[Row] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    for part in parts or list(Part):
        console.print(f"measuring: {part.value}", style="dim")
        rows += import_module(f"benchmarks.{part.value}").rows()
        # Kept after each part: a run that is interrupted loses one.
        kept = {"date": began.isoformat(timespec="seconds"), "machine": where, "rows": [asdict(row) for row in rows]}
        out.write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = Table("what", "against", "figure", "goal", "", title=", ".join(f"{k} {v}" for k, v in where.items()))
    for row in rows:
        table.add_row(row.what, row.against, row.text, row.goal, {True: "met", False: "missed", None: ""}[row.met])
    console.print(table)
    console.print(f"written: {out}")


if __name__ == "__main__":
    typer.run(main)
