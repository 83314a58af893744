"""`python -m dan_model`, and the command `dan-explorer`."""

from __future__ import annotations

import io
import os
import sys


def main() -> None:
    """Run the command line."""
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "passive"
    )  # read when torch is imported: idle threads leave the cores free
    from dan_model.commands.app import app

    # A name that the terminal cannot show is shown with escapes, and ends no run.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="python -m dan_model")


if __name__ == "__main__":
    main()
