"""The regions of a face: eight regions that tile the crop, drawn from five landmarks.

Positions are given in the frame of the face: the origin lies between the eyes, u runs along the line of the eyes, v
down the face, and the unit is the distance between the eyes. Nose and mouth come from the landmarks, all other lines
from the proportions of a face seen from the front. For a face in profile the regions are less accurate.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.config import LandmarkTemplate, PreprocessConfig
from dan_model.faces import FaceCrop
from dan_model.texts import untranslated as N_

REGIONS = (
    N_("brows"), N_("eyes"), N_("nose"), N_("mouth"), N_("cheeks"), N_("forehead"), N_("chin"), N_("background"),
)  # fmt: skip
FACE = ("brows", "eyes", "nose", "mouth", "cheeks", "chin")  # brows to chin, cheek to cheek
SIDE = 224  # pixels; regions are drawn at this resolution
KEPT_CELLS = 1024  # of a map, up to which the regions' part in each is kept

HALF_WIDTH = 1.12  # of the face's outline, at the eyes
CROWN, CHIN = -1.15, 0.72  # top of the forehead; chin below the mouth
BROWS = (-0.52, -0.2)  # from, to; down to here the eyes
BROWS_OUT = 0.95  # half the width of both brows with what lies between them
EYES_DOWN = 0.2
EYE_IN, EYE_OUT = 0.14, 0.9  # an eye's inner and outer end, from the middle of the face
NOSE_ROOT, NOSE_WING = 0.14, 0.36  # half the nose's width at the eyes, and at its wings
NOSE_DOWN = 0.14  # below the nose's tip
MOUTH_UP, MOUTH_DOWN, MOUTH_OUT = 0.22, 0.32, 0.16  # around the line between the corners
CHIN_OUT = 0.6  # half the chin's width


@dataclass(frozen=True, eq=False)
class Regions:
    """The regions of one crop.

    Attributes:
        map: Index in `REGIONS` of every pixel of the crop, (SIDE, SIDE).
    """

    map: Tensor
    _covers: dict[tuple[int, ...], Tensor] = field(default_factory=dict, init=False, repr=False)

    @property
    def area(self) -> Tensor:
        """The area of each region as a part of the crop, (R,), sums to 1: the shares of a constant map."""
        return self.shares(torch.ones(1, 1))

    def shares(self, values: Tensor) -> Tensor:
        """How the absolute values of a map are distributed over the regions.

        Args:
            values: A map over the crop at any resolution, (h, w), signed or not. A cell that lies in several regions
                counts for each by area.

        Returns:
            (R,) float64, in [0, 1], sums to 1; zeros for a map that is zero everywhere.
        """
        weights = values.detach().double().abs()
        total = weights.sum()
        return (self._cover(tuple(values.shape)) * weights).sum(dim=(1, 2)) / (total if total > 0 else 1.0)

    def _cover(self, size: tuple[int, ...]) -> Tensor:
        """The part of each cell that lies in each region, (R, h, w); of few cells, it is kept."""
        if size in self._covers:
            return self._covers[size]
        one_hot = F.one_hot(self.map, len(REGIONS)).permute(2, 0, 1).double()[None]  # (1, R, SIDE, SIDE)
        cover = F.interpolate(one_hot, size=size, mode="area")[0]
        if cover[0].numel() <= KEPT_CELLS:
            self._covers[size] = cover
        return cover


def face_cover(preprocess: PreprocessConfig) -> dict[str, Tensor] | None:
    """The mask of each region in aligned crops, (SIDE, SIDE) of 0 and 1; None without a landmark template."""
    if preprocess.landmark_template is None:
        return None
    drawn = _template_regions(preprocess.landmark_template).map
    return {name: (drawn == r).float() for r, name in enumerate(REGIONS)}


def face_inside(preprocess: PreprocessConfig) -> Tensor | None:
    """The mask of the face, brows to chin, in aligned crops, (SIDE, SIDE) of 0 and 1; None without a template."""
    cover = face_cover(preprocess)
    return None if cover is None else torch.stack([cover[name] for name in FACE]).sum(dim=0)


def compute_regions(crop: FaceCrop, preprocess: PreprocessConfig) -> Regions | None:
    """The regions of a crop: from the template if the crop is aligned with it, else from its own landmarks.

    Returns:
        None for a crop without landmarks: the whole image was chosen, and where the face lies is not known.
    """
    if crop.face.landmarks is None:
        return None
    if preprocess.landmark_template is not None:
        return _template_regions(preprocess.landmark_template)
    to_crop = np.linalg.inv(np.vstack([crop.to_photo, [0, 0, 1]]))[:2]
    return Regions(draw_regions(crop.face.landmarks @ to_crop[:, :2].T + to_crop[:, 2]))


@lru_cache(maxsize=8)
def _template_regions(template: LandmarkTemplate) -> Regions:
    return Regions(draw_regions(np.array(template.points)))


def draw_regions(points: np.ndarray) -> Tensor:
    """Draw the regions: the index in `REGIONS` of every pixel.

    Args:
        points: Left eye, right eye, nose, left and right mouth corner as fractions of the crop, (5, 2).

    Returns:
        (SIDE, SIDE) int64.
    """
    # The frame of the face; complex numbers turn and scale in one division.
    z = points @ (1, 1j)
    middle, axis = (z[0] + z[1]) / 2, z[1] - z[0]
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    place = (x + 1j * y - middle) / axis
    u, v = np.abs(place.real), place.imag
    nose, *mouth = (z[2:] - middle) / axis
    mouth_v, mouth_u = (mouth[0].imag + mouth[1].imag) / 2, abs(mouth[1].real - mouth[0].real) / 2
    nose_v = nose.imag
    end = mouth_v + CHIN

    # The outline: reach is 0 at the eyes, 1 at the crown or the chin.
    reach = np.where(v < 0, v / CROWN, v / end).clip(0, 1)
    inside = (u < HALF_WIDTH * np.sqrt(1 - reach**2)) & (reach < 1)
    wing = NOSE_ROOT + (NOSE_WING - NOSE_ROOT) * (v / nose_v).clip(0, 1)
    lower = mouth_v + MOUTH_DOWN
    # A pixel belongs to the first region whose condition it meets, else to the cheeks.
    order = [
        ("background", ~inside),
        ("mouth", (mouth_v - MOUTH_UP < v) & (v < lower) & (u < mouth_u + MOUTH_OUT)),
        ("brows", (BROWS[0] < v) & (v < BROWS[1]) & (u < BROWS_OUT)),
        ("forehead", v < BROWS[1]),
        ("eyes", (v < EYES_DOWN) & (u > EYE_IN) & (u < EYE_OUT)),
        ("nose", (v < nose_v + NOSE_DOWN) & (u < wing)),
        ("chin", (v >= lower) & (u < CHIN_OUT)),
    ]
    index = np.select([here for _, here in order], [REGIONS.index(name) for name, _ in order], REGIONS.index("cheeks"))
    return torch.from_numpy(index.astype(np.int64))
