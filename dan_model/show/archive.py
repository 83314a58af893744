"""Explanations of many images in one folder: what is done is known by content, so that a run can be killed and go on.

Every process appends to a file of its own, one line for each image; `merge` puts them together as numbers.jsonl, after
a run, and before the next one in case the last was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from accelerate import PartialState

from dan_model.network import DAN

NUMBERS = "numbers.jsonl"


def fingerprint(model: DAN) -> str:
    """What tells one network with its labels and preprocessing from another, 16 hexadecimal digits."""
    digest = sha256(json.dumps(model.config.to_dict() | {"provenance": None}, sort_keys=True).encode())
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


class Archive:
    """A folder of explanations.

    Args:
        out: The folder.
        asked: Whatever decides what an explanation looks like: weights, target, methods and so on, as JSON values.
        part: Which process this is.
    """

    def __init__(self, out: Path, asked: dict[str, Any], part: int = 0) -> None:
        self.out = out
        self._asked = sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
        self._own = out / f"numbers-{part}.jsonl"
        alike = [entry for entry in _entries(out) if entry["asked"] == self._asked and "error" not in entry]
        self._done = {entry["content"]: entry for entry in alike}
        self._told = {entry["image"]: entry["content"] for entry in alike}

    def before(self, content: str) -> dict[str, Any] | None:
        """The entry of an image of this content (`content_of`) explained alike, if its files are as written."""
        entry = self._done.get(content)
        if entry is None or entry.get("digest") != self._digest(entry["files"]):
            return None
        return entry

    def done_before(self, image: Path, content: str) -> bool:
        """Whether an image was explained alike, itself or a copy of it; then it has a line of its own, too."""
        entry = self.before(content)
        if entry is not None and self._told.get(str(image)) != content:
            self._append(entry | {"image": str(image)})
        return entry is not None

    def add(self, image: Path, content: str, files: list[Path], faces: list[dict[str, Any]]) -> None:
        """Remember an image that was explained.

        Args:
            image: Where it lies.
            content: `content_of` it.
            files: What was written, all faces together.
            faces: The numbers of each face.
        """
        names = [str(path.relative_to(self.out)) for path in files]
        told = {"image": str(image), "content": content, "asked": self._asked, "files": names}
        entry = told | {"digest": self._digest(names), "faces": faces}
        self._done[content] = entry
        self._append(entry)

    def add_failure(self, image: Path, error: str) -> None:
        """Remember why an image could not be explained; the next run tries again."""
        self._append({"image": str(image), "content": "", "asked": self._asked, "files": [], "error": error})

    def _append(self, entry: dict[str, Any]) -> None:
        with self._own.open("a", encoding="utf-8") as file:
            file.write(json.dumps(entry) + "\n")

    def _digest(self, names: list[str]) -> str:
        """What some of its files hold, 16 hexadecimal digits; something else where one is missing."""
        digest = sha256()
        for path in (self.out / name for name in names):
            digest.update(path.read_bytes() if path.is_file() else b"missing")
        return digest.hexdigest()[:16]


def merge(out: Path) -> None:
    """Put all processes' entries together: one line for each image, later runs count. The parts are removed.

    An image whose files were written over for another one, or with other options, has no line any more.
    """
    parts = _parts(out)
    if not parts:
        return
    latest: dict[str, dict[str, Any]] = {}
    owner: dict[str, tuple[str, str]] = {}
    for entry in _entries(out):
        latest[entry["image"]] = entry
        owner |= dict.fromkeys(entry["files"], (entry["content"], entry["asked"]))
    kept = [
        json.dumps(entry)
        for _, entry in sorted(latest.items())
        if all(owner[name] == (entry["content"], entry["asked"]) for name in entry["files"])
    ]
    aside = out / f"{NUMBERS}.part"
    aside.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
    aside.replace(out / NUMBERS)
    for part in parts:
        part.unlink()


def merge_together(out: Path, state: PartialState) -> None:
    """`merge` by the main process while the others wait: one that ended with an error would take all with it."""
    state.wait_for_everyone()
    if state.is_main_process:
        merge(out)
    state.wait_for_everyone()


def content_of(image: Path) -> str:
    """What an image file holds, as 64 hexadecimal digits."""
    return sha256(image.read_bytes()).hexdigest()


def _parts(out: Path) -> list[Path]:
    return sorted(out.glob("numbers-*.jsonl"))


def _entries(out: Path) -> Iterator[dict[str, Any]]:
    """All entries, the merged ones first; a line that a kill cut short is passed over."""
    for path in (out / NUMBERS, *_parts(out)):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue
