"""What runs under watch: which files it opens, which hosts it asks, which programs it starts, and what it costs."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaigns.measuring import peak_of

ROOT = Path(__file__).parent.parent
CONNECTING = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind", "urllib.Request")
STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "pty.spawn")
CHANGING = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.chmod", "os.link", "os.symlink", "shutil.rmtree")
READ_ANYWAY = (sys.prefix, sys.base_prefix, str(ROOT), "/usr", "/lib", "/etc/mime", "/etc/localtime", "/proc", "/sys")
"""Where Python and its libraries read for themselves: modules, tables, the machine."""

_events: list[str] = []
_allowed: list[tuple[str, ...]] = []  # not empty while something is watched


def _note(event: str, args: tuple[Any, ...]) -> None:
    """Python calls this for every event."""
    if not _allowed:
        return
    if event == "open" and isinstance(args[0], (str, bytes)):
        path, flags = str(Path(os.fsdecode(args[0])).absolute()), args[2] if isinstance(args[2], int) else 0
        changes = bool(flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)) and "__pycache__" not in path
        if not path.startswith(_allowed[-1] if changes else (*READ_ANYWAY, *_allowed[-1])):
            _events.append(f"{'writes' if changes else 'reads'} {path[:200]}")
    elif event in CHANGING:
        if not str(args[0]).startswith((*_allowed[-1], str(ROOT))) and "__pycache__" not in str(args[0]):
            _events.append(f"{event} {str(args[0])[:200]}")
    elif event in CONNECTING or event in STARTING:
        _events.append(f"{event} {str(args)[:200]}")


@contextmanager
def watched(*folders: Path) -> Iterator[list[str]]:
    """Inside, what touches other files than those in the folders, a host or a program is noted in the list."""
    global _hooked
    if not _hooked:
        sys.addaudithook(_note)  # it cannot be taken away again
        _hooked = True
    _events.clear()
    _allowed.append(tuple(str(folder.resolve()) for folder in folders))
    try:
        yield _events
    finally:
        _allowed.pop()


_hooked = False


@dataclass
class Outcome:
    """What a campaign found.

    Attributes:
        tried: How many.
        refused: By the kind of the error: how many were refused in words.
        failures: What must not happen, each with what is needed to repeat it.
        slowest: Seconds of CPU for one, and which.
        largest: Bytes of memory for one, and which.
    """

    tried: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    largest: tuple[int, str] = (0, "")

    def attempt(
        self, name: str, run: Callable[[], object], refusals: tuple[type[Exception], ...], secret: str, *folders: Path
    ) -> bool:
        """Run one under watch; whether it succeeded.

        Args:
            name: What is needed to repeat it.
            run: What is tried.
            refusals: The errors that say in words what is wrong.
            secret: What no message may hold, such as the path of a folder; or "".
            folders: Where files may be opened.
        """
        self.tried += 1
        succeeded: list[bool] = []

        def guarded() -> None:
            try:
                run()
                succeeded.append(True)
            except refusals as error:
                self.refused[type(error).__name__] += 1
                if secret and secret in str(error):
                    self.failures.append(f"{name}: a message with {secret!r}: {str(error)[:300]}")
                if len(str(error)) > 3000:
                    self.failures.append(f"{name}: a message of {len(str(error))} characters")
            except Exception as error:
                self.failures.append(f"{name}: {type(error).__name__}: {str(error)[:300]}")

        start = time.process_time()
        with watched(*folders) as events:
            peak = peak_of(guarded)
            self.failures += [f"{name}: {event}" for event in events if "/proc/self" not in event]
        self.slowest = max(self.slowest, (time.process_time() - start, name))
        self.largest = max(self.largest, (peak, name))
        return bool(succeeded)

    def check(self, seconds: float, memory: int) -> None:
        """Count as failures what cost more than it may."""
        if self.slowest[0] > seconds:
            self.failures.append(f"{self.slowest[1]} took {self.slowest[0]:.1f} s")
        if self.largest[0] > memory:
            self.failures.append(f"{self.largest[1]} took {self.largest[0] / 1e6:.0f} MB")

    def __str__(self) -> str:
        """The counts in one line, then the failures."""
        refused = ", ".join(f"{kind} {count}" for kind, count in self.refused.most_common())
        counts = (
            f"{self.tried} tried, {sum(self.refused.values())} refused ({refused}); slowest {self.slowest[0]:.2f} s of "
        )
        worst = f"{self.slowest[1]}; largest {self.largest[0] / 1e6:.0f} MB of {self.largest[1]}; "
        return counts + worst + "\n".join([f"{len(self.failures)} failures", *self.failures])
