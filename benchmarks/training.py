"""Training throughput, as a ratio to the published loop: fp32, each image decoded and augmented by PIL in each epoch.

Both loops train the same network at 224 px on the same generated images, in turns.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.objective import Objective
from dan_model.learn.recipes import RECIPES, Recipe
from dan_model.learn.training import fresh_model
from dan_model.losses import affinity_loss, partition_loss

IMAGES, BATCH, ROUNDS = 96, 32, 4  # images of 100×100 pixels, the size of RAF-DB's


def rows() -> list[Row]:
    """The steps of both loops, measured in turns."""
    recipe = RECIPES["rafdb"]
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with tempfile.TemporaryDirectory() as folder:
        root = _images(Path(folder))
        ours, theirs = _ours(root, recipe, device), _published(root, recipe, device)

        def step(steps: Iterator[None]) -> None:
            next(steps)
            if device.type == "cuda":
                torch.cuda.synchronize()

        runs = {"published loop": lambda: step(theirs), "this package, bf16": lambda: step(ours)}
        medians = median_seconds(runs, ROUNDS)
    ratio = medians["published loop"] / medians["this package, bf16"]
    return [Row(f"images a second in training, bf16, {device}", "the published loop", ratio, "≥ 2")]


def _ours(root: Path, recipe: Recipe, device: torch.device) -> Iterator[None]:
    """This package's loop; each item is one step."""
    config = ModelConfig(("a", "b"), preprocess=PreprocessConfig(detail_size=100))
    pixels = Pixels(load_faces("folder", root, "train"), config.preprocess)
    objective = Objective(fresh_model(config, recipe), recipe).to(device).to(memory_format=torch.channels_last)
    optimizer = torch.optim.SGD(objective.parameters(), 0.1, momentum=0.9, weight_decay=1e-4)
    generator = torch.Generator().manual_seed(0)
    while True:
        for faces, targets in pixels.batches(torch.randperm(IMAGES, generator=generator).split(BATCH)):
            x = recipe.augmentation(faces.to(device), 224, config.preprocess, generator)
            with torch.autocast(device.type, torch.bfloat16):
                loss, _ = objective(x.contiguous(memory_format=torch.channels_last), targets.to(device))
            _step(loss, optimizer)
            yield


def _published(root: Path, recipe: Recipe, device: torch.device) -> Iterator[None]:
    """The published loop; each item is one step."""
    augmentation = transforms.Compose(
        [
            transforms.Resize((224, 224)),
            transforms.RandomHorizontalFlip(),
            transforms.RandomApply([transforms.RandomRotation(20), transforms.RandomCrop(224, padding=32)], p=0.2),
            transforms.ToTensor(),
            transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
            transforms.RandomErasing(scale=(0.02, 0.25)),
        ]
    )
    loader = DataLoader(ImageFolder(root / "train", augmentation), BATCH, shuffle=True)
    model = fresh_model(ModelConfig(("a", "b")), recipe).to(device).train()
    centres = torch.nn.Parameter(torch.randn(2, 512, device=device))
    optimizer = torch.optim.SGD([*model.parameters(), centres], 0.1, momentum=0.9, weight_decay=1e-4)
    while True:
        for x, classes in loader:
            stages = model.stages(x.to(device))
            targets = F.one_hot(classes, 2).float().to(device)
            loss = F.cross_entropy(stages.logits, targets) + partition_loss(stages.embeddings)
            _step(loss + affinity_loss(stages.features.mean(dim=(2, 3)), targets, centres), optimizer)
            yield


def _step(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()


def _images(root: Path) -> Path:
    """Write images of noise in two classes."""
    generator = np.random.default_rng(0)
    for n in range(IMAGES):
        path = root / "train" / "ab"[n % 2] / f"{n}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(generator.integers(0, 256, (100, 100, 3), dtype=np.uint8)).save(path)
    return root
