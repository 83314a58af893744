"""One split of a dataset: its images, and what is known of their classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from dan_model.errors import DatasetError


@dataclass(frozen=True, eq=False)
class FaceSet:
    """One split of a dataset.

    Attributes:
        name: The name of the dataset and the split, for messages.
        labels: The K class names in the order of `targets`.
        paths: The paths of the N images.
        targets: The part of each class in each image, (N, K), rows sum to 1; one-hot for hard labels.
        notes: What was odd about the folder and how it was read nevertheless, in sentences.
    """

    name: str
    labels: tuple[str, ...]
    paths: tuple[Path, ...]
    targets: Tensor
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)

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
        return FaceSet(name, self.labels, self.paths + other.paths, torch.cat([self.targets, other.targets]), notes)

    def every(self, step: int) -> FaceSet:
        """Every step-th image."""
        return self.chosen(range(0, len(self), step))

    def chosen(self, indices: Sequence[int]) -> FaceSet:
        """Some of the images, in this order."""
        return replace(self, paths=tuple(self.paths[i] for i in indices), targets=self.targets[list(indices)])
