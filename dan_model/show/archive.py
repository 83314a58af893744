"""Explanations of many images in one folder: what is done is known by content, so that a run can be killed and go on.

Every process appends to a file of its own, one line for each image; `merge` puts them together as numbers.jsonl.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from dan_model.network import DAN

NUMBERS = "numbers.jsonl"


def fingerprint(model: DAN) -> str:
    """What tells one set of weights from another, 16 hexadecimal digits."""
    digest = sha256()
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
        self._done = {
            entry["content"]: entry for entry in _entries(out) if entry["asked"] == self._asked and "error" not in entry
        }
        if self._own.is_file() and not self._own.read_bytes().endswith(b"\n"):
            self._append_text("\n")  # a kill cut the last line short

    def before(self, content: str) -> dict[str, Any] | None:
        """The entry of an image with this content (`content_of`), if it was explained alike and its files are there."""
        entry = self._done.get(content)
        if entry is None or not all((self.out / name).is_file() for name in entry["files"]):
            return None
        return entry

    def add(self, image: Path, content: str, files: list[Path], faces: list[dict[str, Any]]) -> None:
        """Remember an image that was explained.

        Args:
            image: Where it lies.
            content: `content_of` it.
            files: What was written, all faces together.
            faces: The numbers of each face.
        """
        names = [str(path.relative_to(self.out)) for path in files]
        entry = {"image": str(image), "content": content, "asked": self._asked, "files": names, "faces": faces}
        self._done[content] = entry
        self._append(entry)

    def add_failure(self, image: Path, error: str) -> None:
        """Remember why an image could not be explained; the next run tries again."""
        self._append({"image": str(image), "content": "", "asked": self._asked, "files": [], "error": error})

    def merge(self) -> Path:
        """Put all processes' entries together: one line for each image, the latest counts. The parts are removed."""
        latest = {entry["image"]: entry for entry in _entries(self.out)}
        aside = self.out / f"{NUMBERS}.part"
        lines = [json.dumps(latest[image]) for image in sorted(latest)]
        aside.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        parts = _parts(self.out)
        aside.replace(self.out / NUMBERS)
        for part in parts:
            part.unlink()
        return self.out / NUMBERS

    def _append(self, entry: dict[str, Any]) -> None:
        self._append_text(json.dumps(entry) + "\n")

    def _append_text(self, text: str) -> None:
        with self._own.open("a", encoding="utf-8") as file:
            file.write(text)


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
