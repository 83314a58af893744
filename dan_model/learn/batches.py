"""Images of a `FaceSet` as batches: decoded once where they fit into memory, in an order that can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dan_model.config import PreprocessConfig
from dan_model.errors import DatasetError
from dan_model.learn.datasets import FaceSet
from dan_model.preprocess import to_detail

MEMORY = 4e9  # bytes; larger datasets are decoded anew in each epoch


class Pixels(Dataset[tuple[Tensor, Tensor]]):
    """A `FaceSet` at the detail that a network is trained on.

    Args:
        faces: Which images.
        config: The network's preprocessing.
        memory: Bytes up to which everything is decoded once and kept.
    """

    def __init__(self, faces: FaceSet, config: PreprocessConfig, memory: float = MEMORY) -> None:
        self.faces = faces
        self.config = config
        side = config.detail_size or config.image_size
        size = side * side * (1 if config.grayscale else 3)
        self.kept: Tensor | None = None
        if size * len(faces) <= memory:
            with ThreadPoolExecutor() as pool:
                self.kept = torch.stack(list(pool.map(self._decode, range(len(faces)))))

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Pixels (n, s, s) uint8 and target (K,)."""
        pixels = self._decode(index) if self.kept is None else self.kept[index]
        return pixels, self.faces.targets[index]

    def batches(self, indices: Iterable[list[int] | Tensor], workers: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Pixels (B, n, s, s) and targets (B, K) of each group of indices; `workers` decode what is not kept."""
        if self.kept is not None:
            for group in indices:
                chosen = torch.as_tensor(group)
                yield self.kept[chosen], self.faces.targets[chosen]
            return
        order = [torch.as_tensor(i).tolist() for i in indices]
        try:
            yield from DataLoader(self, batch_sampler=order, num_workers=workers)
        except DatasetError as error:  # a worker's comes with its traceback as text
            raise DatasetError(str(error).rpartition(f"{DatasetError.__name__}: ")[2].strip()) from None

    def _decode(self, index: int) -> Tensor:
        path = self.faces.paths[index]
        try:
            with Image.open(path) as image:
                return to_detail(image, self.config)
        except OSError as error:
            raise DatasetError(f"{path} cannot be read as an image: {error}.", "Copy it again.") from error


def training_order(
    faces: FaceSet, sampling: float, batch_size: int, seed: int, epoch: int, part: int = 0, parts: int = 1
) -> list[list[int]]:
    """The batches of an epoch for one process: the same each time for the same seed and epoch.

    Args:
        faces: The training set.
        sampling: 0 takes every image once; above that images are drawn, with replacement, in proportion to
            count^-sampling of their class.
        batch_size: Over all processes.
        seed: Of the training.
        epoch: Counted from 0.
        part: Which process this is.
        parts: How many there are.

    Returns:
        Batches of batch_size / parts indices; what does not fill a batch is left to other epochs.
    """
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    if sampling:
        counts = torch.bincount(faces.classes, minlength=len(faces.labels)).clamp(min=1).double()
        order = torch.multinomial(counts[faces.classes] ** -sampling, len(faces), True, generator=generator)
    else:
        order = torch.randperm(len(faces), generator=generator)
    own = batch_size // parts
    if own < 2:
        raise DatasetError(f"A batch of {batch_size} is too small for {parts} processes.", "Give two images to each.")
    steps = len(order) // (own * parts)
    if not steps:
        raise DatasetError(f"{faces.name} has {len(faces)} images, too few for a batch of {batch_size}.", "Use less.")
    return order[: steps * own * parts].reshape(steps, parts, own)[:, part].tolist()


def evaluation_order(count: int, batch_size: int, part: int = 0, parts: int = 1) -> list[list[int]]:
    """All indices once, in batches, for one of several processes: none twice, none left out."""
    own = list(range(part, count, parts))
    return [own[i : i + batch_size] for i in range(0, len(own), batch_size)]
