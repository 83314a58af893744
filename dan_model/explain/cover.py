"""Cover and look again: part of a face is covered, and the covered face is explained for the same score."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from dan_model.errors import ArgumentError
from dan_model.explain.attributions import task
from dan_model.explain.explainer import Explainer
from dan_model.explain.explanation import Explanation
from dan_model.explain.regions import REGIONS, SIDE, Regions
from dan_model.faces import FaceCrop
from dan_model.texts import untranslated as N_

GREY, BLUR, MEAN = FILLS = (N_("grey"), N_("blur"), N_("mean face"))
CELLS = 56  # of the page's mask along each side: 4 pixels of the network's input each
GREY_VALUE = 128  # of 255
BLUR_DEVIATION = task.BLUR / SIDE  # of the Gaussian, as a part of the crop's side: as in the baseline


@dataclass(frozen=True, eq=False)
class Cover:
    """What covers a face.

    Attributes:
        mask: Which cells of the crop are covered, (n, n) bool, at any resolution.
        fill: What is shown there, in `FILLS`.
    """

    mask: np.ndarray
    fill: str = GREY

    def __post_init__(self) -> None:
        if self.mask.ndim != 2 or self.mask.shape[0] != self.mask.shape[1] or not self.mask.size:
            raise ArgumentError(f"mask must be square, got the shape {tuple(self.mask.shape)}.")
        if self.fill not in FILLS:
            raise ArgumentError(f"There is no fill {self.fill!r}.", f"Choose from: {', '.join(FILLS)}.")


def explain_covered(explainer: Explainer, explanation: Explanation, cover: Cover) -> Explanation:
    """The same face with a part of it covered, explained for the same score, without attributions; one pass.

    Raises:
        ArgumentError: The mean face is wanted, and the weights have none.
    """
    mean_face = None if explainer.reference is None else explainer.reference.mean_face
    crop, score = cover_crop(explanation.crop, cover, mean_face), explanation.score
    return next(
        explainer.stream_crop(
            crop, score.target, against=score.against, head=score.head, score=score.kind, prior=explanation.prior
        )
    )


def region_cells(regions: Regions) -> np.ndarray:
    """The index of the region in the middle of each of the `CELLS` x `CELLS` cells, (CELLS, CELLS)."""
    step = len(regions.map) // CELLS
    return np.asarray(regions.map[step // 2 :: step, step // 2 :: step])


def cover_region(regions: Regions, name: str, fill: str = GREY) -> Cover:
    """The cover of one of `REGIONS`, as the page makes it."""
    return Cover(region_cells(regions) == REGIONS.index(name), fill)


def cover_crop(crop: FaceCrop, cover: Cover, mean_face: Tensor | None = None) -> FaceCrop:
    """A copy of a crop whose masked cells show the fill; all other pixels stay as they are.

    Args:
        crop: The face.
        cover: What covers it.
        mean_face: (1 or 3, s, s) in [0, 1]; needed for the fill `MEAN`.

    Raises:
        ArgumentError: The mean face is wanted, and there is none.
    """
    side = crop.pixels.shape[0]
    mask = F.interpolate(torch.from_numpy(cover.mask)[None, None].float(), (side, side), mode="nearest-exact")[0, 0]
    fill = _fill(crop.pixels, cover.fill, mean_face)
    return replace(crop, pixels=np.where(mask.numpy()[..., None] > 0, fill, crop.pixels))


def _fill(pixels: np.ndarray, name: str, mean_face: Tensor | None) -> np.ndarray:
    """What the fill shows everywhere, (S, S, 3) uint8."""
    if name == GREY:
        return np.full_like(pixels, GREY_VALUE)
    side = pixels.shape[0]
    if name == BLUR:
        deviation = BLUR_DEVIATION * side
        kernel = 2 * min(round(3 * deviation), side - 1) + 1  # three deviations either way
        planes = torch.from_numpy(pixels).permute(2, 0, 1).float()
        return gaussian_blur(planes, kernel, deviation).round().to(torch.uint8).permute(1, 2, 0).numpy()
    if mean_face is None:
        raise ArgumentError("These weights have no mean face.", f"Choose {GREY} or {BLUR}.")
    face = F.interpolate(mean_face[None].float(), (side, side), mode="bilinear", align_corners=False)[0]
    return (face.clamp(0, 1) * 255).round().to(torch.uint8).expand(3, -1, -1).permute(1, 2, 0).numpy()
