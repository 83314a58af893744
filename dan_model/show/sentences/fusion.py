"""Sentences on the fusion: what each head contributes, what happens without it, and where the heads start."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ABSENCES, ConsensusPath, Shapley, TugOfWar, ablate, ablate_all_but
from dan_model.explain.score import LOGIT
from dan_model.show.sentences.words import change_of, listed
from dan_model.show.tiles import percent, signed, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _

ONE_HEAD = _("With a single head there is nothing to fuse: the head's embedding is classified as it is.")
NOTHING = 0.005  # nats or logits: what two digits show as zero
ABSENCE_NAMES = {"zero": _("zeroed"), "mean": _("mean of the others"), "removed": _("left out")}
"""By name in `ABSENCES`."""


def ablation_sentence(explanation: Explanation) -> str:
    """The head that the explained class depends on most, and the head that comes closest with all others off."""
    if len(explanation.heads.embeddings) == 1:
        return ONE_HEAD
    label, own = explanation.labels[explanation.target], float(explanation.prediction.probabilities[explanation.target])
    without, only = (explanation.probabilities_with(change) for change in (ablate, ablate_all_but))
    head, nearest = explanation.most_needed_head, int((only - own).abs().argmin())
    return _(
        "Without {head} {change}. With one head only, {nearest} comes closest to the whole network: {probability}."
    ).format(
        head=head_name(head), change=change_of(label, own, float(without[head])), nearest=head_name(nearest),
        probability=percent(float(only[nearest])),
    )  # fmt: skip


def ledger_sentence(explanation: Explanation) -> str:
    """The consensus, what the score is there, the sum of all contributions, and the largest one."""
    fusion, score = explanation.fusion, explanation.score
    if len(fusion.ledger) == 1:
        return ONE_HEAD
    head = int(fusion.contributions.abs().argmax())
    there = _("There, {score} has {baseline} {unit}.").format(
        score=score.describe_classes(explanation.labels), baseline=signed(score.pick(fusion.consensus)),
        unit=_(score.unit),
    )  # fmt: skip
    first = f"{consensus_text(explanation)} {there}"
    if abs(float(fusion.contributions[head])) < NOTHING:
        return f"{first} {_('On this face no head changes that.')}"
    added = _("The contributions of the heads add {sum}; the largest is that of {head} ({contribution}).").format(
        sum=signed(fusion.contributions.sum()), head=head_name(head), contribution=signed(fusion.contributions[head])
    )
    return f"{first} {added}{score_note(explanation)}"


def consensus_text(explanation: Explanation) -> str:
    """What the network would predict if all heads were equal, with its probability."""
    probabilities = explanation.fusion.consensus.softmax(dim=0)  # of logits or of log-probabilities: the same
    best = int(probabilities.argmax())
    equal = _("If all heads were equal: {label}, {probability}, whatever the face.")
    return equal.format(label=explanation.labels[best], probability=f"{float(probabilities[best]):.2f}")


def score_note(explanation: Explanation) -> str:
    """What a raw logit cannot tell, after a space; empty for the other scores."""
    if explanation.score.kind != LOGIT:
        return ""
    return " " + _(
        "A raw logit is not the decision: if all logits fall together, the prediction stays as it is, and every "
        "contribution still looks negative. The log-probability and the contrast do not have this fault."
    )


def tug_sentence(tug: TugOfWar, label: str, unit: str) -> str:
    """How many channels are dominated by one head, which head wins most, and what the channels contribute."""
    head = int(tug.won.argmax())
    if not tug.won[head]:
        return _("No head leads in any channel: all heads are equal.")
    return _(
        "In {saturation} of the channels one head has nearly the whole share, and {head} wins the most ({won} of all): "
        "winning a channel does not say which way it moves a class. The channels contribute {towards} {unit} for "
        "{score} and {against} against it."
    ).format(
        saturation=whole_percent(tug.saturation), head=head_name(head), won=whole_percent(float(tug.won[head])),
        towards=signed(float(tug.pull.clamp(min=0).sum())), against=signed(float(tug.pull.clamp(max=0).sum())),
        unit=unit, score=label,
    )  # fmt: skip


def path_sentence(path: ConsensusPath, labels: Sequence[str], target: int) -> str:
    """The prediction at the baseline, and where it changes on the way to α = 2."""
    predicted = path.logits.argmax(dim=1).tolist()
    here = int((path.alphas - 1).abs().argmin())
    turns = [
        _("{label} from α = {alpha} on").format(label=labels[new], alpha=f"{float(alpha):.2f}")
        for old, new, alpha in zip(predicted, predicted[1:], path.alphas[1:].tolist(), strict=False)
        if old != new
    ]
    first = _("At the baseline (all heads equal) the prediction is {label}, whatever the face; then {changes}.")
    if not turns:
        first = _(
            "At the baseline (all heads equal) the prediction is {label}, whatever the face, and differences between "
            "the heads do not change that."
        )
    first = first.format(label=labels[predicted[0]], changes=", ".join(turns))
    start, now, end = (f"{float(path.probabilities[i, target]):.2f}" for i in (0, here, -1))
    label = labels[target][:1].upper() + labels[target][1:]
    then = _("{label}: {start} → {now} here → {end} at α = 2.").format(label=label, start=start, now=now, end=end)
    return f"{first} {then}"


def shapley_sentence(results: Sequence[Shapley], label: str) -> str:
    """The ranking of the heads for a score, or that the three absences rank them differently."""
    if all(result.all_equal for result in results):
        return _("All heads have the same Shapley value for {score}.").format(score=label)
    if not same_ranking(results):
        orders = "; ".join(f"{ABSENCE_NAMES[result.absence]}: {_ranked(result)}" for result in results)
        return _(
            "How the heads rank for {score} depends on what an absent head is. From highest to lowest: {rankings}. Do "
            "not quote one of these rankings as if it were the only one."
        ).format(score=label, rankings=orders)
    return _(
        "All {count} ways for a head to be absent rank the heads alike for {score}: {ranking}; the values differ."
    ).format(count=len(results), score=label, ranking=_ranked(results[0]))


def same_ranking(results: Sequence[Shapley]) -> bool:
    """Whether all absences put the heads in the same order."""
    return len({result.ranking for result in results}) == 1


def absence_note(absence: str) -> str:
    """The name of an absence for people, and what it means."""
    return f"{ABSENCE_NAMES[absence]} ({_(ABSENCES[absence])})"


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
    turned = [f"{head_name(h)} ({labels[k]})" for h, k in enumerate(predicted[1:]) if k != predicted[0]]
    first = _("With the other face's {head}, {change}.").format(
        head=head_name(head), change=change_of(labels[target], before, float(probabilities[head + 1, target]))
    )
    if not turned:
        return f"{first} {_('No single head changes the prediction.')}"
    return f"{first} {_('The prediction changes with {heads}.').format(heads=listed(turned))}"


def _ranked(result: Shapley) -> str:
    return ", ".join(map(head_name, result.ranking))
