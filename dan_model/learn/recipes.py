"""How to train: everything that decides the result besides the data. Recipes are plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from dan_model.errors import ArgumentError
from dan_model.learn.augment import Augmentation

Optimizer = Literal["sgd", "adam", "adamw"]
Schedule = Literal["cosine", "step", "exponential"]
OPTIMIZERS, SCHEDULES = get_args(Optimizer), get_args(Schedule)


@dataclass(frozen=True)
class Phase:
    """A part of the training at one input size."""

    size: int
    epochs: int


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes:
        phases: One after the other; the schedule runs over all of them.
        batch_size: Images per step, over all processes.
        optimizer: sgd (momentum 0.9), adam or adamw.
        lr: Highest learning rate.
        weight_decay: Of the weights.
        schedule: cosine (to zero), step (times `gamma` every `step_epochs`), or exponential (times `gamma` each epoch).
        gamma: Of step and exponential.
        step_epochs: Of step.
        warmup_epochs: The learning rate rises evenly over these; may be a fraction.
        sampling: Images are drawn in proportion to count^-sampling of their class: 0 all alike, 1 all classes alike.
        label_smoothing: Part of each target that is spread over all classes.
        affinity: Weight of the affinity loss.
        partition: Weight of the partition loss.
        overlap: Weight of the mean pairwise cosine of the head maps above `overlap_margin`.
        overlap_margin: Cosine that is free.
        balance: Weight of how unevenly the embeddings are spread over the heads.
        outside: Weight of the part of each head's attention outside the face.
        alone: Weight of the heads' cross-entropy when each classifies alone, by layers that are dropped later.
        needed: Weight of how far muting each head falls short of costing `needed_margin`.
        needed_margin: Rise of the cross-entropy that muting a head should cost, in nats.
        attention_scale: Factor on the spatial attention's last normalisation before training; 1 is the published start.
        ema: Decay per step of the average of the weights that is evaluated and saved; 0: none.
        clip: Largest norm of the gradient; 0: none.
        augmentation: Of the training images.
        seed: Of everything that is drawn.
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
    attention_scale: float = 1.0
    ema: float = 0.0
    clip: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.phases or min(phase.epochs for phase in self.phases) < 1:
            raise ArgumentError(f"A recipe needs phases of one epoch or more, got {self.phases}.", "Give some.")
        if self.batch_size < 2:
            raise ArgumentError(f"batch_size must be 2 or more, got {self.batch_size}.", "BatchNorm needs company.")
        for name, known in (("optimizer", OPTIMIZERS), ("schedule", SCHEDULES)):
            if getattr(self, name) not in known:
                raise ArgumentError(f"There is no {name} {getattr(self, name)!r}.", f"Choose from: {', '.join(known)}.")
        if self.lr <= 0 or self.step_epochs < 1:
            raise ArgumentError(
                f"lr must be above 0 and step_epochs 1 or more, got {self.lr} and {self.step_epochs}.", "Change them."
            )

    @property
    def epochs(self) -> int:
        """Of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def size(self, epoch: int) -> int:
        """The input size of an epoch, counted from 0."""
        for phase in self.phases:
            if epoch < phase.epochs:
                return phase.size
            epoch -= phase.epochs
        return self.phases[-1].size

    def rate(self, epoch: float) -> float:
        """The learning rate at a time, in epochs from the start."""
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
RECIPES: Mapping[str, Recipe] = {
    "rafdb": Recipe((Phase(224, 40),), schedule="step", augmentation=PUBLISHED),
    "sfew": Recipe((Phase(224, 40),), lr=0.01, schedule="step", augmentation=PUBLISHED),
    "affectnet7": AFFECTNET,
    "affectnet8": AFFECTNET,
    "ferplus": Recipe(
        (Phase(64, 30), Phase(112, 20), Phase(224, 20)), weight_decay=5e-4, warmup_epochs=2, sampling=0.35,
        affinity=0.1, partition=0.1, overlap=0.5, overlap_margin=0.2, balance=1.5, outside=1.5, needed=0.3,
        needed_margin=0.05, attention_scale=0.02, ema=0.999, clip=2.0,
    ),
}  # fmt: skip
"""By name. rafdb and affectnet are the published ones; sfew is this package's reading (the paper fine-tunes there)."""
