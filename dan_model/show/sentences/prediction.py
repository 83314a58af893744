"""Sentences on the prediction, and what should be known about the face before it is read."""

from __future__ import annotations

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ablate
from dan_model.faces import FaceCrop
from dan_model.network import TRAINING_PRIOR
from dan_model.show.sentences.fusion import ONE_HEAD
from dan_model.show.sentences.words import change_of, main_region
from dan_model.show.tiles import outside_part, percent, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _


def summary(explanation: Explanation) -> str:
    """The prediction, what the head that the explained class depends on most attends to, and the class without it."""
    labels, prediction, k = explanation.labels, explanation.prediction, explanation.target
    probability = percent(float(prediction.probabilities[prediction.index]))
    predicted = _("Predicted: {label} ({probability}).").format(label=prediction.label, probability=probability)
    embeddings = explanation.heads.embeddings
    if len(embeddings) == 1:
        return f"{predicted} {ONE_HEAD}"
    # The head without which the probability changes most.
    without = explanation.probabilities_with(ablate)
    before = float(prediction.probabilities[k])
    head = explanation.most_needed_head
    if percent(float(without[head])) == percent(before):
        unchanged = _("Removing any one head changes nothing: {label} stays at {probability}.")
        return f"{predicted} {unchanged.format(label=labels[k], probability=percent(before))}"
    change = change_of(labels[k], before, float(without[head]))
    # What it attends to.
    name, share = ("", 0.0)
    if explanation.regions is not None:
        name, share = main_region(explanation.regions, explanation.heads.spatial[head])
    consequence = _("Without {head}, which puts {share} of its attention on the {region}, {change}.")
    if not share:
        consequence = _("Without {head} {change}.")
    said = consequence.format(head=head_name(head), share=whole_percent(share), region=name, change=change)
    return f"{predicted} {said}"


def crop_notes(crop: FaceCrop) -> list[str]:
    """What should be known about a crop before its maps are read: few pixels, or a part that is not in the photo."""
    notes = []
    if crop.small:
        few = _(
            "The crop has only {side} pixels a side in the photo, fewer than the network's training images: read its "
            "maps with care."
        )
        notes.append(few.format(side=f"{crop.side:.1f}"))
    if part := outside_part(crop):
        outside = _(
            "{part} of the crop is not in the photo (hatched): there, the network sees the photo's edge repeated."
        )
        notes.append(outside.format(part=part))
    return notes


def prior_note(explanation: Explanation) -> str:
    """That the class prior is taken off; empty where it is not."""
    if explanation.prior == TRAINING_PRIOR:
        return ""
    return _(
        "Base rates: every expression counts as equally likely. From each logit, the logarithm of the class's part in "
        "the training set is taken off; all numbers and maps follow."
    )
