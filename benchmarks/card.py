"""The tables of a model card from what `evaluate` wrote: `python -m benchmarks.card valid.json --uniform uniform.json`.

docs/how-to/replace-the-weights.md says where they belong.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.heads import each, table_of
from dan_model.explain.regions import FACE

SHOWN = ("precision", "recall", "f1", "count")


def main(
    valid: Annotated[Path, typer.Argument(help="Written by `evaluate --heads`.")],
    uniform: Annotated[Path, typer.Option(help="Written by `evaluate --prior uniform`.")],
) -> None:
    """Print the tables: classes, confusion, heads, uniform prior."""
    measured, equal = (json.loads(path.read_text(encoding="utf-8")) for path in (valid, uniform))
    for title, table in (
        (_figures(measured), of_classes(measured, SHOWN)),
        ("Faces by true class (rows) and predicted class (columns):", of_confusion(measured)),
        (f"Uniform prior: {_figures(equal)}", of_classes(equal, SHOWN[:2])),
        ("Heads:", of_heads(measured["heads"])),
    ):
        typer.echo(f"{title}\n\n{table}\n")


def _figures(measured: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {measured[name]:.4f}" for name in ("accuracy", "balanced_accuracy", "ece"))


def of_classes(measured: Mapping[str, Any], names: Sequence[str]) -> str:
    """One row for each metric, one column for each class."""
    rows = [["", *measured["labels"]], ["---"] * (len(measured["labels"]) + 1)]
    for name in names:
        values = [measured["per_class"][label][name] for label in measured["labels"]]
        rows.append([name, *(f"{value:.0f}" if name == "count" else f"{value:.3f}" for value in values)])
    return table_of(rows)


def of_confusion(measured: Mapping[str, Any]) -> str:
    """Counts: rows are the true classes, columns the predicted ones."""
    labels = measured["labels"]
    rows = [["true \\ predicted", *labels], ["---"] * (len(labels) + 1)]
    rows += [[label, *map(str, counts)] for label, counts in zip(labels, measured["confusion"], strict=True)]
    return table_of(rows)


def of_heads(heads: Mapping[str, Any]) -> str:
    """One column for each head."""

    def most(shares: Mapping[str, float]) -> str:
        two = sorted(shares, key=shares.__getitem__, reverse=True)[:2]
        return ", ".join(f"{name} {each([shares[name]], '.0%')}" for name in two)

    columns = len(heads["entropy"])
    rows = [["", *(f"head {h + 1}" for h in range(columns))], ["---"] * (columns + 1)]
    inside = [sum(shares[part] for part in FACE) for shares in heads["regions"]]
    rows += [
        ["attends most to", *map(most, heads["regions"])],
        ["inside the face, brows to chin", *(each([value], ".0%") for value in inside)],
        ["entropy of its map, part of the uniform one's", *(f"{value:.2f}" for value in heads["entropy"])],
        ["channels won", *(each([value], ".0%") for value in heads["won"])],
        ["accuracy without it", *(f"{value:.3f}" for value in heads["ablated"])],
        ["accuracy with it only", *(f"{value:.3f}" for value in heads["alone"])],
    ]
    return table_of(rows)


if __name__ == "__main__":
    typer.run(main)
