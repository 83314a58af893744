"""What a method answers."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dan_model.explain.score import Score

FLOOR = 0.5  # logits: promises about smaller totals are held to this


@dataclass(frozen=True, eq=False)
class Answer:
    """A method's map, on the CPU.

    Attributes:
        map: (224, 224), signed: positive speaks for the score. In the method's own unit (`METHODS`), per input
            pixel (channels summed); where `cells` is given, these drawn out smoothly.
        cells: The native resolution of a layer's map, (7, 7); None for methods that work on pixels.
        per_head: For methods that look at every head: each one's cells, (H, 7, 7), which `cells` sums.
        by_region: For methods on regions: each one's value, (R,), which fills its pixels in `map`.
        explained: For methods that promise completeness: score - baseline's score, what the values should sum to.
        residual: For the same: their sum - `explained`.
    """

    map: Tensor
    cells: Tensor | None = None
    per_head: Tensor | None = None
    by_region: Tensor | None = None
    explained: float | None = None
    residual: float | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class Attribution(Answer):
    """An answer with what was asked and what it cost; `map` and all others are documented in `Answer`.

    Attributes:
        method: Name in `METHODS`.
        request: What was asked for, as text (`Request`).
        score: What was explained.
        baseline: Name in `BASELINES`, or None.
        tolerance: How far `residual` may lie from zero, as a part of `explained`; None where nothing is promised.
        forwards: Images that went through the network.
        backwards: Of these, those that went back for a gradient.
        seconds: How long it took, waiting for others included.
        device: Where.
    """

    method: str
    request: str
    score: Score
    baseline: str | None
    tolerance: float | None
    forwards: int
    backwards: int
    seconds: float
    device: str

    @property
    def holds(self) -> bool:
        """Whether the method's promise holds; True where it makes none."""
        if self.residual is None or self.explained is None or self.tolerance is None:
            return True
        return abs(self.residual) <= self.tolerance * max(abs(self.explained), FLOOR)

    @property
    def nbytes(self) -> int:
        """Memory that its tensors take."""
        tensors = (self.map, self.cells, self.per_head, self.by_region)
        return sum(tensor.numel() * tensor.element_size() for tensor in tensors if tensor is not None)
