"""Sentences on the heads: where they attend, whether they differ, and whether the attended cells are used."""

from __future__ import annotations

import torch
from torch import Tensor

from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.explanation import Explanation
from dan_model.explain.heads import Overlap
from dan_model.explain.reference import MapComparison, Reference
from dan_model.explain.regions import REGIONS
from dan_model.show.sentences.words import listed, main_region, reference_count
from dan_model.show.tiles import number, signed, whole_percent
from dan_model.texts import head_name, translate_plural
from dan_model.texts import translate as _

ALIKE = 0.95  # cosine from which two maps are called alike
UNUSUAL = 5  # percent: below it, or above 100 less it, a percentile is called unusual
HARDLY_SELECT = 0.2  # width of the range of nine gates in ten, below which gates hardly select


def overlap_sentence(overlap: Overlap) -> str:
    """Whether the heads attend to different places, and which two are most alike."""
    heads = len(overlap.cosine)
    apart = overlap.cosine - 2 * torch.eye(heads, dtype=overlap.cosine.dtype)
    one, other = sorted(divmod(int(apart.argmax()), heads))
    closest = float(overlap.cosine[one, other])
    verdict = (
        _("The heads attend to different places") if closest < 0.5
        else _("The heads attend to partly the same places") if closest < ALIKE
        else _("At least two heads attend to the same place")
    )  # fmt: skip
    numbers = _(
        "the mean cosine of their maps is {mean}, the highest {highest} ({one} and {other}). Partition loss {loss}: "
        "the lower, the more the heads' embeddings differ."
    ).format(
        mean=f"{overlap.mean_cosine:.2f}", highest=f"{closest:.2f}", one=head_name(one), other=head_name(other),
        loss=number(overlap.partition_loss),
    )  # fmt: skip
    return f"{verdict}: {numbers}"


def gates_sentence(gates: Tensor) -> str:
    """How selective the channel gates (H, C) are."""
    low, high = torch.quantile(gates, torch.tensor([0.05, 0.95]), dim=1)  # (H,) each
    head = int((high - low).argmax())
    found = _("The gates select channels: nine in ten of the most selective, {head}'s, lie between {low} and {high}.")
    if float(high[head] - low[head]) < HARDLY_SELECT:
        found = _("The gates hardly select: nine in ten of the most selective, {head}'s, lie between {low} and {high}.")
    return found.format(head=head_name(head), low=f"{float(low[head]):.2f}", high=f"{float(high[head]):.2f}")


def regions_sentence(explanation: Explanation) -> str:
    """The region that each head attends to most, and which heads attend mostly to the background."""
    if explanation.regions is None:
        return _("The whole image was taken as a face: where brows, eyes and mouth lie in it is not known.")
    background, per_head, outside = REGIONS.index("background"), [], []
    for h, cells in enumerate(explanation.heads.spatial):
        name, share = main_region(explanation.regions, cells)
        most = _("{head}: {share} {region}") if share else _("{head}: nowhere")
        per_head.append(most.format(head=head_name(h), share=whole_percent(share), region=name))
        if explanation.regions.shares(cells)[background] > 0.5:
            outside.append(head_name(h))
    attended = _("Most attended: {places}.").format(places="; ".join(per_head))
    if not outside:
        return attended
    beside = translate_plural(
        "{heads} looks mostly beside the face.", "{heads} look mostly beside the face.", len(outside)
    )
    return f"{attended} {beside.format(heads=listed(outside))}"


def usual_maps_sentence(found: MapComparison, reference: Reference) -> str:
    """How much of each head's map is the same for every face, and which head differs from its average here."""
    assert reference.map_energy is not None
    always = ", ".join(f"{head_name(h)} {whole_percent(part)}" for h, part in enumerate(reference.map_energy.tolist()))
    head = int(found.cosine.argmin())
    here = _("On this face, {head} differs most from its average (cosine {cosine}).")
    if found.cosine[head] >= ALIKE:
        here = _("On this face, all maps are nearly the average ones (cosine {cosine} or more).")
    same = _("Part of a map that is the same for every face: {parts}.").format(parts=always)
    return f"{same} {here.format(head=head_name(head), cosine=f'{float(found.cosine[head]):.2f}')}"


