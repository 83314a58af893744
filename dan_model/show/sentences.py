"""Plain sentences, made from the numbers alone: one for each view."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from dan_model.explain.attended_vs_used import AttendedVsUsed
from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import (
    ABSENCES,
    ConsensusPath,
    Shapley,
    TugOfWar,
    ablate,
    ablate_all_but,
)
from dan_model.explain.heads import Overlap
from dan_model.explain.reference import ClassDistances, MapComparison, Reference
from dan_model.explain.regions import REGIONS, Regions
from dan_model.explain.score import LOGIT
from dan_model.faces import FaceCrop
from dan_model.network import TRAINING_PRIOR
from dan_model.show.tiles import number, outside_part, percent, whole_percent

ONE_HEAD = "With a single head there is nothing to fuse: the head's embedding is classified as it is."
ALIKE = 0.95  # cosine from which two heads are called alike
UNUSUAL = 5  # percent: below it, or above 100 less it, a percentile is called unusual
HARDLY_SELECT = 0.2  # width of the range of nine gates in ten, below which gates hardly select
NOTHING = 0.005  # nats or logits: what two digits show as zero
ABSENCE_NAMES = {"zero": "zeroed", "mean": "mean of the others", "removed": "left out"}  # by name in `ABSENCES`


def summary(explanation: Explanation) -> str:
    """The prediction, what the head that the explained class depends on most attends to, and the class without it."""
    labels, prediction, k = explanation.labels, explanation.prediction, explanation.target
    predicted = f"Predicted: {prediction.label} ({percent(float(prediction.probabilities[prediction.index]))})."
    embeddings = explanation.heads.embeddings
    if len(embeddings) == 1:
        return f"{predicted} {ONE_HEAD}"
    # The head without which the probability changes most.
    without = explanation.probabilities_with(ablate)
    before = float(prediction.probabilities[k])
    head = explanation.most_needed_head
    if percent(float(without[head])) == percent(before):
        return f"{predicted} Removing any one head changes nothing: {labels[k]} stays at {percent(before)}."
    change = f"{labels[k]} {_change(before, float(without[head]))}."
    # What it attends to.
    if explanation.regions is None:
        return f"{predicted} Without Head {head + 1} {change}"
    name, share = _main_region(explanation.regions, explanation.heads.spatial[head])
    if not share:
        return f"{predicted} Without Head {head + 1} {change}"
    attends = f"which puts {whole_percent(share)} of its attention on the {name}"
    return f"{predicted} Without Head {head + 1}, {attends}, {change}"


def crop_notes(crop: FaceCrop) -> list[str]:
    """What should be known about a crop before its maps are read: few pixels, or a part that is not in the photo."""
    notes = []
    if crop.small:
        notes.append(
            f"The crop has only {crop.side:.1f} pixels a side in the photo, fewer than the network's training images: "
            "read its maps with care."
        )
    if part := outside_part(crop):
        notes.append(
            f"{part} of the crop is not in the photo (hatched): there, the network sees the photo's edge repeated."
        )
    return notes


def ablation_sentence(explanation: Explanation) -> str:
    """The head that the explained class depends on most, and the head that comes closest with all others off."""
    if len(explanation.heads.embeddings) == 1:
        return ONE_HEAD
    label, own = explanation.labels[explanation.target], float(explanation.prediction.probabilities[explanation.target])
    without, only = (explanation.probabilities_with(change) for change in (ablate, ablate_all_but))
    head, nearest = explanation.most_needed_head, int((only - own).abs().argmin())
    return (
        f"Without Head {head + 1} {label} {_change(own, float(without[head]))}. "
        f"With one head only, Head {nearest + 1} comes closest to the whole network: {percent(float(only[nearest]))}."
    )


def ledger_sentence(explanation: Explanation) -> str:
    """The consensus, what the score is there, the sum of all contributions, and the largest one."""
    fusion, score = explanation.fusion, explanation.score
    if len(fusion.ledger) == 1:
        return ONE_HEAD
    name, baseline = score.describe_classes(explanation.labels), signed(score.pick(fusion.consensus))
    head = int(fusion.contributions.abs().argmax())
    first = f"{consensus_text(explanation)} There, {name} has {baseline} {score.unit}."
    if abs(float(fusion.contributions[head])) < NOTHING:
        return f"{first} On this face no head changes that."
    return (
        f"{first} The contributions of the heads add {signed(fusion.contributions.sum())}; the largest is that of "
        f"Head {head + 1} ({signed(fusion.contributions[head])}).{score_note(explanation)}"
    )


def consensus_text(explanation: Explanation) -> str:
    """What the network would predict if all heads were equal, with its probability."""
    probabilities = explanation.fusion.consensus.softmax(dim=0)  # of logits or of log-probabilities: the same
    best = int(probabilities.argmax())
    return f"If all heads were equal: {explanation.labels[best]}, {float(probabilities[best]):.2f}, whatever the face."


def score_note(explanation: Explanation) -> str:
    """What a raw logit cannot tell; empty for the other scores."""
    if explanation.score.kind != LOGIT:
        return ""
    return (
        " A raw logit is not the decision: if all logits fall together, the prediction stays as it is, and every "
        "contribution still looks negative. The log-probability and the contrast do not have this fault."
    )


def prior_note(explanation: Explanation) -> str:
    """That the class prior is taken off; empty where it is not."""
    if explanation.prior == TRAINING_PRIOR:
        return ""
    return (
        "Base rates: every expression counts as equally likely. From each logit, the logarithm of the class's part in "
        "the training set is taken off; all numbers and maps follow."
    )


def tug_sentence(tug: TugOfWar, label: str, unit: str) -> str:
    """How many channels are dominated by one head, which head wins most, and what the channels contribute."""
    head = int(tug.won.argmax())
    if not tug.won[head]:
        return "No head leads in any channel: all heads are equal."
    towards = float(tug.pull.clamp(min=0).sum())
    against = float(tug.pull.clamp(max=0).sum())
    return (
        f"In {whole_percent(tug.saturation)} of the channels one head has nearly the whole share, and Head {head + 1} "
        f"wins the most ({whole_percent(float(tug.won[head]))} of all): winning a channel does not say which way it "
        f"moves "
        f"a class. The channels contribute {signed(towards)} {unit} for {label} and {signed(against)} against it."
    )


def path_sentence(path: ConsensusPath, labels: Sequence[str], target: int) -> str:
    """The prediction at the baseline, and where it changes on the way to α = 2."""
    predicted = path.logits.argmax(dim=1).tolist()
    here = int((path.alphas - 1).abs().argmin())
    turns = [
        f"{labels[new]} from α = {float(alpha):.2f} on"
        for old, new, alpha in zip(predicted, predicted[1:], path.alphas[1:].tolist(), strict=False)
        if old != new
    ]
    start, now, end = (float(path.probabilities[i, target]) for i in (0, here, -1))
    first = f"At the baseline (all heads equal) the prediction is {labels[predicted[0]]}, whatever the face"
    then = f"; then {', '.join(turns)}" if turns else ", and differences between the heads do not change that"
    label = labels[target][:1].upper() + labels[target][1:]
    return f"{first}{then}. {label}: {start:.2f} → {now:.2f} here → {end:.2f} at α = 2."


def shapley_sentence(results: Sequence[Shapley], label: str) -> str:
    """The ranking of the heads for a score, or that the three absences rank them differently."""
    if all(result.all_equal for result in results):
        return f"All heads have the same Shapley value for {label}."
    if not same_ranking(results):
        orders = "; ".join(
            f"{ABSENCE_NAMES[result.absence]}: {', '.join(f'Head {h + 1}' for h in result.ranking)}"
            for result in results
        )
        return (
            f"How the heads rank for {label} depends on what an absent head is. From highest to lowest: {orders}. "
            "Do not quote one of these rankings as if it were the only one."
        )
    order = ", ".join(f"Head {h + 1}" for h in results[0].ranking)
    return (
        f"All {len(results)} ways for a head to be absent rank the heads alike for {label}: {order}; the values differ."
    )


def same_ranking(results: Sequence[Shapley]) -> bool:
    """Whether all absences put the heads in the same order."""
    return len({result.ranking for result in results}) == 1


def overlap_sentence(overlap: Overlap) -> str:
    """Whether the heads attend to different places, and which two are most alike."""
    heads = len(overlap.cosine)
    apart = overlap.cosine - 2 * torch.eye(heads, dtype=overlap.cosine.dtype)
    one, other = sorted(divmod(int(apart.argmax()), heads))
    closest = float(overlap.cosine[one, other])
    verdict = (
        "The heads attend to different places" if closest < 0.5
        else "The heads attend to partly the same places" if closest < ALIKE
        else "At least two heads attend to the same place"
    )  # fmt: skip
    return (
        f"{verdict}: the mean cosine of their maps is {overlap.mean_cosine:.2f}, the highest {closest:.2f} (Head "
        f"{one + 1} and Head {other + 1}). Partition loss {number(overlap.partition_loss)}: the lower, the more "
        "the heads' embeddings differ."
    )


def gates_sentence(gates: Tensor) -> str:
    """How selective the channel gates (H, C) are."""
    low, high = torch.quantile(gates, torch.tensor([0.05, 0.95]), dim=1)  # (H,) each
    head = int((high - low).argmax())
    range_ = f"Head {head + 1}'s, lie between {float(low[head]):.2f} and {float(high[head]):.2f}"
    manner = "hardly select" if float(high[head] - low[head]) < HARDLY_SELECT else "select channels"
    return f"The gates {manner}: nine in ten of the most selective, {range_}."


def regions_sentence(explanation: Explanation) -> str:
    """The region that each head attends to most, and which heads attend mostly to the background."""
    if explanation.regions is None:
        return "The whole image was taken as a face: where brows, eyes and mouth lie in it is not known."
    background, per_head, outside = REGIONS.index("background"), [], []
    for h, cells in enumerate(explanation.heads.spatial):
        name, share = _main_region(explanation.regions, cells)
        per_head.append(f"Head {h + 1}: {whole_percent(share)} {name}" if share else f"Head {h + 1}: nowhere")
        if explanation.regions.shares(cells)[background] > 0.5:
            outside.append(f"Head {h + 1}")
    beside = f" {_list(outside)} {'looks' if len(outside) == 1 else 'look'} mostly beside the face." if outside else ""
    return f"Most attended: {'; '.join(per_head)}.{beside}"


def usual_maps_sentence(found: MapComparison, reference: Reference) -> str:
    """How much of each head's map is the same for every face, and which head differs most from its average here."""
    assert reference.map_energy is not None
    always = ", ".join(f"Head {h + 1} {whole_percent(part)}" for h, part in enumerate(reference.map_energy.tolist()))
    head = int(found.cosine.argmin())
    return (
        f"Part of a map that is the same for every face: {always}. On this face, Head {head + 1} differs most from "
        f"its average (cosine {float(found.cosine[head]):.2f})."
    )


