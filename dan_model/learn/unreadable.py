"""The images of a dataset that cannot be read: left out, named and counted; too many of them are refused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from dan_model.errors import DatasetError, ImageError
from dan_model.learn.sources import ImageSource, pixels_of

MOST_UNREADABLE = 0.05  # part of the images; with more, the dataset is damaged, and what is measured means little
NAMED = 10  # images that a note names


class Unreadable:
    """Which images of a dataset were left out because they cannot be read.

    Args:
        name: Of the dataset, for messages.
        total: How many images are read.

    Attributes:
        files: By path, in the order in which they were found: why the image cannot be read.
    """

    def __init__(self, name: str, total: int) -> None:
        self._name, self._total = name, total
        self.files: dict[str, str] = {}

    def add(self, path: ImageSource, error: ImageError) -> None:
        """Count an image.

        Raises:
            DatasetError: It is one more than `MOST_UNREADABLE` of them.
        """
        self.files[str(path)] = str(error)
        if len(self.files) > MOST_UNREADABLE * self._total:
            first, reason = next(iter(self.files.items()))
            raise DatasetError(
                f"{first} cannot be read as an image: {reason} With it, {len(self.files)} or more of "
                f"{self._total:,} images of {self._name} cannot be read; at most {MOST_UNREADABLE:.0%} may be.",
                "Copy the dataset again.",
            ) from error

    def images(self, paths: Iterable[ImageSource]) -> Iterator[np.ndarray]:
        """The pixels (H, W, 3) of those images that can be read; the others are added."""
        for path in paths:
            try:
                yield pixels_of(path)
            except ImageError as error:
                self.add(path, error)

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence that counts and names them; none where all can be read."""
        if not self.files:
            return ()
        named = [f"{path} ({reason.rstrip('.')})" for path, reason in list(self.files.items())[:NAMED]]
        more = f"; and {len(self.files) - NAMED} more" if len(self.files) > NAMED else ""
        count = f"{len(self.files)} of {self._total:,} images of {self._name} cannot be read: left out"
        return (f"{count}: {'; '.join(named)}{more}.",)