def attended_vs_used_sentence(measured: AttendedVsUsed, label: str) -> str:
    """Whether replacing the attended cells changes the score more than replacing random cells."""
    furthest = float(measured.random.abs().max())
    matter = [h for h, change in enumerate(measured.measured.tolist()) if abs(change) > furthest]
    count = measured.cells.shape[1]
    if not matter:
        return _(
            "Replacing the {count} cells that a head attends to most changes {score} no more than replacing {count} "
            "random cells may: this face gives no sign that the prediction depends on the attended cells."
        ).format(count=count, score=label)
    head = int(measured.measured.abs().argmax())
    rest = [head_name(h) for h in range(len(measured.measured)) if h not in matter]
    first = _(
        "Replacing the {count} cells that {head} attends to most changes {score} by {change}; the fusion map predicts "
        "{predicted}."
    ).format(
        count=count, head=head_name(head), score=label, predicted=signed(measured.predicted[head]),
        change=f"{signed(measured.measured[head])} {_(measured.score.unit)}",
    )  # fmt: skip
    compared = _("For {heads} the change is larger than with any of {count} random choices of cells.")
    if rest:
        compared = _(
            "For {heads} the change is larger than with any of {count} random choices of cells, for {rest} it is not."
        )
    heads, others = listed([head_name(h) for h in matter]), listed(rest) if rest else ""
    return f"{first} {compared.format(heads=heads, count=len(measured.random), rest=others)}"


def percentiles_note(overlap: Overlap, saturation: float, reference: Reference | None) -> str:
    """The percentiles of cosine, IoU, partition loss and saturation among the reference faces."""
    values = {
        "overlap": (_("cosine"), overlap.mean_cosine),
        "iou": (_("IoU"), overlap.mean_iou),
        "partition_loss": (_("partition loss"), overlap.partition_loss),
        "saturation": (_("saturation"), saturation),
    }
    known = []
    for quantity, (name, value) in values.items():
        percentile = None if reference is None else reference.percentile(quantity, value)
        if percentile is not None:
            known.append(_("{quantity} higher than on {percent} %").format(quantity=name, percent=f"{percentile:.0f}"))
    if reference is None or not known:
        return _("These weights bring no reference statistics, so there is nothing to compare these numbers with.")
    compared = _("Compared with {count} reference faces: {parts} of them.")
    return compared.format(count=reference_count(reference), parts=", ".join(known))


def unusual_regions_note(explanation: Explanation) -> str:
    """Which regions heads attend to more, or less, than on nearly all reference faces; empty where not known."""
    regions, reference = explanation.regions, explanation.reference
    if regions is None or reference is None or "regions" not in reference.quantiles:
        return ""
    found: list[tuple[float, str]] = []
    for h, cells in enumerate(explanation.heads.spatial):
        for r, share in enumerate(regions.shares(cells).tolist()):
            percentile = reference.percentile("regions", share, h, r)
            if percentile is not None and not UNUSUAL <= percentile <= 100 - UNUSUAL:
                more = percentile > 50
                part = percentile if more else 100 - percentile
                text = (
                    _("{head} {region} more than on {percent} %")
                    if more
                    else _("{head} {region} less than on {percent} %")
                )
                found.append((part, text.format(head=head_name(h), region=_(REGIONS[r]), percent=f"{part:.0f}")))
    if not found:
        usual = _("No percentage is unusual: all lie among the middle {percent} % of the reference faces.")
        return usual.format(percent=100 - 2 * UNUSUAL)
    most_unusual = "; ".join(text for __, text in sorted(found, reverse=True)[:3])
    unusual = _("Unusual, of {count} reference faces: {parts} of them.")
    return unusual.format(count=reference_count(reference), parts=most_unusual)