def attended_vs_used_sentence(measured: AttendedVsUsed, label: str) -> str:
    """Whether replacing the attended cells changes the score more than replacing random cells."""
    furthest = float(measured.random.abs().max())
    matter = [f"Head {h + 1}" for h, change in enumerate(measured.measured.tolist()) if abs(change) > furthest]
    count = measured.cells.shape[1]
    if not matter:
        return (
            f"Replacing the {count} cells that a head attends to most changes {label} no more than replacing {count} "
            "random cells may: this face gives no sign that the prediction depends on the attended cells."
        )
    head = int(measured.measured.abs().argmax())
    rest = [name for h in range(len(measured.measured)) if (name := f"Head {h + 1}") not in matter]
    others = f", for {_list(rest)} it is not" if rest else ""
    change = f"{signed(measured.measured[head])} {measured.score.unit}"
    return (
        f"Replacing the {count} cells that Head {head + 1} attends to most changes {label} by {change}; the fusion map "
        f"predicts {signed(measured.predicted[head])}. For {_list(matter)} the change is larger than with any of "
        f"{len(measured.random)} random choices of cells{others}."
    )


def transplant_sentence(logits: Tensor, labels: Sequence[str], target: int) -> str:
    """Which head changes the explained class most when it is the other face's, and which change the prediction.

    Args:
        logits: As `transplant` gives them, (H + 1, K).
        labels: The K class names.
        target: The explained class.
    """
    probabilities = logits.softmax(dim=1)
    before = float(probabilities[0, target])
    head = int((probabilities[1:, target] - before).abs().argmax())
    predicted = logits.argmax(dim=1).tolist()
    turned = [f"Head {h + 1} ({labels[k]})" for h, k in enumerate(predicted[1:]) if k != predicted[0]]
    then = f"The prediction changes with {_list(turned)}." if turned else "No single head changes the prediction."
    after = float(probabilities[head + 1, target])
    return f"With the other face's Head {head + 1}, {labels[target]} {_change(before, after)}. {then}"


