"""The images of a `FaceSet` in batches: decoded once if they fit into memory, in an order that can be resumed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dan_model.config import PreprocessConfig
from dan_model.errors import DatasetError, ImageError
from dan_model.faces import to_detail
from dan_model.learn.face_set import FaceSet
from dan_model.learn.sources import pixels_of
from dan_model.learn.unreadable import Unreadable

MEMORY = 4e9  # bytes; larger datasets are decoded again in each epoch


class Pixels(Dataset[tuple[Tensor, Tensor]]):
    """The pixels of a `FaceSet`, reduced to the colours and the resolution that a network is trained on.

    Every image is decoded once at the start. Those that cannot be read are left out from then on, so that all processes
    and a training that is resumed have the same images in the same order.

    Args:
        faces: The images.
        config: The network's preprocessing.
        memory: A dataset of at most this many bytes is held in memory, in the attribute `decoded`.

    Attributes:
        faces: The images that can be read.
        unreadable: Those that cannot, by path, and why.
        notes: What was odd about the dataset, in sentences.

    Raises:
        DatasetError: More than `MOST_UNREADABLE` of the images cannot be read.
    """

    def __init__(self, faces: FaceSet, config: PreprocessConfig, memory: float = MEMORY) -> None:
        self.faces, self.config = faces, config
        side = config.detail_size or config.image_size
        size = side * side * (1 if config.grayscale else 3)
        held = size * len(faces) <= memory
        left_out, readable, images = Unreadable(faces.name, len(faces)), [], []
        with ThreadPoolExecutor() as pool:
            for index, image in enumerate(pool.map(partial(self._try, held=held), range(len(faces)))):
                if isinstance(image, ImageError):
                    left_out.add(faces.paths[index], image)
                    continue
                readable.append(index)
                images.append(image)
        self.faces = faces if len(readable) == len(faces) else faces.chosen(readable)
        self.decoded = torch.stack([image for image in images if image is not None]) if held else None  # (N, n, s, s)
        self.unreadable = left_out.files
        self.notes = (*faces.notes, *left_out.notes)

    def __len__(self) -> int:
        return len(self.faces)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Pixels (n, s, s) uint8 and target (K,) of one image."""
        pixels = self._decode(index) if self.decoded is None else self.decoded[index]
        return pixels, self.faces.targets[index]

    def batches(self, indices: Iterable[list[int] | Tensor], workers: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield pixels (B, n, s, s) uint8 and targets (B, K) of each group of indices.

        Args:
            indices: The groups, each with the indices of one batch.
            workers: The number of processes that decode images; used only if these are not in memory.

        Raises:
            DatasetError: An image cannot be read any more.
        """
        if self.decoded is not None:
            for group in indices:
                chosen = torch.as_tensor(group)
                yield self.decoded[chosen], self.faces.targets[chosen]
            return
        order = [torch.as_tensor(group).tolist() for group in indices]
        try:
            yield from DataLoader(self, batch_sampler=order, num_workers=workers)
        except DatasetError as error:  # from a worker process, the message includes the traceback as text
            raise DatasetError(str(error).rpartition(f"{DatasetError.__name__}: ")[2].strip()) from None

    def _try(self, index: int, held: bool) -> Tensor | ImageError | None:
        """An image where it is held in memory, else nothing; or why it cannot be read."""
        try:
            pixels = pixels_of(self.faces.paths[index])
        except ImageError as error:
            return error
        return to_detail(Image.fromarray(pixels), self.config) if held else None

    def _decode(self, index: int) -> Tensor:
        path = self.faces.paths[index]
        try:
            return to_detail(Image.fromarray(pixels_of(path)), self.config)
        except ImageError as error:
            raise DatasetError(f"{path} cannot be read any more: {error}", "Check the disk, then resume.") from error


def training_order(
    faces: FaceSet, sampling: float, batch_size: int, seed: int, epoch: int, part: int = 0, parts: int = 1
) -> list[list[int]]:
    """The batches of one epoch for one process; always the same for the same seed and epoch.

    Args:
        faces: The training set.
        sampling: 0: every image once. Above 0: images are drawn with replacement, with probabilities in proportion to
            count^-sampling of their class.
        batch_size: The number of images in a batch, over all processes.
        seed: The seed of the training.
        epoch: The epoch, counted from 0.
        part: The index of this process.
        parts: The number of processes.

    Returns:
        Batches of batch_size / parts indices. Images that do not fill a batch are left out of this epoch.

    Raises:
        DatasetError: There are too few images for a batch, or a batch is too small for this number of processes.
    """
    # The order of all images, for all processes.
    generator = torch.Generator().manual_seed(seed * 100_003 + epoch)
    if sampling:
        order = torch.multinomial(_odds(faces, sampling), len(faces), True, generator=generator)
    else:
        order = torch.randperm(len(faces), generator=generator)
    # The batches of this process.
    own = batch_size // parts
    if own < 2:
        raise DatasetError(f"A batch of {batch_size} is too small for {parts} processes.", "Give two images to each.")
    steps = len(order) // (own * parts)
    if not steps:
        raise DatasetError(
            f"{faces.name} has {len(faces)} images, too few for a batch of {batch_size}.", "Take a smaller batch."
        )
    return order[: steps * own * parts].reshape(steps, parts, own)[:, part].tolist()


def class_prior(faces: FaceSet, sampling: float) -> tuple[float, ...] | None:
    """The part of each class in a training set as `training_order` draws it, (K,), sums to 1; None if one is missing.

    An image counts for each class in proportion to its target: FER+'s votes, for example.
    """
    odds = _odds(faces, sampling)
    prior = (odds / odds.sum()) @ faces.targets.double()
    return tuple(prior.tolist()) if float(prior.min()) > 0 else None


def _odds(faces: FaceSet, sampling: float) -> Tensor:
    """How likely each image is to be drawn, (N,) up to a factor: count^-sampling of its class."""
    counts = torch.bincount(faces.classes, minlength=len(faces.labels)).clamp(min=1).double()
    return counts[faces.classes] ** -sampling


def evaluation_order(count: int, batch_size: int, part: int = 0, parts: int = 1) -> list[list[int]]:
    """The indices part, part + parts, … in batches: over all processes, each index below `count` exactly once."""
    own = list(range(part, count, parts))
    return [own[i : i + batch_size] for i in range(0, len(own), batch_size)]
