"""Plain sentences, made from the numbers alone: one for each view."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from dan_model.explain.channels import TugOfWar
from dan_model.explain.explanation import Explanation
from dan_model.explain.heads import Overlap
from dan_model.explain.interventions import ConsensusPath, for_each_head, mute, solo
from dan_model.explain.reference import ClassPlace, Reference
from dan_model.explain.regions import REGIONS, Regions
from dan_model.explain.shapley import ABSENCES, Shapley
from dan_model.explain.use import Use
from dan_model.show.tiles import number

ONE_HEAD = "With a single head there is nothing to fuse: the head's embedding is classified as it is."
ALIKE = 0.95  # cosine from which two heads are called alike
UNUSUAL = 5  # percent: below it, or above 100 less it, a percentile is called unusual
NOTHING = 0.005  # logits: what two digits show as zero


def summary(explanation: Explanation) -> str:
    """What the network answers, and what the head that matters most to the explained class looks at."""
    labels, prediction, k = explanation.labels, explanation.prediction, explanation.target
    answer = f"The network reads {prediction.label} ({float(prediction.probabilities[prediction.index]):.3f})."
    embeddings = explanation.heads.embeddings
    if len(embeddings) == 1:
        return f"{answer} {ONE_HEAD}"
    without = _probabilities(explanation, mute)
    before = float(prediction.probabilities[k])
    head = int((without - before).abs().argmax())
    if f"{float(without[head]):.3f}" == f"{before:.3f}":
        return f"{answer} No head is missed by itself: without any one of them {labels[k]} stays at {before:.3f}."
    falls = f"{labels[k]} {_moves(before, float(without[head]))}."
    if explanation.regions is None:
        return f"{answer} Without Head {head + 1} {falls}"
    name, share = _main_region(explanation.regions, explanation.heads.spatial[head])
    if not share:
        return f"{answer} Without Head {head + 1} {falls}"
    return f"{answer} Head {head + 1} puts {share:.0%} of its attention on the {name}; without it {falls}"


def mute_sentence(explanation: Explanation) -> str:
    """Which head the explained class needs, and how far one head alone gets."""
    if len(explanation.heads.embeddings) == 1:
        return ONE_HEAD
    label, own = explanation.labels[explanation.target], float(explanation.prediction.probabilities[explanation.target])
    without, alone = (_probabilities(explanation, change) for change in (mute, solo))
    head, nearest = int((without - own).abs().argmax()), int((alone - own).abs().argmin())
    return (
        f"Without Head {head + 1} {label} {_moves(own, float(without[head]))}. "
        f"Alone, Head {nearest + 1} comes closest to the whole network: {float(alone[nearest]):.3f}."
    )


def ledger_sentence(explanation: Explanation) -> str:
    """Which head moves the explained class the furthest from the consensus."""
    fusion, k = explanation.fusion, explanation.target
    if len(fusion.ledger) == 1:
        return ONE_HEAD
    entries = fusion.ledger[:, k]
    head = int(entries.abs().argmax())
    if abs(float(entries[head])) < NOTHING:
        return f"The heads all say the same: {explanation.labels[k]} has the consensus, {signed(fusion.consensus[k])}."
    return (
        f"If all heads agreed, {explanation.labels[k]} would have {signed(fusion.consensus[k])} logits. Their "
        f"disagreement adds {signed(entries.sum())}; Head {head + 1} moves it the furthest ({signed(entries[head])})."
    )


def tug_sentence(tug: TugOfWar, label: str) -> str:
    """How many channels one head owns, who wins most, and how the channels pull."""
    head = int(tug.won.argmax())
    if not tug.won[head]:
        return "No head leads in any channel: they all say the same."
    towards = float(tug.pull.clamp(min=0).sum())
    against = float(tug.pull.clamp(max=0).sum())
    return (
        f"In {tug.saturation:.0%} of the channels one head has nearly the whole share, and Head {head + 1} wins the "
        f"most ({tug.won[head]:.0%} of all). The channels pull {signed(towards)} logits towards {label} and "
        f"{signed(against)} away from it."
    )


def path_sentence(path: ConsensusPath, labels: Sequence[str], target: int) -> str:
    """Where the answer starts, and where it changes on the way."""
    answers = path.logits.argmax(dim=1).tolist()
    here = int((path.alphas - 1).abs().argmin())
    turns = [
        f"{labels[new]} from α = {float(alpha):.2f} on"
        for old, new, alpha in zip(answers, answers[1:], path.alphas[1:].tolist(), strict=False)
        if old != new
    ]
    start, now, end = (float(path.probabilities[i, target]) for i in (0, here, -1))
    told = f"At full agreement the network would say {labels[answers[0]]}, whatever the face"
    then = f"; then {', '.join(turns)}" if turns else ", and disagreement does not change that"
    label = labels[target][:1].upper() + labels[target][1:]
    return f"{told}{then}. {label}: {start:.2f} → {now:.2f} here → {end:.2f} at α = 2."


def shapley_sentence(results: Sequence[Shapley], label: str, target: int) -> str:
    """Who is worth the most for a class, or that the three absences rank the heads differently."""
    if all(result.alike(target) for result in results):
        return f"All heads are worth the same for {label}."
    if not same_ranking(results, target):
        orders = "; ".join(
            f"{result.absence}: {', '.join(f'Head {h + 1}' for h in result.ranking(target))}" for result in results
        )
        return (
            f"What a head is worth for {label} depends on what its absence means. From most to least: {orders}. "
            "Do not quote one of these rankings as if it were the only one."
        )
    order = ", ".join(f"Head {h + 1}" for h in results[0].ranking(target))
    return f"All {len(results)} ways for a head to be absent rank the heads alike for {label}: {order}."


def same_ranking(results: Sequence[Shapley], target: int) -> bool:
    """Whether all absences put the heads in the same order for a class."""
    return len({result.ranking(target) for result in results}) == 1


def overlap_sentence(overlap: Overlap) -> str:
    """Whether the heads look at different places, and which two come closest."""
    heads = len(overlap.cosine)
    apart = overlap.cosine - 2 * torch.eye(heads, dtype=overlap.cosine.dtype)
    one, other = sorted(divmod(int(apart.argmax()), heads))
    closest = float(overlap.cosine[one, other])
    verdict = (
        "The heads look at different places" if closest < 0.5
        else "The heads look at partly the same places" if closest < ALIKE
        else "At least two heads look at the same place"
    )  # fmt: skip
    return (
        f"{verdict}: the mean cosine of their maps is {overlap.mean_cosine:.2f}, the highest {closest:.2f} (Head "
        f"{one + 1} and Head {other + 1}). Partition loss {number(overlap.partition_loss)}; it nears 0 as embeddings "
        "part."
    )


def gates_sentence(gates: Tensor) -> str:
    """How selective the channel gates (H, C) are."""
    low, high = torch.quantile(gates, torch.tensor([0.05, 0.95]), dim=1)  # (H,) each
    head = int((high - low).argmax())
    told = f"Head {head + 1}'s, lie between {float(low[head]):.2f} and {float(high[head]):.2f} in nine channels of ten"
    manner = "hardly select" if float(high[head] - low[head]) < 0.1 else "select channels"
    return f"The gates {manner}: the most selective, {told}."


def regions_sentence(explanation: Explanation) -> str:
    """Where each head looks."""
    if explanation.regions is None:
        return "The whole image was taken as a face: where brows, eyes and mouth lie in it is not known."
    told = []
    for h, cells in enumerate(explanation.heads.spatial):
        name, share = _main_region(explanation.regions, cells)
        told.append(f"Head {h + 1}: {share:.0%} {name}" if share else f"Head {h + 1}: nowhere")
    background = REGIONS.index("background")
    outside = [
        f"Head {h + 1}"
        for h, cells in enumerate(explanation.heads.spatial)
        if explanation.regions.shares(cells)[background] > 0.5
    ]
    beside = f" {_list(outside)} {'looks' if len(outside) == 1 else 'look'} mostly beside the face." if outside else ""
    return f"Most attended: {'; '.join(told)}.{beside}"


def use_sentence(use: Use, label: str) -> str:
    """Whether covering what the heads look at changes the decision more than covering random places."""
    furthest = float(use.random.abs().max())
    matter = [f"Head {h + 1}" for h, change in enumerate(use.measured.tolist()) if abs(change) > furthest]
    count = use.cells.shape[1]
    if not matter:
        return (
            f"Filling the {count} cells that a head attends most moves {label} no further than filling {count} random "
            "cells may: this face gives no sign that what is looked at is used."
        )
    head = int(use.measured.abs().argmax())
    return (
        f"Filling the {count} cells that Head {head + 1} attends most moves {label} by {signed(use.measured[head])} "
        f"logits; the fusion map said {signed(use.predicted[head])}. Further than any of {len(use.random)} random "
        f"fillings: {_list(matter)}."
    )


def transplant_sentence(logits: Tensor, labels: Sequence[str], target: int) -> str:
    """Which head carries the other face's expression over; `logits` (H + 1, K) as `transplant` gives them."""
    probabilities = logits.softmax(dim=1)
    before = float(probabilities[0, target])
    head = int((probabilities[1:, target] - before).abs().argmax())
    answers = logits.argmax(dim=1).tolist()
    turned = [f"Head {h + 1} ({labels[k]})" for h, k in enumerate(answers[1:]) if k != answers[0]]
    then = f"The answer changes with {_list(turned)}." if turned else "No single head changes the answer."
    after = float(probabilities[head + 1, target])
    return f"With the other face's Head {head + 1}, {labels[target]} {_moves(before, after)}. {then}"