def distances_sentence(class_distances: ClassDistances, labels: Sequence[str], predicted: int) -> str:
    """Which class centre is nearest, and whether it is that of the predicted class."""
    distances = class_distances.distances
    first, second = distances.argsort()[:2].tolist()
    agrees = "which is also the prediction" if first == predicted else f"but the prediction is {labels[predicted]}"
    return (
        f"The face lies nearest to the centre of {labels[first]} ({float(distances[first]):.2f}; next is "
        f"{labels[second]}, {float(distances[second]):.2f}), {agrees}."
    )


def percentiles_note(overlap: Overlap, saturation: float, reference: Reference | None) -> str:
    """The percentiles of cosine, IoU, partition loss and saturation among the reference faces."""
    values = {
        "overlap": ("cosine", overlap.mean_cosine),
        "iou": ("IoU", overlap.mean_iou),
        "partition_loss": ("partition loss", overlap.partition_loss),
        "saturation": ("saturation", saturation),
    }
    known = []
    for quantity, (name, value) in values.items():
        percentile = None if reference is None else reference.percentile(quantity, value)
        if percentile is not None:
            known.append(f"{name} higher than on {percentile:.0f} %")
    if reference is None or not known:
        return "These weights bring no reference statistics, so there is nothing to compare these numbers with."
    return f"Compared with {reference.source.get('count', 'the')} reference faces: {', '.join(known)} of them."


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
                found.append((part, f"Head {h + 1} {REGIONS[r]} {'more' if more else 'less'} than on {part:.0f} %"))
    if not found:
        return f"No percentage is unusual: all lie among the middle {100 - 2 * UNUSUAL} % of the reference faces."
    most_unusual = [text for _, text in sorted(found, reverse=True)[:3]]
    return f"Unusual, of {reference.source.get('count', 'the')} reference faces: {'; '.join(most_unusual)} of them."


def absence_note(absence: str) -> str:
    """The name of an absence for people, and what it means."""
    return f"{ABSENCE_NAMES[absence]} ({ABSENCES[absence]})"


def signed(value: float | Tensor) -> str:
    """Two digits with a true minus; what rounds to zero has no sign."""
    text = f"{float(value):+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def _main_region(regions: Regions, cells: Tensor) -> tuple[str, float]:
    shares = regions.shares(cells)
    return REGIONS[int(shares.argmax())], float(shares.max())


def _change(before: float, after: float) -> str:
    if percent(before) == percent(after):
        return f"stays at {percent(before)}"
    return f"{'falls' if after < before else 'rises'} from {percent(before)} to {percent(after)}"


def _list(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
