"""The page as `app.py` serves it, in a process of its own, that says on request what it holds."""

from __future__ import annotations

import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from campaigns.measuring import files_of, resident, threads

ROOT = Path(__file__).parent.parent
KEEP = "CAMPAIGN_KEEP_SECONDS"  # in the environment: another age at which temporary files are deleted
PATIENCE = 600.0  # seconds until it answers, beside other work
CERTIFICATES = httpx2.create_ssl_context()  # read once: it takes longer than most calls


class ServedPage:
    """A context manager: the page runs inside, its temporary files lie in a folder of the campaign.

    Args:
        folder: For its temporary files and its log.
        settings: Of its environment, as `app.py` takes them.

    Attributes:
        address: Of the page, without a slash at its end.
        process: Of the page.
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder, self.log = folder, folder / "log.txt"
        self._settings = settings
        self.process: subprocess.Popen[str]
        self.address = ""

    def __enter__(self) -> ServedPage:
        self.start()
        return self

    def start(self) -> None:
        """Start it, on a free port, and wait until it answers."""
        temporary = self.folder / "temporary"
        temporary.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        environment = {
            **os.environ, "TMPDIR": str(temporary), "GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1",
            "DAN_DEVICE": "cpu", "PYTHONUNBUFFERED": "1", **self._settings,
        }  # fmt: skip
        with self.log.open("a") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "campaigns.served"], cwd=ROOT, env=environment, text=True, stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, stderr=log,
            )  # fmt: skip
        self.address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + PATIENCE
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                raise RuntimeError(f"The page did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.2)

    def counts(self) -> dict[str, int]:
        """What the process holds: bytes of memory, threads, open files, sessions, hooks and temporary files."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        while not (line := self.process.stdout.readline()).startswith("{"):
            if not line:
                raise RuntimeError(f"The page has ended: {self.log.read_text()[-2000:]}")
        return {**json.loads(line), "temporary files": len(self.temporary_files())}

    def temporary_files(self) -> list[Path]:
        """What lies in the folder for temporary files."""
        return [path for path in (self.folder / "temporary").rglob("*") if path.is_file()]

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(timeout=60)

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.address}/config", timeout=5, verify=CERTIFICATES).status_code == 200
        except httpx2.HTTPError:
            return False


def _counts() -> dict[str, int]:
    """What this process holds. Garbage is collected and free memory given back first: what is counted is in use."""
    from torch import nn

    from dan_model.ui.process_memory import give_back
    from dan_model.ui.session import Session

    gc.collect()
    give_back()
    objects = gc.get_objects()
    modules = [one for one in objects if isinstance(one, nn.Module)]
    return {
        "memory": resident(),
        "threads": threads(),
        "open files": files_of(),
        "sessions": sum(isinstance(one, Session) for one in objects),
        "hooks": sum(len(one._forward_hooks) + len(one._backward_hooks) for one in modules),
    }


def _answer() -> None:
    """One line of numbers for every line that is written to this process."""
    for _ in sys.stdin:
        print(json.dumps(_counts()), flush=True)


def main() -> None:
    """Run the page as `app.py` does, and answer."""
    from dan_model.ui import theme

    if KEEP in os.environ:
        theme.KEEP_FILES = (1, int(os.environ[KEEP]))
    import app

    threading.Thread(target=_answer, daemon=True).start()
    app.main()


def properties(configuration: dict[str, Any]) -> dict[int, dict[str, Any]]:
    """The properties of every component in the page's configuration, by number."""
    return {one["id"]: one["props"] for one in configuration["components"]}


if __name__ == "__main__":
    main()
