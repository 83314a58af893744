"""Long use: visitors who come and go through the page's own events, and callers of the API, in turns and at once.

`python -m campaigns.soak --explanations 1000 --folder soak`. Prints a line for every 50 explanations: memory, threads,
sessions, hooks and files when all have left; then the growth of memory after the first 50.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from PIL import Image

from campaigns.served import CERTIFICATES, ROOT, ServedPage
from campaigns.visitors import Full, Refused, Visitor, call

EXAMPLES = ROOT / "examples"
FIRST = 50  # explanations, after which memory is compared
GROWTH = 1.02
AT_ONCE = 3  # visitors and callers
LEAVE_EARLY = 0.2  # part of the visitors who leave in the middle of an answer
TABS = ("on_view", "on_view_1", "on_view_2", "on_view_3", "on_view_4")
METHODS = ("layer_grad_cam", "saliency", "input_x_gradient", "head_grad_cam", "deep_lift", "integrated_gradients")
QUICK = METHODS[:4]


@dataclass
class Soak:
    """A run.

    Attributes:
        address: Of the page.
        photos: Files of mixed sizes and formats.
        methods: Attribution methods that are asked for.
        outcomes: How often what happened.
        explained: The number of explanations so far.
        drawn: Chooses; seeded.
    """

    address: str
    photos: list[Path]
    methods: tuple[str, ...] = METHODS
    outcomes: Counter[str] = field(default_factory=Counter)
    explained: int = 0
    drawn: random.Random = field(default_factory=lambda: random.Random(0))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def one(self) -> None:
        """One visit, or one call."""
        try:
            self._call() if self.drawn.random() < 0.3 else self._come_and_go()
        except (Full, Refused, httpx2.HTTPError) as error:
            self._note(f"{type(error).__name__}: {str(error)[:100]}")

    def _call(self) -> None:
        photo, method = self.drawn.choice(self.photos), self.drawn.choice(self.methods)
        with httpx2.Client(timeout=600, verify=CERTIFICATES) as client:
            if self.drawn.random() < 0.5:
                call(self.address, "predict", photo, client=client)
                self._note("predict")
            else:
                call(self.address, "explain", photo, "", [method], "", None, "", "", client=client)
                self._explained("explain")

    def _come_and_go(self) -> None:
        with Visitor(self.address) as visitor:
            file = visitor.upload(self.drawn.choice(self.photos))
            leaves = self.drawn.random() < LEAVE_EARLY
            for n in range(self.drawn.randint(1, 3)):
                wanted = visitor.chosen(self.drawn.sample(self.methods, self.drawn.randint(1, 2)))
                if n == 0:
                    visitor.begin("on_photo", {"dan-upload": file, **wanted})
                else:
                    visitor.begin("on_explain", {"dan-face": "1", **wanted})
                replies = visitor.replies()
                if leaves:
                    next(replies, None)
                    self._note("left")
                    return
                list(replies)
                self._explained("photo")
            for tab in self.drawn.sample(TABS, 2):
                visitor.send(tab)
            visitor.send("on_smooth", {"dan-drawing": "native cells"})
            if self.drawn.random() < 0.3:
                visitor.send("on_keep")
            if self.drawn.random() < 0.3:
                visitor.send("on_example", about={"index": self.drawn.randint(0, 3), "value": None})
                self._explained("example")

    def _note(self, what: str) -> None:
        with self._lock:
            self.outcomes[what] += 1

    def _explained(self, what: str) -> None:
        with self._lock:
            self.outcomes[what] += 1
            self.explained += 1


def photos(folder: Path) -> list[Path]:
    """Photos of mixed sizes and formats, drawn from the examples."""
    made = []
    for name, kind, scale in (
        ("astronaut.jpg", "JPEG", 1), ("hopper.jpg", "PNG", 1), ("astronaut.jpg", "WEBP", 2), ("hopper.jpg", "TIFF", 3),
        ("astronaut.jpg", "JPEG", 6), ("mean_surprise.png", "PNG", 1), ("no_face.jpg", "JPEG", 1),
    ):  # fmt: skip
        image = Image.open(EXAMPLES / name).convert("RGB")
        path = folder / f"{Path(name).stem}-{scale}.{kind.lower()}"
        image.resize((image.width * scale, image.height * scale)).save(path, kind)
        made.append(path)
    return made


def main() -> None:
    """Run it and print the curve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--explanations", type=int, default=1000)
    parser.add_argument("--folder", type=Path, default=None, help="for temporary files, the log and counts.jsonl")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as own:
        folder = (arguments.folder or Path(own)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        with ServedPage(folder) as page:
            first, last, soak = run(page, arguments.explanations, folder)
    growth = last["memory"] / first["memory"]
    print(dict(soak.outcomes))
    print(f"memory after {soak.explained} explanations to that after {FIRST}: {growth:.3f} (goal ≤ {GROWTH})")


def run(
    page: ServedPage, explanations: int, folder: Path, methods: tuple[str, ...] = METHODS, step: int = FIRST
) -> tuple[dict[str, int], dict[str, int], Soak]:
    """Let visitors come and go until so many explanations are made; the counts after the first step, and at the end.

    All have left when something is counted.
    """
    soak = Soak(page.address, photos(folder), methods)
    first: dict[str, int] = {}
    counts: dict[str, int] = {}
    start = time.monotonic()
    while soak.explained < explanations:
        reached = soak.explained + step
        with ThreadPoolExecutor(AT_ONCE) as pool:

            def until_then(until: int = reached) -> None:
                while soak.explained < until:
                    soak.one()

            for running in [pool.submit(until_then) for _ in range(AT_ONCE)]:
                running.result()
        counts = page.counts()
        first = first or counts
        line = {"explanations": soak.explained, "seconds": round(time.monotonic() - start), **counts}
        print(json.dumps(line), flush=True)
        with (folder / "counts.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
    return first, counts, soak


if __name__ == "__main__":
    main()
