"""What an attribution method returns."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dan_model.explain.score import Score

FLOOR = 0.5  # nats or logits: where less than this is explained, residuals are measured against this


@dataclass(frozen=True, eq=False)
class AttributionResult:
    """The map of a method, on the CPU.

    Attributes:
        map: (224, 224), signed: positive values speak for the score. In the unit of the method (`METHODS`), per input
            pixel, summed over the channels; where `cells` is given, these enlarged smoothly.
        cells: The native resolution of a layer's map, (7, 7); None for methods that work on pixels.
        per_head: For methods that look at every head: the cells of each, (H, 7, 7); `cells` is their sum.
        by_region: For methods on regions: the value of each, (R,), which fills its pixels in `map`.
        explained: For methods with completeness: score - score of the baseline, which the values should sum to.
        residual: For the same methods: the sum of the values - `explained`.
        final: Whether no finer result of the same request follows.
    """

    map: Tensor
    cells: Tensor | None = None
    per_head: Tensor | None = None
    by_region: Tensor | None = None
    explained: float | None = None
    residual: float | None = None
    final: bool = True

    @property
    def native(self) -> Tensor:
        """The map at its own resolution: `cells` where they are given, else `map`."""
        return self.map if self.cells is None else self.cells


@dataclass(frozen=True, eq=False, kw_only=True)
class Attribution(AttributionResult):
    """A result together with what was requested and what it cost.

    Attributes:
        method: Name in `METHODS`.
        request: The request as text (`AttributionRequest`).
        score: What was explained.
        unit: The unit of the map.
        baseline: Name in `BASELINES`, or None.
        tolerance: How far `residual` may be from zero, as a part of `explained`; None without completeness.
        forwards: The number of images that went forward through the network, for this result and coarser ones before.
        backwards: The number of these that also went backward, for a gradient.
        seconds: How long it took, including waiting for other tasks.
        device: Where it was computed.
    """

    method: str
    request: str
    score: Score
    unit: str
    baseline: str | None
    tolerance: float | None
    forwards: int
    backwards: int
    seconds: float
    device: str

    @property
    def complete(self) -> bool:
        """Whether completeness holds within the tolerance; True for methods without it."""
        if self.residual is None or self.explained is None or self.tolerance is None:
            return True
        return abs(self.residual) <= self.tolerance * max(abs(self.explained), FLOOR)

    @property
    def nbytes(self) -> int:
        """The memory that its tensors take."""
        tensors = (self.map, self.cells, self.per_head, self.by_region)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)
