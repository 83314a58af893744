"""The folder for everything that this process writes for a while: uploads, also broken ones, and Gradio's copies.

It belongs to one process. It is deleted when that process ends, and a later one deletes those whose process was killed.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import threading
import time
from pathlib import Path
from types import FrameType

PREFIX = "dan-explorer-"  # then the number of the process
PERMISSIONS = 0o700


def own_folder(keep_seconds: float, check_seconds: float) -> Path:
    """Make the folder of this process, use it for all temporary files, and sweep it from now on.

    Args:
        keep_seconds: Files are deleted when they are older.
        check_seconds: How often that is checked.
    """
    parent = Path(tempfile.gettempdir())
    sweep_ended(parent)
    folder = parent / f"{PREFIX}{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)  # of an earlier process with the same number
    folder.mkdir(mode=PERMISSIONS)
    tempfile.tempdir = str(folder)
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    # Delete it at the end, also at the polite request to end.
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _end)

    def sweep() -> None:
        while folder.is_dir():
            sweep_old(folder, keep_seconds)
            time.sleep(check_seconds)

    threading.Thread(target=sweep, name="sweep", daemon=True).start()
    return folder


def sweep_ended(parent: Path) -> list[Path]:
    """Delete the folders whose process has ended; returns them."""
    ended = [path for path in parent.glob(f"{PREFIX}*") if not _runs(path.name.removeprefix(PREFIX))]
    for path in ended:
        shutil.rmtree(path, ignore_errors=True)
    return ended


def sweep_old(folder: Path, keep_seconds: float) -> list[Path]:
    """Delete the files in a folder that have not been written to for so long, whoever made them; returns them."""
    limit = time.time() - keep_seconds
    old = [path for path in folder.rglob("*") if _written(path) < limit]
    for path in old:
        path.unlink(missing_ok=True)
    return old


def _written(path: Path) -> float:
    """When a file was last written to; never for a folder, and for a file that was deleted meanwhile."""
    try:
        return path.stat().st_mtime if path.is_file() else float("inf")
    except OSError:
        return float("inf")


def _runs(number: str) -> bool:
    """Whether there is a process with this number."""
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return False
    except (ValueError, OverflowError, PermissionError):
        return True  # no folder of ours, or another user's
    return True


def _end(signum: int, frame: FrameType | None) -> None:
    raise SystemExit(0)