def place_sentence(place: ClassPlace, labels: Sequence[str], answer: int) -> str:
    """Which class centre is nearest, and whether the network's answer agrees."""
    order = place.distances.argsort().tolist()
    first, second = order[0], order[1]
    agrees = "which is also the network's answer" if first == answer else f"but the network reads {labels[answer]}"
    return (
        f"The face lies nearest to the centre of {labels[first]} ({float(place.distances[first]):.2f}; next is "
        f"{labels[second]}, {float(place.distances[second]):.2f}), {agrees}."
    )


def percentiles_note(overlap: Overlap, saturation: float, reference: Reference | None) -> str:
    """How usual cosine, IoU, partition loss and saturation are, or that nothing is known about it."""
    known = {
        "overlap": ("cosine", overlap.mean_cosine),
        "iou": ("IoU", overlap.mean_iou),
        "partition_loss": ("partition loss", overlap.partition_loss),
        "saturation": ("saturation", saturation),
    }
    told = []
    for quantity, (name, value) in known.items():
        percentile = None if reference is None else reference.percentile(quantity, value)
        if percentile is not None:
            told.append(f"{name} higher than on {percentile:.0f} %")
    if reference is None or not told:
        return "These weights bring no reference statistics: what is usual cannot be told."
    return f"Of {reference.told.get('count', 'the')} reference faces: {', '.join(told)} of them."


