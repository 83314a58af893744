"""Parts of sentences: a change of a probability, a list, the region that counts most."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dan_model.explain.reference import Reference
from dan_model.explain.regions import REGIONS, Regions
from dan_model.show.tiles import percent
from dan_model.texts import translate as _

HARDLY = 0.001  # a change of a probability, below which it hardly changes


def listed(names: Sequence[str]) -> str:
    """Names with commas, and "and" before the last."""
    if len(names) == 1:
        return names[0]
    return _("{names} and {last}").format(names=", ".join(names[:-1]), last=names[-1])


def change_of(label: str, before: float, after: float) -> str:
    """What happens to the probability of a class, as the end of a sentence."""
    change = _("{label} rises from {before} to {after}")
    if after < before:
        change = _("{label} falls from {before} to {after}")
    if abs(after - before) < HARDLY:
        change = _("{label} hardly changes, {before} to {after}")
    if percent(before) == percent(after):
        change = _("{label} stays at {before}")
    return change.format(label=label, before=percent(before), after=percent(after))


def main_region(regions: Regions, cells: Tensor) -> tuple[str, float]:
    """The region that a map attends to most, in words, and its share of the map."""
    shares = regions.shares(cells)
    return _(REGIONS[int(shares.argmax())]), float(shares.max())


def reference_count(reference: Reference) -> str:
    """How many reference faces there are, or "the" where that is not known."""
    return str(reference.source.get("count") or _("the"))
