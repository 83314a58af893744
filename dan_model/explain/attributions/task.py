"""An attribution task: one score of one face, as a function that Captum can call, with what it costs to compute."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from dan_model.errors import ArgumentError, DeviceMemoryError, Stopped
from dan_model.explain.fusion import compute_curve_value, compute_score
from dan_model.explain.pass_order import PassLock
from dan_model.explain.regions import Regions
from dan_model.explain.score import Score
from dan_model.faces import black, normalised
from dan_model.network import DAN, Stages, frozen
from dan_model.texts import untranslated as N_

CPU_BATCH = 8  # images per pass; larger batches are no faster on a CPU and need more memory
GPU_BATCH = 64
BYTES_PER_IMAGE = 120e6  # of one image on its way through the network and back, generously
BLUR, BLUR_KERNEL = 16.0, 97  # standard deviation and width in pixels: nothing smaller than an eye is left
MEAN = N_("mean")
BASELINES = (N_("black"), N_("blur"), MEAN)
"""The reference inputs: a black image, the face itself out of focus, the mean of the reference faces."""

T = TypeVar("T")


@dataclass(eq=False)
class Cost:
    """What a task has cost so far, in passes through the backbone: nearly all of what the network costs.

    Attributes:
        forwards: The number of images that went forward.
        backwards: The number of these that also went backward.
    """

    forwards: int = 0
    backwards: int = 0


@dataclass(frozen=True, eq=False)
class AttributionTask:
    """Explain one score of one face. Several tasks may use one network at a time; their passes take turns.

    Attributes:
        model: The network.
        x: One normalised face, (1, 3, 224, 224), on the device of the model.
        score: What is explained.
        lock: Held during each pass; methods that register hooks on the model hold it throughout.
        should_continue: Called before each pass; when it returns False, the task ends with `Stopped`.
        regions: Where the parts of the face are, or None.
        mean_face: The mean of the reference faces, (1 or 3, s, s) in [0, 1], or None.
        cost: What the task has cost so far.
    """

    model: DAN
    x: Tensor
    score: Score
    lock: PassLock = field(default_factory=PassLock)
    should_continue: Callable[[], bool] = lambda: True
    regions: Regions | None = None
    mean_face: Tensor | None = None
    cost: Cost = field(default_factory=Cost)

    def input_with_gradient(self) -> Tensor:
        """A copy of the face that receives gradients."""
        return self.x.detach().clone().requires_grad_()

    @cached_property
    def features(self) -> Tensor:
        """The features of the face, (1, C, 7, 7), without gradients: one pass, shared by all methods that need them."""
        self.begin_pass(forwards=1)
        with self.lock, frozen(self.model), torch.no_grad():
            return self.model.features(self.x.contiguous(memory_format=torch.channels_last))

    @cached_property
    def gradient(self) -> Tensor:
        """The gradient of the score, (1, 3, 224, 224): one pass back, shared by all methods that need it."""
        x = self.input_with_gradient()
        return torch.autograd.grad(ScoreFunction(self)(x).sum(), x)[0]

    def begin_pass(self, forwards: int, backwards: int = 0) -> None:
        """Count the images of a pass through the network, before it runs.

        Raises:
            Stopped: `should_continue` returned False.
        """
        if not self.should_continue():
            raise Stopped
        self.cost.forwards += forwards
        self.cost.backwards += backwards

    @property
    def default_baseline(self) -> str:
        """The mean face; the blurred face for weights that have none. Maps from a black image are hardly better than
        random ones (docs/faithfulness.md).
        """
        return "blur" if self.mean_face is None else MEAN

    def baseline(self, name: str) -> Tensor:
        """One of `BASELINES` as the network sees it, (1, 3, 224, 224).

        Raises:
            ArgumentError: There is no such baseline, or none for these weights.
        """
        config = self.model.config.preprocess
        if name == "black":
            return black(config).to(self.x)
        if name == "blur":
            kernel = min(BLUR_KERNEL, 2 * self.x.shape[-1] - 1)  # a small face cannot be mirrored further than its side
            return gaussian_blur(self.x, kernel, BLUR).to(self.x)  # autocast may have halved it
        if name != MEAN:
            raise ArgumentError(f"There is no baseline {name!r}.", f"Choose from: {', '.join(BASELINES)}.")
        if self.mean_face is None:
            raise ArgumentError("These weights have no mean face.", "Choose another baseline, or see `reference`.")
        side = self.x.shape[-1]
        face = F.interpolate(self.mean_face[None].float(), size=(side, side), mode="bilinear", align_corners=False)
        return normalised(face, config).to(self.x)

    def scores(self, faces: Tensor) -> Tensor:
        """The score of each of many faces (n, 3, 224, 224): (n,) on the CPU, without gradients."""
        return self._in_batches(faces, ScoreFunction(self))

    def curve_values(self, faces: Tensor) -> Tensor:
        """`compute_curve_value` of each of many faces (n, 3, 224, 224): (n,) on the CPU, without gradients."""
        return self._in_batches(faces, ScoreFunction(self, compute_curve_value))

    def run_in_memory(self, run: Callable[[int], T]) -> T:
        """Call `run` with the number of images per pass that the device has room for, halving it where it has not.

        Raises:
            DeviceMemoryError: There is no room for a single image.
        """
        size = batch_size(self.x.device)
        while True:
            try:
                return run(size)
            except torch.cuda.OutOfMemoryError as error:
                if size == 1:
                    raise DeviceMemoryError("There is no memory for a single pass.", "Take another device.") from error
                size //= 2
            torch.cuda.empty_cache()

    def _in_batches(self, faces: Tensor, function: ScoreFunction) -> Tensor:
        with torch.no_grad():
            return self.run_in_memory(lambda size: torch.cat([function(part).cpu() for part in faces.split(size)]))


class ScoreFunction(nn.Module):
    """The score of a task as a function of the input: (n, 3, 224, 224) -> (n,). Only the input receives gradients.

    Args:
        task: The task.
        compute: Computes a value of each face from its stages.
    """

    def __init__(self, task: AttributionTask, compute: Callable[[DAN, Stages, Score], Tensor] = compute_score) -> None:
        super().__init__()
        self.dan = task.model
        self.task = task
        self.compute = compute

    def forward(self, x: Tensor) -> Tensor:
        task = self.task
        task.begin_pass(len(x), len(x) if torch.is_grad_enabled() else 0)
        x = x.contiguous(memory_format=torch.channels_last)  # a third faster on CPUs, for batches
        with task.lock, frozen(self.dan):
            return self.compute(self.dan, self.dan.stages(x), task.score)


class FeatureScoreFunction(nn.Module):
    """The score of a task as a function of its features: (1, C, 7, 7) -> (1,). It costs no pass through the backbone.

    Args:
        task: The task.
    """

    def __init__(self, task: AttributionTask) -> None:
        super().__init__()
        self.features = nn.Identity()  # the last layer of the backbone, as Captum sees it
        self.task = task

    def forward(self, features: Tensor) -> Tensor:
        task = self.task
        task.begin_pass(forwards=0)
        with task.lock, frozen(task.model):
            return compute_score(task.model, task.model.attend(self.features(features)), task.score)


@contextmanager
def without_hook_warnings() -> Iterator[None]:
    """Silence Captum's warnings about the hooks that it registers on the network; a test sees that it removes them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        yield


def batch_size(device: torch.device) -> int:
    """How many images go through the network at once on a device."""
    if device.type != "cuda":
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(1, min(GPU_BATCH, free // BYTES_PER_IMAGE)))
