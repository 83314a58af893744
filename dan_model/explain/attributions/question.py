"""A question about one face, and what it costs to answer: the score as a function that Captum can call."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchvision.transforms.v2.functional import gaussian_blur

from dan_model.errors import ArgumentError, DeviceMemoryError, Stopped
from dan_model.explain.regions import Regions
from dan_model.explain.score import Score
from dan_model.network import DAN, Stages, frozen
from dan_model.preprocess import black, normalised

CPU_BATCH = 8  # images per pass; larger ones are no faster on a CPU and need more memory
GPU_BATCH = 64
BYTES_PER_IMAGE = 120e6  # of one image on its way through the network and back, with room to spare
BLUR, BLUR_KERNEL = 16.0, 97  # standard deviation and width in pixels: nothing smaller than an eye is left
MEAN = "mean"
BASELINES = ("black", "blur", MEAN)
"""What stands for "nothing there": a black image, the face itself out of focus, the mean of the reference faces."""

T = TypeVar("T")


@dataclass(eq=False)
class Effort:
    """What an answer has cost so far: images that went through the network, and of these, those that went back."""

    forwards: int = 0
    backwards: int = 0


@dataclass(frozen=True, eq=False)
class Question:
    """Why this score for this face? Several questions may be asked of one network at a time; passes take turns.

    Attributes:
        model: The network.
        x: One normalised face, (1, 3, 224, 224), on the model's device.
        score: What is explained.
        lock: Held during each pass; methods that hang hooks on the model hold it throughout.
        proceed: Asked before each pass; when it says no, the answer ends with `Stopped`.
        regions: Where the parts of the face are, or None.
        mean_face: The mean of the reference faces, (1 or 3, s, s) in [0, 1], or None.
        effort: What the answer has cost so far.
    """

    model: DAN
    x: Tensor
    score: Score
    lock: RLock = field(default_factory=RLock)
    proceed: Callable[[], bool] = lambda: True
    regions: Regions | None = None
    mean_face: Tensor | None = None
    effort: Effort = field(default_factory=Effort)

    def leaf(self) -> Tensor:
        """The face, to hand gradients to."""
        return self.x.detach().clone().requires_grad_()

    def baseline(self, name: str) -> Tensor:
        """One of `BASELINES` as the network sees it, (1, 3, 224, 224).

        Raises:
            ArgumentError: There is no such baseline, or none for these weights.
        """
        config = self.model.config.preprocess
        if name == "black":
            return black(config).to(self.x)
        if name == "blur":
            return gaussian_blur(self.x, BLUR_KERNEL, BLUR).to(self.x)  # autocast may have halved it
        if name != MEAN:
            raise ArgumentError(f"There is no baseline {name!r}.", f"Choose from: {', '.join(BASELINES)}.")
        if self.mean_face is None:
            raise ArgumentError("These weights bring no mean face.", "Choose another baseline, or see `reference`.")
        side = self.x.shape[-1]
        face = F.interpolate(self.mean_face[None].float(), size=(side, side), mode="bilinear", align_corners=False)
        return normalised(face, config).to(self.x)

    def scores(self, faces: Tensor) -> Tensor:
        """The score of each of many faces (n, 3, 224, 224), (n,) on the CPU; without gradients."""
        return self._each(faces, Scored(self))

    def answers(self, faces: Tensor) -> Tensor:
        """As `scores`, as `Score.answer` gives it."""
        return self._each(faces, Scored(self, self.score.answer))

    def bounded(self, run: Callable[[int], T]) -> T:
        """Run with as many images per pass as the device has room for; half as many where it had not.

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

    def _each(self, faces: Tensor, scored: Scored) -> Tensor:
        with torch.no_grad():
            return self.bounded(lambda size: torch.cat([scored(part).cpu() for part in faces.split(size)]))


class Scored(nn.Module):
    """A question's score as a function of the input: (n, 3, 224, 224) -> (n,). Gradients flow to the input alone.

    Args:
        question: Whose.
        read: The score of stages; None: the question's own.
    """

    def __init__(self, question: Question, read: Callable[[DAN, Stages], Tensor] | None = None) -> None:
        super().__init__()
        self.dan = question.model
        self.question = question
        self.read = read or question.score.read

    def forward(self, x: Tensor) -> Tensor:
        question = self.question
        if not question.proceed():
            raise Stopped
        question.effort.forwards += len(x)
        if torch.is_grad_enabled():
            question.effort.backwards += len(x)
        with question.lock, frozen(self.dan):
            return self.read(self.dan, self.dan.stages(x))


@contextmanager
def hooks_untold() -> Iterator[None]:
    """Without Captum's warnings that it hangs hooks on the network: it takes them off again, as tests see to."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Setting (forward, )?backward hooks", UserWarning)
        yield


def batch_size(device: torch.device) -> int:
    """How many images go through the network at once on a device."""
    if device.type != "cuda":
        return CPU_BATCH
    free, _ = torch.cuda.mem_get_info(device)
    return int(max(1, min(GPU_BATCH, free // BYTES_PER_IMAGE)))
