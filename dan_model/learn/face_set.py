"""One split of a dataset: its images, and what is known of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dan_model.errors import DatasetError
from dan_model.learn.sources import ImageSource


@dataclass(frozen=True, eq=False)
class FaceSet:
    """One split of a dataset.

    Attributes:
        name: The name of the dataset and the split, for messages.
        labels: The K class names in the order of `targets`.
        paths: Where the N images are: files, or what else `sources` knows.
        targets: The part of each class in each image, (N, K), rows sum to 1; one-hot for hard labels.
        notes: What was odd about the folder and how it was read nevertheless, in sentences.
        held_out: Whether the dataset has no validation part, so that some of its training images serve as one.
    """

    name: str
    labels: tuple[str, ...]
    paths: tuple[ImageSource, ...]
    targets: Tensor
    notes: tuple[str, ...] = ()
    held_out: bool = False

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def files(self) -> tuple[Path, ...]:
        """The image files.

        Raises:
            DatasetError: An image is not a file of its own.
        """
        found = tuple(path for path in self.paths if isinstance(path, Path))
        if len(found) < len(self):
            raise DatasetError(f"The images of {self.name} are no files of their own.", "Take a dataset of files.")
        return found

    @property
    def classes(self) -> Tensor:
        """The class of each image, (N,): the one with the largest target."""
        return self.targets.argmax(dim=1)

    def in_order_of(self, labels: Sequence[str]) -> FaceSet:
        """The same images with the targets in the class order of a network.

        Raises:
            DatasetError: The classes are not the same.
        """
        missing, unknown = set(labels) - set(self.labels), set(self.labels) - set(labels)
        if missing or unknown:
            differences = "; ".join(
                f"only {side} has {', '.join(sorted(names))}"
                for side, names in (("the network", missing), (self.name, unknown))
                if names
            )
            raise DatasetError(
                f"{self.name} and the network have different classes: {differences}.",
                "Take a dataset and weights with the same classes, or evaluate with --classes common.",
            )
        order = [self.labels.index(label) for label in labels]
        return replace(self, labels=tuple(labels), targets=self.targets[:, order])

    def of_classes(self, labels: Sequence[str]) -> FaceSet:
        """The images of some of the classes, with the targets in the order of `labels`; the others are left out.

        Raises:
            DatasetError: No image is left.
        """
        columns = [self.labels.index(label) for label in labels]
        keep = torch.isin(self.classes, torch.tensor(columns)).nonzero()[:, 0].tolist()
        if not keep:
            raise DatasetError(f"{self.name} has no image of {', '.join(labels) or 'these classes'}.", "Take another.")
        targets = self.targets[keep][:, columns]
        return replace(self.chosen(keep), labels=tuple(labels), targets=targets / targets.sum(dim=1, keepdim=True))

    def joined(self, other: FaceSet) -> FaceSet:
        """These images and those of another set, with the labels in this set's order.

        Raises:
            DatasetError: The classes are not the same.
        """
        if set(self.labels) != set(other.labels):
            raise DatasetError(f"{self.name} and {other.name} have different classes.", "Join parts of one dataset.")
        other = other.in_order_of(self.labels)
        name = self.name if other.name == self.name else f"{self.name} and {other.name}"
        notes = tuple(dict.fromkeys(self.notes + other.notes))
        targets = torch.cat([self.targets, other.targets])
        return replace(self, name=name, paths=self.paths + other.paths, targets=targets, notes=notes)

    def every(self, step: int) -> FaceSet:
        """Every step-th image."""
        return self.chosen(range(0, len(self), step))

    def chosen(self, indices: Sequence[int]) -> FaceSet:
        """Some of the images, in this order."""
        return replace(self, paths=tuple(self.paths[i] for i in indices), targets=self.targets[list(indices)])
