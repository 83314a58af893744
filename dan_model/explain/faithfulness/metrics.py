"""Infidelity and sensitivity of a map, by Captum's metrics.

*On the (In)fidelity and Sensitivity of Explanations*, Yeh et al., NeurIPS 2019.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from captum.metrics import infidelity, sensitivity_max
from torch import Tensor

from dan_model.explain.attributions import AttributionTask
from dan_model.explain.faithfulness.curves import PatchRemoval
from dan_model.explain.faithfulness.maps import PATCHES, MapName, in_patches, new_map

REMOVALS = 64  # random sets of patches for infidelity
NOISY_COPIES = 3
NOISE = 4 / 255  # each pixel of a noisy copy differs by up to this, on a [0, 1] scale
SEED = 0


class Infidelity:
    """How badly the sum of a map over random patches predicts the fall of the score when these are removed.

    Args:
        removal: The face.
        generator: Draws the patches.
    """

    def __init__(self, removal: PatchRemoval, generator: torch.Generator) -> None:
        parts = 0.05 + 0.45 * torch.rand(REMOVALS, 1, generator=generator)
        self.removed = torch.rand(REMOVALS, PATCHES**2, generator=generator) < parts  # (R, 196)
        sets = torch.cat([torch.zeros(1, PATCHES**2, dtype=torch.bool), self.removed])
        self.scores = removal.task.scores(removal.images(sets)).double()  # (1 + R,)
        self._index = {row.numpy().tobytes(): i for i, row in enumerate(~sets)}
        self._of_constant_map = self._error(torch.ones(PATCHES, PATCHES, dtype=torch.float64)) or 1.0

    def __call__(self, values: Tensor) -> float:
        """The mean squared error of a map (14, 14), at its best scale, over that of a constant map; >= 0."""
        return self._error(values) / self._of_constant_map

    def _error(self, values: Tensor) -> float:
        """Captum's measure. A map that predicts the opposite counts as zero everywhere: it is never turned around."""
        falls = self.scores[0] - self.scores[1:]
        if float((self.removed.double() @ values.flatten()) @ falls) <= 0:  # Captum's scale would turn it around
            return float(falls.square().mean())

        def known_scores(present: Tensor) -> Tensor:
            return torch.stack([self.scores[self._index[row.bool().numpy().tobytes()]] for row in present])

        def removals(present: Tensor) -> tuple[Tensor, Tensor]:
            removed = self.removed.double()
            return removed, present - removed

        everything = torch.ones(1, PATCHES**2, dtype=torch.float64)
        error = infidelity(
            known_scores, removals, everything, values.flatten()[None], n_perturb_samples=REMOVALS, normalize=True
        )
        return float(error[0])


def sensitivity(task: AttributionTask, name: MapName, values: Tensor) -> float | None:
    """How far a map (14, 14) moves at most when the face gets invisible noise, relative to its norm; None if zero."""
    if not float(values.abs().max()):
        return None
    deviation = torch.tensor(task.model.config.preprocess.std).view(1, 3, 1, 1).to(task.x)
    generator = torch.Generator().manual_seed(SEED)

    def noisy(copies: Tensor) -> Tensor:
        noise = torch.rand(copies.shape, generator=generator).to(task.x) * 2 - 1
        return copies + noise * NOISE / deviation

    def maps_of(inputs: Tensor | tuple[Tensor]) -> tuple[Tensor]:  # Captum gives the face as a tuple, copies bare
        maps = []
        for face in (inputs if isinstance(inputs, Tensor) else inputs[0]).split(1):
            unchanged = torch.equal(face, task.x)  # its map is known
            maps.append(values if unchanged else in_patches(new_map(replace(task, x=face), name), name.signed))
        return (torch.stack(maps)[:, None],)  # (n, 1, 14, 14)

    return float(sensitivity_max(maps_of, (task.x,), perturb_func=noisy, n_perturb_samples=NOISY_COPIES))
