"""FER+: FER2013Train/label.csv with ten votes a line, and the images beside it."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from dan_model.errors import DatasetError
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.folders import require_files, root_of
from dan_model.learn.layouts.tables import rows_of

FERPLUS_LABELS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
FOLDERS = {"train": "FER2013Train", "valid": "FER2013Valid", "test": "FER2013Test"}
MAJORITY, VOTES = "majority", "votes"


def clean_votes(votes: Tensor) -> Tensor:
    """FER+ votes (N, 10) without single votes, which count as mistakes (Barsoum et al. 2016, section 3)."""
    return torch.where(votes > 1, votes, 0)


def ferplus(root: Path, split: str, whole: bool, protocol: str = MAJORITY) -> FaceSet:
    """FER+ by majority, or with the votes as targets; see `load_faces`."""
    # The votes.
    root = root_of(root, lambda one: any((one / name).is_dir() for name in FOLDERS.values()))
    folder = root / FOLDERS[split]
    table = folder / "label.csv"
    require_files([table], "FER+ has the votes there")
    rows = rows_of(table)
    try:
        numbers = [[int(v) for v in row[2:12]] for row in rows]
        votes = clean_votes(torch.tensor(numbers).reshape(len(rows), 10))
    except (ValueError, RuntimeError) as error:
        raise DatasetError(f"{table} holds something else than ten votes a line.", "Take FER+'s own file.") from error
    # Targets, and the images that the protocol uses. The last two columns are "unknown" and "not a face".
    expressions, total = votes[:, :8].double(), votes.sum(dim=1).double()
    if protocol == MAJORITY:
        used = expressions.amax(dim=1) * 2 > total
        targets = torch.nn.functional.one_hot(expressions.argmax(dim=1), 8).double()
    elif protocol == VOTES:
        used = (expressions.sum(dim=1) * 2 >= total) & (total > 0)
        targets = expressions / expressions.sum(dim=1, keepdim=True).clamp(min=1)
    else:
        raise DatasetError(f"There is no protocol {protocol!r}.", f"Choose {MAJORITY} or {VOTES}.")
    paths = [folder / rows[i][0] for i in used.nonzero().flatten().tolist()]
    require_files(paths, f"{table} lists it")
    return FaceSet(f"FER+ {split}", FERPLUS_LABELS, tuple(paths), targets[used].float())
