"""Recipes: all settings of a training, everything besides the data that determines its result."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from dan_model.errors import ArgumentError
from dan_model.learn.augmentation import Augmentation

Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["cosine", "step", "exponential"]
OPTIMIZERS, SCHEDULES = get_args(Optimizer), get_args(Schedule)


@dataclass(frozen=True)
class Phase:
    """A part of the training with one input size.

    Attributes:
        size: Side of the network's input in pixels.
        epochs: The number of epochs.
    """

    size: int
    epochs: int


@dataclass(frozen=True)
class Recipe:
    """The settings of a training. The weights are those of the terms in `objective`.

    Attributes:
        phases: Phases that follow each other; the learning rate schedule runs over all of them.
        batch_size: Images per step, over all processes.
        optimizer: sgd (momentum 0.9), adam or adamw.
        lr: Highest learning rate.
        weight_decay: Weight decay of the optimizer.
        schedule: cosine (to zero), step (times `gamma` every `step_epochs`), or exponential (times `gamma` each epoch).
        gamma: Factor of the schedules step and exponential.
        step_epochs: Epochs between two steps of the schedule step.
        warmup_epochs: Epochs over which the learning rate rises linearly from zero; may be a fraction.
        sampling: Images are drawn in proportion to count^-sampling of their class. 0: every image equally often;
            1: every class equally often.
        label_smoothing: The part of each target that is distributed over all classes.
        affinity: Weight of the affinity loss (paper, section 3.1).
        partition: Weight of the partition loss (paper, section 3.3).
        overlap: Weight of the mean pairwise cosine of the head maps above `overlap_margin`.
        overlap_margin: The cosine that is not penalised.
        balance: Weight of how unevenly the embeddings are distributed over the heads.
        outside: Weight of the part of each head's attention that is outside the face.
        alone: Weight of the cross-entropy of each head alone, with auxiliary classifiers that are not saved.
        needed: Weight of how far ablating a head raises the cross-entropy by less than `needed_margin`, or by more than
            `needed_most`.
        needed_margin: The rise of the cross-entropy that ablating a head should cause at least, in nats.
        needed_most: The rise that it should cause at most, so that no head decides alone; 0: no limit.
        fewer: Weight of the cross-entropy with a part of the heads ablated, a different one from image to image.
        follow: Weight of 1 less the correlation between the map of a moved face and the moved map of the same face
            before it was moved. Every image is then seen twice in a step, moved and as it is.
        alike: Weight of the energy of a head's maps in a batch that their mean explains, above `alike_margin`.
        alike_margin: The part of the energy that is not penalised.
        attention_scale: Factor on the last normalisations of the spatial attention before training; 1: as published.
        ema: Decay per step of the moving average of the weights, which is evaluated and saved; 0: no average.
        clip: Largest norm of the gradient; 0: no limit.
        augmentation: Random changes of the training images.
        seed: Seed of all random numbers.
    """

    phases: tuple[Phase, ...]
    batch_size: int = 256
    optimizer: Optimizer = "sgd"
    lr: float = 0.1
    weight_decay: float = 1e-4
    schedule: Schedule = "cosine"
    gamma: float = 0.1
    step_epochs: int = 10
    warmup_epochs: float = 0.0
    sampling: float = 0.0
    label_smoothing: float = 0.0
    affinity: float = 1.0
    partition: float = 1.0
    overlap: float = 0.0
    overlap_margin: float = 0.0
    balance: float = 0.0
    outside: float = 0.0
    alone: float = 0.0
    needed: float = 0.0
    needed_margin: float = 0.1
    needed_most: float = 0.0
    fewer: float = 0.0
    follow: float = 0.0
    alike: float = 0.0
    alike_margin: float = 0.5
    attention_scale: float = 1.0
    ema: float = 0.0
    clip: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.phases or min(phase.epochs for phase in self.phases) < 1:
            raise ArgumentError(f"A recipe needs phases of one epoch or more, got {self.phases}.", "Add one.")
        if self.batch_size < 2:
            raise ArgumentError(
                f"batch_size must be 2 or more, got {self.batch_size}.", "BatchNorm needs more than one image."
            )
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ArgumentError(f"There is no {name} {getattr(self, name)!r}.", f"Choose from: {', '.join(known)}.")
        if self.lr <= 0 or self.step_epochs < 1:
            raise ArgumentError(
                f"lr must be above 0 and step_epochs 1 or more, got {self.lr} and {self.step_epochs}.", "Correct them."
            )

    @property
    def epochs(self) -> int:
        """The number of epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def size(self, epoch: int) -> int:
        """The input size of an epoch, counted from 0."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase.size
            epoch -= phase.epochs
        return self.phases[-1].size

    def rate(self, epoch: float) -> float:
        """The learning rate at a point of the training, given in epochs from the start."""
        warm = min(1.0, epoch / self.warmup_epochs) if self.warmup_epochs else 1.0
        if self.schedule == "cosine":
            return self.lr * warm * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
        steps = int(epoch) // self.step_epochs if self.schedule == "step" else int(epoch)
        return self.lr * warm * self.gamma**steps


PUBLISHED = Augmentation(
    probability=0.2, degrees=20, shift=1 / 7, scale=(1, 1), mirror=0.5, brightness=0, contrast=0, erase=0.5,
    erased_area=(0.02, 0.25), noise=False, edge=False,
)  # fmt: skip
AFFECTNET = Recipe(
    (Phase(224, 40),), optimizer="adam", lr=1e-4, weight_decay=0, schedule="exponential", gamma=0.6, sampling=1,
    augmentation=replace(PUBLISHED, probability=0.7, shift=0.2, scale=(0.8, 1), erased_area=(0.02, 0.33)),
)  # fmt: skip
FERPLUS = Recipe(
    (Phase(64, 30), Phase(112, 20), Phase(224, 20)), weight_decay=5e-4, warmup_epochs=2, sampling=0.35,
    affinity=0.1, partition=0.1, overlap=0.5, overlap_margin=0.2, balance=1.5, outside=1.5, needed=0.3,
    needed_margin=0.05, attention_scale=0.02, ema=0.999, clip=2.0,
)  # fmt: skip
RECIPES: Mapping[str, Recipe] = {
    "rafdb": Recipe((Phase(224, 40),), schedule="step", augmentation=PUBLISHED),
    "sfew": Recipe((Phase(224, 40),), lr=0.01, schedule="step", augmentation=PUBLISHED),
    "affectnet7": AFFECTNET,
    "affectnet8": AFFECTNET,
    "ferplus": FERPLUS,
    "ferplus-moved": replace(
        FERPLUS, augmentation=Augmentation(degrees=25, shift=0.2, scale=(0.8, 1.25)), follow=1.0, alike=1.0, fewer=0.1,
        balance=2.0, needed=4.0, needed_margin=0.1, needed_most=0.4,
    ),
}  # fmt: skip
"""Recipes by name. rafdb and affectnet are the published ones. sfew is this package's reading of the paper, which
fine-tunes on SFEW. ferplus is this package's own; ferplus-moved adds terms that ask the maps to follow a moved face."""
