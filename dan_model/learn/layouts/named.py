"""Folders by class name: SFEW 2.0, and any root/split/class/image."""

from __future__ import annotations

from pathlib import Path

from dan_model.errors import DatasetError
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.folders import SPLIT_FOLDERS, by_class, class_folders, first_folder, root_of, split_folder
from dan_model.learn.layouts.held_out import name_keys, part_of
from dan_model.weights import PRESETS

SFEW_LABELS = tuple(PRESETS["rafdb"].labels)
REMEDY = "Fill it, or remove the folder."


def sfew(root: Path, split: str, whole: bool) -> FaceSet:
    """SFEW 2.0: Train and Val, with folders by class name."""
    if split == "test":
        raise DatasetError("SFEW 2.0's test labels are not public.", "Take its validation split: valid.")
    root = root_of(root, lambda one: (one / "Train").is_dir() or (one / "Val").is_dir())
    name = f"SFEW 2.0 {split}"
    folder = first_folder(root, ("Train",) if split == "train" else ("Val",), name)
    folders, classes = class_folders(folder)
    return by_class(name, folder, folders, classes, REMEDY).in_order_of(SFEW_LABELS)


def any_folder(root: Path, split: str, whole: bool) -> FaceSet:
    """Any root/split/class/image."""
    root = root_of(root, lambda one: any(split_folder(one, name) for name in SPLIT_FOLDERS))
    return split_by_class(root.name, root, split, whole)


def split_by_class(name: str, root: Path, split: str, whole: bool, labels: tuple[str, ...] = ()) -> FaceSet:
    """A split in class folders; without a folder for validation, training images are held out for it.

    Args:
        name: Of the dataset.
        root: Its folder.
        split: Which split.
        whole: Of train: all of it, whether or not there is a folder for validation.
        labels: The classes by number, where folders may be named by number.
    """
    divided = split != "test" and not split_folder(root, "valid") and not (whole and split == "train")
    stored = "train" if divided else split
    folder = split_folder(root, stored) or first_folder(root, SPLIT_FOLDERS[split], f"{name} {split}, by class,")
    folders, classes = class_folders(folder, labels)
    faces = by_class(f"{name} {stored}", folder, folders, classes, REMEDY)
    return part_of(faces, name_keys(faces.files), split, root) if divided else faces
