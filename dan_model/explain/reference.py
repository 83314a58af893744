"""Statistics over many faces, which one face is compared with: the file `reference.safetensors`.

They say how far the face is from each class, in the features that all heads share, and how usual its heads are.
`learn.reference_statistics` measures them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import normalize

from dan_model.errors import CheckpointError
from dan_model.explain.regions import REGIONS
from dan_model.files import write_bytes
from dan_model.network import CHANNELS, DAN

QUANTILES = 101  # from 0 to 100 %
QUANTITIES = ("overlap", "iou", "partition_loss", "saturation", "regions")
_SHAPES = {
    "centres": "KC", "mean": "C", "axes": "2C", "explained": "2", "points": "n2", "classes": "n", "mean_face": "gss",
    "mean_maps": "Hmm", "class_maps": "KHmm", "map_energy": "H", "head_faces": "Hgtt",
    **{f"quantiles.{name}": "QHR" if name == "regions" else "Q" for name in QUANTITIES},
}  # fmt: skip
"""The shape of each tensor in the file, a sign for each side; sides with the same sign are equally long."""
_PLANE = ("mean", "axes", "explained", "points", "classes")  # all, or none of them
_FLOATS = ("F16", "BF16", "F32", "F64")
_REMEDY = "Make it again: `reference`."


@dataclass(frozen=True, eq=False)
class Reference:
    """Statistics of many faces under one set of weights.

    Attributes:
        centres: The mean pooled features of each class, (K, C).
        mean: The mean pooled features of all faces, (C,). None, like all below, where only the centres are known.
        axes: The first two principal components of the pooled features, (2, C), unit length.
        explained: The part of the variance along each axis, (2,).
        points: The faces along the axes, (n, 2).
        classes: Their classes, (n,).
        quantiles: By quantity of `QUANTITIES`: its values at 0, 1 … 100 %, (101,); for "regions" (101, H, R).
        mean_face: The mean of all faces at the detail of the network, (1 or 3, s, s), in [0, 1].
        mean_maps: The mean map of each head, (H, 7, 7): of maps that are scaled to unit length first.
        class_maps: The same over the faces of each predicted class, (K, H, 7, 7); zeros for a class never predicted.
        map_energy: The part of the energy of a head's maps that its mean map explains, (H,), in [0, 1]. 1: the same map
            for every face.
        head_faces: The mean of the faces on which a head moved the predicted class most, (H, 1 or 3, s, s), in [0, 1].
        source: Where the statistics come from: dataset, count.
    """

    centres: Tensor
    mean: Tensor | None = None
    axes: Tensor | None = None
    explained: Tensor | None = None
    points: Tensor | None = None
    classes: Tensor | None = None
    quantiles: Mapping[str, Tensor] = field(default_factory=dict)
    mean_face: Tensor | None = None
    mean_maps: Tensor | None = None
    class_maps: Tensor | None = None
    map_energy: Tensor | None = None
    head_faces: Tensor | None = None
    source: Mapping[str, str] = field(default_factory=dict)

    def percentile(self, quantity: str, value: float, *which: int) -> float | None:
        """The part of the reference faces with a lower value, in percent; None where it is not known.

        Args:
            quantity: One of `QUANTITIES`.
            value: The value of one face.
            which: For "regions": the head and the region, counted from 0.
        """
        if quantity not in self.quantiles:
            return None
        table = self.quantiles[quantity].double()
        for index in which:
            table = table.select(1, index)
        values = table.numpy()
        below, upto = np.searchsorted(values, value, side="left"), np.searchsorted(values, value, side="right")
        if below != upto:  # equal to some of the quantiles: the middle of their range
            return float((below + upto - 1) / 2)
        if below in (0, len(values)):
            return 0.0 if below == 0 else 100.0
        low, high = values[below - 1], values[below]
        return float(below - 1 + (value - low) / (high - low))

    @property
    def fingerprint(self) -> str:
        """A hash of all statistics, 16 hexadecimal digits."""
        return sha256(self._to_bytes()).hexdigest()[:16]

    def save(self, path: Path) -> None:
        """Write `reference.safetensors`; an existing file is replaced.

        Raises:
            WriteError: It cannot be written.
        """
        write_bytes(path, self._to_bytes())

    def _to_bytes(self) -> bytes:
        tensors = {name: getattr(self, name) for name in _tensor_names()}
        tensors |= {f"quantiles.{name}": values for name, values in self.quantiles.items()}
        known = {name: tensor.contiguous() for name, tensor in tensors.items() if tensor is not None}
        return save(known, metadata={"source": json.dumps(dict(self.source))})

    @classmethod
    def load(cls, path: Path, model: DAN) -> Reference:
        """Read the reference statistics of a network.

        Raises:
            CheckpointError: The file cannot be read, or belongs to a network with other classes or heads; the message
                names the tensors that are unknown, of another shape or type, or hold impossible numbers.
        """
        try:
            with safe_open(path, "pt") as file:
                slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
                _check_layout(path, {name: (one.get_shape(), one.get_dtype()) for name, one in slices.items()}, model)
                tensors = {name: _plain(file.get_tensor(name)) for name in slices}
                source = _source((file.metadata() or {}).get("source", "{}"))
        except (OSError, SafetensorError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{path} cannot be read: {error}.", _REMEDY) from error
        _check_numbers(path, tensors, model)
        prefix = "quantiles."
        quantiles = {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}
        return cls(**{name: tensors.get(name) for name in _tensor_names()}, quantiles=quantiles, source=source)  # type: ignore[arg-type]


def _tensor_names() -> list[str]:
    """The tensors of the file that are attributes of `Reference`."""
    return [name for name in _SHAPES if not name.startswith("quantiles.")]


def _plain(tensor: Tensor) -> Tensor:
    """All float types as float32; the classes stay whole numbers."""
    return tensor.float() if tensor.is_floating_point() else tensor


def _source(text: str) -> dict[str, str]:
    """The origin of the statistics, from JSON.

    Raises:
        ValueError: It is not an object of texts.
    """
    source = json.loads(text)
    if not isinstance(source, dict) or not all(isinstance(value, str) for value in source.values()):
        raise ValueError("its source is not an object of texts")
    return source


def _check_layout(path: Path, found: Mapping[str, tuple[list[int], str]], model: DAN) -> None:
    """Check names, shapes and types before any tensor is read.

    Raises:
        CheckpointError: One does not fit the network.
    """
    classes, heads = len(model.config.labels), model.config.num_heads
    if "centres" not in found or found["centres"][0][:1] != [classes]:
        raise CheckpointError(f"{path} belongs to other classes.", _REMEDY)
    sides = {"K": classes, "H": heads, "C": CHANNELS, "R": len(REGIONS), "Q": QUANTILES, "2": 2}
    problems = [f"{name} is unknown" for name in sorted(set(found) - set(_SHAPES))]
    for name, signs in _SHAPES.items():
        if name not in found:
            continue
        shape, kind = found[name]
        fits = len(shape) == len(signs) and min(shape) > 0
        fits = fits and all(sides.setdefault(sign, n) == n for sign, n in zip(signs, shape, strict=True))
        if not fits or sides.get("g", 1) not in (1, 3):
            wanted = ", ".join(str(sides.get(sign, sign)) for sign in signs)
            problems.append(f"{name} is {tuple(shape)} instead of ({wanted})")
        if kind not in (("I64", "I32") if name == "classes" else _FLOATS):
            problems.append(f"{name} is of type {kind}")
    missing = [name for name in _PLANE if name not in found]
    if 0 < len(missing) < len(_PLANE):
        problems.append(f"{', '.join(missing)} missing beside the others of the projection")
    if problems:
        raise CheckpointError(f"{path} does not fit the network ({'; '.join(problems[:4])}).", _REMEDY)


def _check_numbers(path: Path, tensors: Mapping[str, Tensor], model: DAN) -> None:
    """Check the numbers.

    Raises:
        CheckpointError: Some are not finite, out of range, or quantiles that fall.
    """
    classes = len(model.config.labels)
    problems = [f"{name} is not finite" for name, values in tensors.items() if not values.isfinite().all()]
    if "classes" in tensors and not ((tensors["classes"] >= 0) & (tensors["classes"] < classes)).all():
        problems.append(f"classes are not all from 0 to {classes - 1}")
    for name, values in tensors.items():
        if name.startswith("quantiles.") and (values.diff(dim=0) < 0).any():
            problems.append(f"{name} fall")
    if problems:
        raise CheckpointError(f"{path} holds impossible numbers ({'; '.join(problems[:4])}).", _REMEDY)


@dataclass(frozen=True, eq=False)
class ClassDistances:
    """Where one face is among the classes, in the space of pooled features.

    Attributes:
        distances: The distance to each class centre, (K,), in units of the features.
        point: The position along the axes of the reference, (2,); None where they are not known.
    """

    distances: Tensor
    point: Tensor | None


def compute_class_distances(features: Tensor, reference: Reference) -> ClassDistances:
    """Compare the features x (C, 7, 7) of a face with the reference."""
    pooled = features.detach().cpu().float().mean(dim=(1, 2))
    distances = (reference.centres - pooled).norm(dim=1)
    if reference.mean is None or reference.axes is None:
        return ClassDistances(distances, None)
    return ClassDistances(distances, reference.axes @ (pooled - reference.mean))


@dataclass(frozen=True, eq=False)
class MapComparison:
    """The maps of one face beside the maps that the heads have on average. All maps have unit length.

    Attributes:
        own: The maps of this face, (H, 7, 7); zeros for a map of zeros.
        usual: The mean maps over all reference faces, (H, 7, 7).
        difference: own - usual, (H, 7, 7), signed.
        cosine: Between this face's map and the mean map, (H,), in [0, 1].
    """

    own: Tensor
    usual: Tensor
    difference: Tensor
    cosine: Tensor


def compare_maps(spatial: Tensor, reference: Reference) -> MapComparison | None:
    """Compare the maps a (H, 7, 7) of a face with the mean maps; None where the reference does not have them."""
    if reference.mean_maps is None or reference.mean_maps.shape != spatial.shape:
        return None
    own, usual = unit_maps(spatial), unit_maps(reference.mean_maps)
    return MapComparison(own, usual, own - usual, (own * usual).sum(dim=(1, 2)))


def unit_maps(spatial: Tensor) -> Tensor:
    """Maps (…, 7, 7) scaled to unit length: the root of their summed squares is 1; a map of zeros stays as it is."""
    return normalize(spatial.detach().cpu().double().flatten(-2), dim=-1).reshape(spatial.shape)


def mean_map(units: Tensor) -> tuple[Tensor, Tensor]:
    """The mean (H, 7, 7) of maps (N, H, 7, 7) of unit length, and the part of their energy that it explains, (H,)."""
    mean = units.mean(dim=0)
    return mean, mean.square().sum(dim=(1, 2))  # the energy of a map of unit length is 1
