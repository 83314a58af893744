"""Checkpoints whose files are changed byte by byte: loaded or refused in words, at bounded cost, no code run.

`python -m campaigns.hostile_checkpoints --count 4000 --seed 1` prints the counts, and every failure with what repeats
it.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from campaigns.mutations import mutated
from campaigns.watching import Outcome
from dan_model.errors import DanError
from dan_model.explain.reference import Reference
from dan_model.network import DAN
from dan_model.weights import EMBEDDED, load_checkpoint
from dan_model.weights.checkpoints import CONFIG_FILE, REFERENCE_FILE, WEIGHTS_FILE

SECONDS = 10.0  # of CPU, for one
MEMORY = 1_000_000_000
HEADER = 20_000  # bytes of the tensors' names, types, shapes and places, at the start of the file
ODD: tuple[Any, ...] = (
    None, True, -1, 0, 10**30, 1e308, float("nan"), "", "x" * 10_000, "../../etc/passwd", "http://127.0.0.1:9/x", "<b>",
    [], {}, [[[[]]]], ["a", "a"], [None] * 7, {"a": {"b": []}},
)  # fmt: skip
"""Values that stand in a config where others should."""


class Campaign:
    """The files that are changed, in a folder of their own.

    Args:
        folder: An empty one.
        seed: Of all that is drawn.
    """

    def __init__(self, folder: Path, seed: int) -> None:
        self.folder, self.seed = folder, seed
        shutil.copytree(EMBEDDED, folder / "weights")
        model = load_checkpoint().model
        self.model: DAN = model
        self.config = (EMBEDDED / CONFIG_FILE).read_bytes()
        self.header = (EMBEDDED / WEIGHTS_FILE).read_bytes()[:HEADER]
        self.reference = (EMBEDDED / REFERENCE_FILE).read_bytes()
        small = {name: torch.zeros([1] * tensor.ndim) for name, tensor in model.state_dict().items()}
        buffer = io.BytesIO()
        torch.save({"model_state_dict": small, "epoch": 3}, buffer)
        self.published = buffer.getvalue()
        self.outcome = Outcome()

    def run(self, count: int) -> Outcome:
        """Try so many changed files, of all kinds in turn."""
        kinds = (
            self._config_bytes,
            self._config_values,
            self._config_bytes,
            self._header,
            self._reference,
            self._pickle,
        )
        self._load()  # what is loaded once
        for n in range(count):
            kind = kinds[n % len(kinds)]
            self._attempt(
                f"{kind.__name__.strip('_')} {n} of seed {self.seed}", kind, random.Random(f"{self.seed} {n}")
            )
        self.outcome.check(SECONDS, MEMORY)
        return self.outcome

    def _attempt(self, name: str, kind: Callable[[random.Random], Callable[[], object]], drawn: random.Random) -> None:
        """Change a file, try it, and put it back."""
        self.outcome.attempt(name, kind(drawn), (DanError,), "Traceback", self.folder)
        for file, data in ((CONFIG_FILE, self.config), (REFERENCE_FILE, self.reference)):
            (self.folder / "weights" / file).write_bytes(data)
        self._patch(self.header)

    def _load(self) -> None:
        checkpoint = load_checkpoint(self.folder / "weights")
        assert checkpoint.reference is not None
        Reference.load(checkpoint.reference, checkpoint.model)

    def _config_bytes(self, drawn: random.Random) -> Callable[[], object]:
        (self.folder / "weights" / CONFIG_FILE).write_bytes(mutated(self.config, drawn))
        return self._load

    def _config_values(self, drawn: random.Random) -> Callable[[], object]:
        """Another value anywhere in the config, or another name."""
        config = json.loads(self.config)
        inside: Any = config
        while True:
            key = drawn.choice(list(inside) if isinstance(inside, dict) else list(range(len(inside))))
            if not isinstance(inside[key], (dict, list)) or not inside[key] or drawn.random() < 0.4:
                break
            inside = inside[key]
        if isinstance(inside, dict) and drawn.random() < 0.1:
            inside[str(drawn.choice(ODD))] = inside.pop(key)
        else:
            inside[key] = drawn.choice(ODD)
        (self.folder / "weights" / CONFIG_FILE).write_text(json.dumps(config))
        return self._load

    def _header(self, drawn: random.Random) -> Callable[[], object]:
        """The start of the weights' file changed in place; it stays as long as it was."""
        changed = mutated(self.header, drawn)[:HEADER]
        self._patch(changed)
        return self._load

    def _patch(self, start: bytes) -> None:
        with (self.folder / "weights" / WEIGHTS_FILE).open("r+b") as file:
            file.write(start)

    def _reference(self, drawn: random.Random) -> Callable[[], object]:
        path = self.folder / "weights" / REFERENCE_FILE
        path.write_bytes(mutated(self.reference, drawn))
        return lambda: Reference.load(path, self.model)

    def _pickle(self, drawn: random.Random) -> Callable[[], object]:
        """A published file, changed as a whole, or inside so that its checksums are right."""
        path = self.folder / "published.pth"
        if drawn.random() < 0.3:
            path.write_bytes(mutated(self.published, drawn))
        else:
            with zipfile.ZipFile(io.BytesIO(self.published)) as old, zipfile.ZipFile(path, "w") as new:
                for entry in old.infolist():
                    data = old.read(entry)
                    changed = mutated(data, drawn) if entry.filename.endswith("data.pkl") else data
                    new.writestr(entry.filename, changed)
        return lambda: load_checkpoint(path, "affectnet8")


def main() -> None:
    """Run it; the exit status is 1 where anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        outcome = Campaign(Path(folder), arguments.seed).run(arguments.count)
    print(f"Checkpoints: {outcome}")
    sys.exit(bool(outcome.failures))


if __name__ == "__main__":
    main()
