"""The command line application: `python -m dan_model COMMAND`.

Exit codes: 0 all done, 1 some images failed, 2 nothing could start, or nothing more be written.

A command is imported when it is called: the list of commands needs neither PyTorch nor seconds.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {  # by name: the module, the function, and the first paragraph of its help
    "explain": (
        "explain",
        "explain",
        "Explain every face of every image: panel (PNG), arrays (NPZ), numbers (JSON), and all numbers in one JSONL.",
    ),
    "faithfulness": (
        "faithfulness",
        "faithfulness",
        "Measure faithfulness and parameter randomisation of every map over faces, each for the predicted class.",
    ),
    "evaluate": (
        "evaluate",
        "evaluate",
        "Measure a network on a dataset: accuracy, balanced accuracy, per class, confusion, calibration.",
    ),
    "train": (
        "train",
        "train",
        "Train DAN, or resume a training that was stopped; also under torchrun -m dan_model train …",
    ),
    "reference": (
        "reference",
        "reference",
        "Measure the reference statistics of a checkpoint: class centres, projection, percentiles, mean face and maps.",
    ),
    "align": (
        "datasets",
        "align",
        "Copy a dataset with every face aligned like an upload; an image without exactly one face is copied unchanged.",
    ),
    "averages": (
        "datasets",
        "averages",
        "Average the aligned faces of each class, as the embedded weights see them: examples that show no real person.",
    ),
    "examples": (
        "examples",
        "examples",
        "Explain the example photos in advance, with the default attributions: the page shows them without a pass.",
    ),
    "template": (
        "datasets",
        "template",
        "Derive a landmark template from the faces of a training set, for `preprocess` in config.json.",
    ),
    "export": (
        "export",
        "export",
        "Write a network as ONNX: normalised faces in; logits, maps and embeddings out; for any number of faces.",
    ),
    "push": (
        "weights",
        "push",
        "Publish a checkpoint folder on the Hugging Face Hub. Lists what will be sent, and asks first.",
    ),
    "import": (
        "weights",
        "import_weights",
        "Turn a published checkpoint into a folder that every part of this package, and the Hub, can load.",
    ),
    "worksheet": (
        "worksheet",
        "write_worksheet",
        "Write the worksheet for a class, to print and to edit, and the solutions for teachers.",
    ),
}


class Commands(TyperGroup):
    """The commands of `COMMANDS`: their names and help, and the whole of the one that is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=text) for name, (_, _, text) in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that is called, imported."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, load_command(str(name)), rest


def load_command(name: str) -> Any:
    """The whole command of a name in `COMMANDS`."""
    module, function, _ = COMMANDS[name]
    one = typer.Typer(add_completion=False)
    one.command(name)(getattr(import_module(f"dan_model.commands.{module}"), function))
    return typer.main.get_command(one)


app = typer.Typer(cls=Commands, no_args_is_help=True)


@app.callback()
def describe() -> None:
    """DAN Explorer: what the attention heads of DAN attend to, and how their fusion decides."""
