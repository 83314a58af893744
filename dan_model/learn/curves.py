"""The curves of a training for TensorBoard. Where they cannot be written, training goes on without them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from accelerate import Accelerator


class Curves:
    """Writes the numbers of each epoch to `logs` in the folder of the training.

    Args:
        accelerator: Of the training, with its project folder.
        report: Called once with a line where the curves cannot be written.
    """

    def __init__(self, accelerator: Accelerator, report: Callable[[str], None]) -> None:
        self._accelerator, self._report = accelerator, report
        self._lost = False
        self._attempt(lambda: accelerator.init_trackers("logs"))

    def add(self, entry: Mapping[str, Any], epoch: int) -> None:
        """Write the floating-point numbers of an epoch."""

        def write() -> None:
            self._accelerator.log({name: one for name, one in entry.items() if isinstance(one, float)}, step=epoch)
            for tracker in self._accelerator.trackers:
                tracker.writer.flush()

        self._attempt(write)

    def finish(self) -> None:
        """Close the file."""

        def close() -> None:
            for tracker in self._accelerator.trackers:
                tracker.finish()

        self._attempt(close)

    def _attempt(self, write: Callable[[], None]) -> None:
        if self._lost:
            return
        try:
            write()
        except OSError as error:
            self._lost = True
            reason = error.strerror or error
            self._report(f"The curves for TensorBoard cannot be written ({reason}); training goes on without them.")
