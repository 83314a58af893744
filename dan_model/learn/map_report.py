"""Whether a network's heads react to the face: how alike their maps are from face to face, and whether they follow it.

A head whose map is the same whatever it is shown is a stencil: its mean map explains all of the energy of its maps, the
maps of noise are alike too, and the map stays where it is when the face moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.explain.reference import mean_map, unit_maps
from dan_model.faces import normalised, to_input
from dan_model.learn.batches import Pixels
from dan_model.learn.moves import correlation, draw_moves, follows, in_view, move
from dan_model.learn.non_faces import load_non_faces
from dan_model.network import DAN, frozen

MOST = 300  # faces, evenly spaced in the dataset: each passes the network six times
BATCH = 32
SEED = 0
MOVED = "all"  # the kind of move whose maps' energy is measured
MOVES: Mapping[str, Mapping[str, Any]] = {
    "shift": {"shift": 0.25},
    "scale": {"scale": (0.8, 1.25)},
    "mirror": {"mirror": 1.0},
    "turn": {"degrees": 30},
    MOVED: {"shift": 0.2, "scale": (0.8, 1.25), "degrees": 25, "mirror": 0.5},
}
"""The ranges of the moves, see `draw_moves`."""


@dataclass(frozen=True, eq=False)
class MapReport:
    """How far the maps depend on what is shown; lists are in the order of the heads.

    Attributes:
        faces: The number of faces.
        non_faces: The names of the pictures without a face.
        energy: The part of the energy of the maps, at unit length, that their mean explains, (H,), in [0, 1].
        energy_moved: The same for the faces moved at random, each differently.
        cosine: The mean cosine between a face's map and the mean map, (H,), in [0, 1].
        cosine_non_faces: The same for the pictures without a face, against the mean map of the faces.
        peak: The part of the faces whose highest cell is the most frequent one, (H,).
        follows: By kind of move: the mean correlation between the map of the moved face and the moved map of the
            untouched one, over the cells in view, (H,), in [-1, 1].
        stays: The same with the map of the untouched face left in place.
    """

    faces: int
    non_faces: list[str]
    energy: list[float]
    energy_moved: list[float]
    cosine: list[float]
    cosine_non_faces: list[float]
    peak: list[float]
    follows: dict[str, list[float]]
    stays: dict[str, list[float]]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return asdict(self)

    def to_text(self) -> str:
        """The figures as lines of text, one for each measure, with one column for each head."""
        both = {kind: list(zip(self.follows[kind], self.stays[kind], strict=True)) for kind in MOVES}
        rows: dict[str, Sequence[float | tuple[float, float]]] = {
            "energy in the mean map": self.energy,
            "the same, moved": self.energy_moved,
            "cosine to the mean map": self.cosine,
            "the same, non-faces": self.cosine_non_faces,
            "peak in one cell": self.peak,
            **{f"follows / stays, {kind}": pairs for kind, pairs in both.items()},
        }
        lines = [f"{name:<26}{''.join(f'{_figure(value):>14}' for value in values)}" for name, values in rows.items()]
        heads = "".join(f"{f'head {h + 1}':>14}" for h in range(len(self.energy)))
        return "\n".join([f"{f'maps of {self.faces} faces':<26}{heads}", *lines])


def measure_maps(model: DAN, pixels: Pixels, most: int = MOST) -> MapReport:
    """Measure how far the maps of a network depend on what it is shown, in one process; always the same figures.

    Args:
        model: The network.
        pixels: The faces.
        most: The number of faces, evenly spaced; each passes the network once for itself and once for each of `MOVES`.
    """
    chosen = torch.linspace(0, len(pixels) - 1, min(most, len(pixels))).round().long()
    device, config = next(model.parameters()).device, model.config.preprocess
    # One move of each kind for each face.
    thetas = {
        kind: draw_moves(len(chosen), torch.Generator().manual_seed(SEED + i), **ranges).split(BATCH)
        for i, (kind, ranges) in enumerate(MOVES.items())
    }
    still, moved = [], []
    followed: dict[str, list[Tensor]] = {kind: [] for kind in MOVES}
    stayed: dict[str, list[Tensor]] = {kind: [] for kind in MOVES}
    with torch.no_grad(), frozen(model):
        for i, (faces, _) in enumerate(pixels.batches(chosen.split(BATCH))):
            # The maps of the faces as they are, and moved in each way.
            maps = model.stages(to_input(faces.to(device), config)).spatial.cpu()  # (B, H, 7, 7)
            still.append(unit_maps(maps))
            for kind in MOVES:
                theta = thetas[kind][i]
                x = normalised(move(faces.float() / 255, theta, config.image_size), config)
                of_moved = model.stages(x.to(device)).spatial.cpu()
                followed[kind].append(follows(of_moved, maps, theta))
                stayed[kind].append(correlation(of_moved, maps, in_view(theta, maps.shape[-1])))
                if kind == MOVED:
                    moved.append(unit_maps(of_moved))
        # The maps of what is no face.
        names, pictures = load_non_faces(config)
        others = unit_maps(model.stages(to_input(pictures.to(device), config)).spatial)
    every = torch.cat(still)
    mean, energy = mean_map(every)
    usual = unit_maps(mean)
    return MapReport(
        faces=len(chosen),
        non_faces=names,
        energy=energy.tolist(),
        energy_moved=mean_map(torch.cat(moved))[1].tolist(),
        cosine=(every * usual).sum(dim=(2, 3)).mean(dim=0).tolist(),
        cosine_non_faces=(others * usual).sum(dim=(2, 3)).mean(dim=0).tolist(),
        peak=_most_frequent_peak(every),
        follows={kind: torch.cat(parts).mean(dim=0).tolist() for kind, parts in followed.items()},
        stays={kind: torch.cat(parts).mean(dim=0).tolist() for kind, parts in stayed.items()},
    )


def _most_frequent_peak(maps: Tensor) -> list[float]:
    """The part of the maps (N, H, h, w) of each head whose highest cell is the most frequent one, (H,)."""
    cells = maps.flatten(2).argmax(dim=2)  # (N, H)
    return F.one_hot(cells, maps[0, 0].numel()).double().mean(dim=0).amax(dim=1).tolist()


def _figure(value: float | tuple[float, float]) -> str:
    return " / ".join(f"{v:.2f}" for v in (value if isinstance(value, tuple) else (value,)))
