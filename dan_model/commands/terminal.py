"""What all commands share: errors in red, exit code 2 where nothing could start, output folders."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console

from dan_model.errors import DanError
from dan_model.files import check_writable

errors = Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def exit_on_error() -> Iterator[None]:
    """Turn a DanError into its message and exit code 2."""
    try:
        yield
    except DanError as error:
        errors.print(str(error), style="red", markup=False)
        raise typer.Exit(2) from error


def make_folder(out: Path) -> None:
    """Make a folder, and check that files can be written in it.

    Raises:
        WriteError: They cannot.
    """
    check_writable(out / "file")


def print_notes(notes: Iterable[str]) -> None:
    """Print what was odd, a line for each sentence."""
    for note in notes:
        errors.print(note, style="yellow", markup=False)
