"""`python -m dan_model`, and the command `dan-explorer`."""

from __future__ import annotations

import os


def main() -> None:
    """Run the command line."""
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "passive"
    )  # read when torch is imported: idle threads leave the cores free
    from dan_model.commands.app import app

    app(prog_name="python -m dan_model")


if __name__ == "__main__":
    main()
