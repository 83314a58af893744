"""The configuration of a checkpoint, `config.json`: labels, number of heads, preprocessing, provenance."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dan_model.errors import ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
MAX_SIDE = 1024  # pixels; limit for the network's input and for training images
MAX_HEADS = 64
PRIOR_ROUNDING = 1e-3  # how far the sum of a class prior may be from 1
MAX_DEPTH = 20  # of objects and lists inside each other, in the provenance
LARGEST = 1e6  # limit for the absolute value of any number in a configuration; NaN fails this comparison too


@dataclass(frozen=True)
class LandmarkTemplate:
    """Where the five landmarks of an aligned face lie, as (x, y) fractions of the square crop.

    Left and right are meant in the image, not for the person. Values outside [0, 1] are allowed: the crop then cuts the
    landmark off.
    """

    left_eye: tuple[float, float]
    right_eye: tuple[float, float]
    nose: tuple[float, float]
    left_mouth: tuple[float, float]
    right_mouth: tuple[float, float]

    def __post_init__(self) -> None:
        for spec in fields(self):
            point = _numbers(getattr(self, spec.name), 2, f"landmark_template.{spec.name}")
            object.__setattr__(self, spec.name, point)
        spread = max(abs(x - self.nose[0]) + abs(y - self.nose[1]) for x, y in self.points)
        _require(0.01 <= spread <= 100, "landmark_template", self.points, "five points, apart from each other")

    @property
    def points(self) -> tuple[tuple[float, float], ...]:
        """The five points in detector order: left eye, right eye, nose, left and right mouth corner; (5, 2)."""
        return tuple(getattr(self, spec.name) for spec in fields(self))


@dataclass(frozen=True)
class PreprocessConfig:
    """How a face becomes the network's input; saved with the weights.

    Attributes:
        image_size: Side of the network's square input, in pixels.
        mean: Mean of each channel, which is subtracted; on a [0, 1] scale.
        std: Standard deviation of each channel, which is divided by; on a [0, 1] scale.
        grayscale: Whether the network was trained on grey faces (three equal channels).
        detail_size: Side of the training images in pixels. A crop is scaled to it before it is scaled to `image_size`.
            None: without this step.
        landmark_template: Where the landmarks of an aligned crop lie. None: the crop is cut around the face box.
        margin: Without a template: what is added on each side of the crop, as a part of the face box's longer side.
    """

    image_size: int = 224
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    grayscale: bool = False
    detail_size: int | None = None
    landmark_template: LandmarkTemplate | None = None
    margin: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "mean", _numbers(self.mean, 3, "preprocess.mean"))
        object.__setattr__(self, "std", _numbers(self.std, 3, "preprocess.std"))
        if self.landmark_template is not None and not isinstance(self.landmark_template, LandmarkTemplate):
            template = _from_mapping(LandmarkTemplate, self.landmark_template, "preprocess.landmark_template")
            object.__setattr__(self, "landmark_template", template)
        _require(
            _is_count(self.image_size) and 32 <= self.image_size <= MAX_SIDE,
            "preprocess.image_size",
            self.image_size,
            f"a whole number from 32 to {MAX_SIDE}",
        )
        _require(min(self.std) > 0, "preprocess.std", self.std, "three numbers > 0")
        _require(
            self.detail_size is None or (_is_count(self.detail_size) and 8 <= self.detail_size <= MAX_SIDE),
            "preprocess.detail_size",
            self.detail_size,
            f"null or a whole number from 8 to {MAX_SIDE}",
        )
        _require(isinstance(self.grayscale, bool), "preprocess.grayscale", self.grayscale, "true or false")
        _require(
            isinstance(self.margin, (int, float)) and 0 <= self.margin <= 2,
            "preprocess.margin",
            self.margin,
            "a number in [0, 2]",
        )


@dataclass(frozen=True)
class ModelConfig:
    """The content of `config.json`.

    Attributes:
        labels: The K class names in index order.
        num_heads: The number of attention heads H.
        preprocess: How a face becomes the network's input.
        provenance: Where the weights come from (dataset, licence, split, metrics, recipe); free-form JSON values.
        class_prior: The part of each class in the training set as its faces were drawn, (K,), sums to 1. None: unknown.
    """

    labels: Sequence[str]
    num_heads: int = 4
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    class_prior: Sequence[float] | None = None

    def __post_init__(self) -> None:
        named = isinstance(self.labels, (list, tuple)) and all(isinstance(v, str) and v for v in self.labels)
        _require(named, "labels", self.labels, "a list of class names")
        object.__setattr__(self, "labels", tuple(self.labels))
        if not isinstance(self.preprocess, PreprocessConfig):
            object.__setattr__(self, "preprocess", _from_mapping(PreprocessConfig, self.preprocess, "preprocess"))
        _require(isinstance(self.provenance, Mapping), "provenance", self.provenance, "an object")
        shallow = _is_shallow(self.provenance)
        _require(shallow, "provenance", self.provenance, f"nested at most {MAX_DEPTH} deep")
        _require(len(self.labels) >= 2, "labels", self.labels, "at least two names")
        _require(len(set(self.labels)) == len(self.labels), "labels", self.labels, "all different")
        _require(_is_count(self.num_heads) and self.num_heads >= 1, "num_heads", self.num_heads, ">= 1")
        _require(self.num_heads <= MAX_HEADS, "num_heads", self.num_heads, f"<= {MAX_HEADS}")
        if self.class_prior is not None:
            prior = _numbers(self.class_prior, len(self.labels), "class_prior")
            possible = min(prior) > 0 and abs(sum(prior) - 1) < PRIOR_ROUNDING
            _require(possible, "class_prior", self.class_prior, "null, or parts > 0 that sum to 1")
            object.__setattr__(self, "class_prior", prior)

    @classmethod
    def from_dict(cls, values: Any) -> ModelConfig:
        """Build and validate a configuration from parsed JSON.

        Raises:
            ConfigError: A value is missing, unknown to this version, or out of range.
        """
        _require(isinstance(values, Mapping), "config.json", values, "a JSON object")
        known = {spec.name for spec in fields(cls)}
        values = {key: value for key, value in values.items() if key in known}
        _require("labels" in values, "labels", None, "the class names in index order")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return asdict(self)


def _from_mapping(cls: type, values: Any, where: str) -> Any:
    """An instance of a dataclass from a JSON object."""
    _require(isinstance(values, Mapping), where, values, "an object")
    unknown = set(values) - {spec.name for spec in fields(cls)}
    if unknown:
        known = ", ".join(spec.name for spec in fields(cls))
        raise ConfigError(
            f"{where} has unknown entries {_SHOWN.repr(sorted(map(str, unknown)))}.", f"It may hold: {known}."
        )
    try:
        return cls(**values)
    except TypeError as error:
        raise ConfigError(f"{where} is incomplete: {error}.", "Add the missing entries.") from error


def _numbers(values: Any, count: int, where: str) -> tuple[float, ...]:
    """A list of `count` finite numbers as a tuple of floats."""
    valid = (
        isinstance(values, (list, tuple))
        and len(values) == count
        and all(isinstance(v, (int, float)) and abs(v) < LARGEST for v in values)
    )
    _require(valid, where, values, f"{count} numbers")
    return tuple(float(v) for v in values)


def _is_shallow(values: Any) -> bool:
    """Whether objects and lists lie at most `MAX_DEPTH` deep in each other: whatever walks through them can."""
    level = [values]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, (Mapping, list, tuple))
            for inner in (one.values() if isinstance(one, Mapping) else one)
        ]
    return not any(isinstance(one, (Mapping, list, tuple)) for one in level)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _require(valid: bool, where: str, value: Any, expected: str) -> None:
    if not valid:
        got = _SHOWN.repr(value)
        raise ConfigError(f"{where} must be {expected}, got {got}.", "Correct it in config.json or in the call.")


_SHOWN = reprlib.Repr()  # in messages: values of any size and depth, shortened
_SHOWN.maxlist = _SHOWN.maxtuple = _SHOWN.maxdict = 12
_SHOWN.maxstring = _SHOWN.maxother = 120
