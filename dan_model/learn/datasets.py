"""Datasets by name: the images of a split, and their classes.

Every loader (in `layouts`) returns a `FaceSet`: where the images are, and one row of targets for each, in the order of
its labels. No image is decoded here. A folder with another layout is refused; the message says what was expected and
what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dan_model.errors import DatasetError
from dan_model.faces import is_image_file, visible_files
from dan_model.files import write_bytes
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.affectnet import affectnet
from dan_model.learn.layouts.fer2013 import fer2013
from dan_model.learn.layouts.ferplus import MAJORITY, ferplus
from dan_model.learn.layouts.named import any_folder, sfew
from dan_model.learn.layouts.rafdb import rafdb

SPLITS = ("train", "valid", "test")
LOADERS: Mapping[str, Callable[[Path, str, bool], FaceSet]] = {
    "ferplus": ferplus,
    "fer2013": fer2013,
    "rafdb": rafdb,
    "affectnet7": affectnet(7),
    "affectnet8": affectnet(8),
    "sfew": sfew,
    "folder": any_folder,
}
"""The loader of each dataset, by name; `folder` is any root/split/class/image."""


def load_faces(dataset: str, root: Path, split: str, protocol: str = MAJORITY, whole: bool = False) -> FaceSet:
    """Load one split of a dataset in its published layout, or in one in which it is passed around.

    Args:
        dataset: One of `LOADERS`.
        root: The folder of the dataset, or the one right above it.
        split: One of `SPLITS`. RAF-DB uses its test split for validation too, as published. The test labels of
            AffectNet and SFEW are not public.
        protocol: For FER+ only. `MAJORITY`: images with a clear majority of votes, with hard labels. `VOTES`: the
            distribution of the votes as targets.
        whole: Of train: all of it. Otherwise some images are held out where the dataset has no validation part.

    Raises:
        DatasetError: There is no such dataset or split, or the folder does not have the published layout.
    """
    if dataset not in LOADERS:
        raise DatasetError(f"There is no dataset {dataset!r}.", f"Choose from: {', '.join(LOADERS)}.")
    if split not in SPLITS:
        raise DatasetError(f"There is no split {split!r}.", f"Choose from: {', '.join(SPLITS)}.")
    if not root.is_dir():
        raise DatasetError(f"{root} is no folder.", f"Give the folder that holds {dataset}.")
    faces = ferplus(root, split, whole, protocol) if dataset == "ferplus" else LOADERS[dataset](root, split, whole)
    if not len(faces):
        raise DatasetError(f"{faces.name} is empty.", "Copy its images and labels.")
    return faces


def copy_tables(root: Path, out: Path) -> None:
    """Copy all files of a dataset except its images: label tables and annotations."""
    for path in visible_files(root):
        if not is_image_file(path):
            write_bytes(out / path.relative_to(root), path.read_bytes())
