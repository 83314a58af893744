"""The bare pass that other work is compared with: the network's logits, in the fastest way that PyTorch has here."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from dan_model.network import DAN

ONE = "one bare forward pass"


def bare_pass(model: DAN, x: Tensor) -> Callable[[], None]:
    """A forward pass of the faces x (B, 3, H, W), in inference mode and channels-last, as a function to be timed."""
    x = x.contiguous(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            model(x)
            if x.is_cuda:
                torch.cuda.synchronize()

    return run
