"""Explanations of many images in one folder. Images that are done are known by content: a killed run can be resumed.

Every process appends to its own file, one line for each image. `merge` joins these files into numbers.jsonl after a
run, and before the next one in case the last was killed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from accelerate import PartialState

from dan_model.files import append_line, write_text

NUMBERS = "numbers.jsonl"


class Archive:
    """A folder of explanations.

    Args:
        out: The folder.
        options: All that an explanation depends on besides the image: weights, target, methods …, as JSON values.
        part: The number of this process.
    """

    def __init__(self, out: Path, options: dict[str, Any], part: int = 0) -> None:
        self.out = out
        self._options = sha256(json.dumps(options, sort_keys=True).encode()).hexdigest()[:16]
        self._own = out / f"numbers-{part}.jsonl"
        same = [entry for entry in _entries(out) if entry["options"] == self._options and "error" not in entry]
        self._done = {entry["content"]: entry for entry in same}
        self._contents = {entry["image"]: entry["content"] for entry in same}

    def before(self, content: str) -> dict[str, Any] | None:
        """The entry of an image with this content (`content_of`) and the same options, if its files are unchanged."""
        entry = self._done.get(content)
        if entry is None or entry.get("digest") != self._digest(entry["files"]):
            return None
        return entry

    def done_before(self, image: Path, content: str) -> bool:
        """Whether an image, or a copy of it, was explained with the same options. A copy gets a line of its own."""
        entry = self.before(content)
        if entry is not None and self._contents.get(str(image)) != content:
            self._append(entry | {"image": str(image)})
        return entry is not None

    def add(self, image: Path, content: str, files: list[Path], faces: list[dict[str, Any]]) -> None:
        """Record an image that was explained.

        Args:
            image: Its path.
            content: Its `content_of`.
            files: The files that were written, of all faces.
            faces: The numbers of each face.
        """
        names = [str(path.relative_to(self.out)) for path in files]
        entry: dict[str, Any] = {"image": str(image), "content": content, "options": self._options, "files": names}
        entry |= {"digest": self._digest(names), "faces": faces}
        self._done[content] = entry
        self._append(entry)

    def add_failure(self, image: Path, error: str, content: str = "") -> None:
        """Record why an image could not be explained; the next run tries again. `content` may be unknown: empty."""
        self._append({"image": str(image), "content": content, "options": self._options, "files": [], "error": error})

    def _append(self, entry: dict[str, Any]) -> None:
        append_line(self._own, json.dumps(entry))

    def _digest(self, names: list[str]) -> str:
        """A hash of the contents of some files, 16 hexadecimal digits; another one where a file is missing."""
        digest = sha256()
        for path in (self.out / name for name in names):
            digest.update(path.read_bytes() if path.is_file() else b"missing")
        return digest.hexdigest()[:16]


def merge(out: Path) -> None:
    """Join the files of all processes, one line for each image: that of the latest run. The joined files are removed.

    An image has no line if its files were overwritten, for another image or with other options. A failure does not
    replace the numbers of the same content with the same options, nor where the file could not be read.
    """
    parts = _parts(out)
    if not parts:
        return
    # The latest entry of each image, and for each file the entry that wrote it last.
    latest: dict[str, dict[str, Any]] = {}
    owner: dict[str, tuple[str, str]] = {}
    for entry in _entries(out):
        before = latest.get(entry["image"])
        if before is None or not _only_failed_again(entry, before):
            latest[entry["image"]] = entry
        owner |= dict.fromkeys(entry["files"], (entry["content"], entry["options"]))
    # Entries whose files are still theirs.
    kept = [
        json.dumps(entry)
        for _, entry in sorted(latest.items())
        if all(owner[name] == (entry["content"], entry["options"]) for name in entry["files"])
    ]
    write_text(out / NUMBERS, "".join(f"{line}\n" for line in kept))
    for part in parts:
        part.unlink()


def merge_together(out: Path, state: PartialState) -> None:
    """`merge` in the main process while the others wait: a process that ends early would end them all."""
    state.wait_for_everyone()
    if state.is_main_process:
        merge(out)
    state.wait_for_everyone()


def content_of(image: Path) -> str:
    """A hash of the content of an image file, 64 hexadecimal digits."""
    return sha256(image.read_bytes()).hexdigest()


def _only_failed_again(entry: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether an entry says no more than that what was done before failed this time."""
    if "error" not in entry or "error" in before or entry["options"] != before["options"]:
        return False
    return entry["content"] in ("", before["content"])


def _parts(out: Path) -> list[Path]:
    return sorted(out.glob("numbers-*.jsonl"))


def _entries(out: Path) -> Iterator[dict[str, Any]]:
    """All entries, the merged ones first. A line that was cut short when its process was killed is skipped."""
    for path in (out / NUMBERS, *_parts(out)):
        if not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):
                continue
            if isinstance(entry, dict) and {"image", "content", "options", "files"} <= entry.keys():
                yield entry