def unusual_regions_note(explanation: Explanation) -> str:
    """Where heads look more, or less, than on nearly all reference faces; empty where that is not known."""
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
                found.append((part, f"Head {h + 1} {REGIONS[r]} {'more' if more else 'less'} than on {part:.0f} %"))
    if not found:
        return f"No share is unusual: all lie among the middle {100 - 2 * UNUSUAL} % of the reference faces."
    told = [text for _, text in sorted(found, reverse=True)[:3]]
    return f"Unusual, of {reference.told.get('count', 'the')} reference faces: {'; '.join(told)} of them."


def absence_note(absence: str) -> str:
    """What an absence means, for a caption."""
    return f"{absence}: {ABSENCES[absence]}"


def _probabilities(explanation: Explanation, change: Callable[[Tensor, int], Tensor]) -> Tensor:
    """The explained class's probability with each head changed in turn, (H,)."""
    logits = for_each_head(explanation.fusion.classifier, explanation.heads.embeddings, change)
    return logits.softmax(dim=1)[:, explanation.target]


def _main_region(regions: Regions, cells: Tensor) -> tuple[str, float]:
    shares = regions.shares(cells)
    return REGIONS[int(shares.argmax())], float(shares.max())


def _moves(before: float, after: float) -> str:
    if f"{before:.3f}" == f"{after:.3f}":
        return f"stays at {before:.3f}"
    return f"{'falls' if after < before else 'rises'} from {before:.3f} to {after:.3f}"


def signed(value: float | Tensor) -> str:
    """Two digits with a true minus; what rounds to nothing has no sign."""
    text = f"{float(value):+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
