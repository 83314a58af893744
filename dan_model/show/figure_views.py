"""The views of an explanation: each a title, one sentence, a figure, and a note on how to read it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure
from torch import Tensor

from dan_model.explain.attended_vs_used import CELLS
from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ABSENCES, MAX_HEADS, consensus_path, shapley_values, transplant, tug_of_war
from dan_model.explain.heads import compute_overlap
from dan_model.explain.reference import compare_maps
from dan_model.network import SATURATED
from dan_model.show import sentences
from dan_model.show.class_figures import distances_figure, projection_figure
from dan_model.show.fusion_figures import (
    ablation_figure,
    ledger_figure,
    path_figure,
    shapley_figure,
    transplant_figure,
    tug_figure,
)
from dan_model.show.head_figures import (
    attended_vs_used_figure,
    gates_figure,
    overlap_figure,
    region_map_figure,
    regions_figure,
    usual_maps_figure,
)
from dan_model.show.style import HEAD_COLOURS
from dan_model.texts import translate as _


@dataclass(frozen=True, eq=False)
class FigureView:
    """One view of one face.

    Attributes:
        name: For file names and page anchors.
        title: The question that it answers, or what it shows.
        sentence: The result, in one sentence or two.
        figure: None where the view does not apply; the sentence says why.
        note: How to read the figure.
        warning: Whether the sentence is a warning.
    """

    name: str
    title: str
    sentence: str
    figure: Figure | None = None
    note: str = ""
    warning: bool = False


def head_views(explanation: Explanation) -> list[FigureView]:
    """The views of the heads: where they attend, whether they differ, their channels, and attended versus used."""
    views = [
        _regions(explanation), *_region_map(explanation), *_usual_maps(explanation), _overlap(explanation),
        _gates(explanation),
    ]  # fmt: skip
    if explanation.attended_vs_used is not None:
        views.append(_attended_vs_used(explanation))
    return views


def fusion_views(explanation: Explanation) -> list[FigureView]:
    """The views of the fusion: how the heads become a decision."""
    return [_contributions(explanation), _ablation(explanation), _tug(explanation), _shapley(explanation)]


def class_views(explanation: Explanation) -> list[FigureView]:
    """The views of the classes: how far the face is from each, and its position among the reference faces."""
    distances, reference, labels = explanation.class_distances, explanation.reference, explanation.labels
    title = _("How far is this face from each class?")
    if distances is None or reference is None:
        missing = _("These weights bring no reference statistics: `reference` makes them.")
        return [FigureView("distances", title, missing)]
    views = [
        FigureView(
            "distances",
            title,
            sentences.distances_sentence(distances, labels, explanation.prediction.index),
            distances_figure(distances, labels, explanation.target),
            _(
                "In the backbone's features, averaged over the cells: before any head. The affinity loss pulls the "
                "faces of a class towards its centre."
            ),
        )
    ]
    projection = projection_figure(distances, reference, labels)
    if projection is not None:
        faces = _(
            "Reference faces ({dataset}, {count} faces) in the plane in which they differ most; the star is this face."
        ).format(dataset=reference.source.get("dataset", _("unknown faces")), count=reference.source.get("count", "?"))
        views.append(
            FigureView(
                "projection",
                _("Position among reference faces (PCA)"),
                faces,
                projection,
                _(
                    "Principal components of the pooled features. Faces that are near in this plane need not be near "
                    "in all 512 directions; the distances to the class centres are taken in all of them."
                ),
            )
        )
    return views


def all_views(explanation: Explanation) -> list[FigureView]:
    """Every view of one face: heads, fusion, classes, and the consensus path, which the page draws live instead."""
    return [
        *head_views(explanation), *fusion_views(explanation), *class_views(explanation), _path(explanation),
    ]  # fmt: skip


def transplant_view(explanation: Explanation, other: Tensor, name: str) -> FigureView:
    """The view of one head at a time taken from another face.

    Args:
        explanation: This face.
        other: The other face's embeddings under the same network, (H, C).
        name: What the other face is called.
    """
    logits = transplant(explanation.fusion.classifier, explanation.heads.embeddings, other)
    return FigureView(
        "transplant",
        _("What if one head had seen another face?"),
        sentences.transplant_sentence(logits, explanation.labels, explanation.target),
        transplant_figure(logits, explanation.labels, name),
        _("Probabilities. First row: this face as it is; below, one head's embedding replaced by the other face's."),
    )


def _regions(explanation: Explanation) -> FigureView:
    regions = explanation.regions
    reading = _(
        "Each row adds up to 100 %. The dotted line is the region's area: a bar beyond it means more attention than "
        "the region's size would give. Signed maps count by absolute value; a cell on a border is divided between "
        "both sides."
    )
    return FigureView(
        "regions",
        _("Which parts of the face does each head look at?"),
        sentences.regions_sentence(explanation),
        None if regions is None else regions_figure(explanation, regions),
        f"{reading} {sentences.unusual_regions_note(explanation)}",
    )


def _region_map(explanation: Explanation) -> list[FigureView]:
    if explanation.regions is None:
        return []
    return [
        FigureView(
            "region-map",
            _("Face regions used"),
            _("Estimated from eyes, nose and mouth corners and the proportions of a face seen from the front."),
            region_map_figure(explanation, explanation.regions),
            _("What is not named is background. Less accurate for faces in profile."),
        )
    ]


def _usual_maps(explanation: Explanation) -> list[FigureView]:
    reference = explanation.reference
    found = None if reference is None else compare_maps(explanation.heads.spatial, reference)
    if reference is None or found is None or reference.map_energy is None:
        return []
    return [
        FigureView(
            "usual-maps",
            _("This face, or every face?"),
            sentences.usual_maps_sentence(found, reference),
            usual_maps_figure(found, reference),
            _(
                "All maps are scaled to unit length; the average is over {count} reference faces. Difference: red "
                "where the head attends more than on average. A head with one map for every face attends to a place, "
                "whatever is there. Bottom row: the mean of the reference faces on which the head had most effect; it "
                "shows no single person."
            ).format(count=sentences.reference_count(reference)),
        )
    ]


def _overlap(explanation: Explanation) -> FigureView:
    title = _("Do the heads attend to different places?")
    if _single(explanation):
        return _needs_two("overlap", title)
    overlap = compute_overlap(explanation.heads)
    tug = tug_of_war(explanation.fusion, explanation.heads.embeddings)
    reading = _(
        "On the diagonal, each head with itself: 1. IoU counts each head's ten highest cells, of which the lower ones "
        "have little weight."
    )
    percentiles = sentences.percentiles_note(overlap, tug.saturation, explanation.reference)
    return FigureView(
        "overlap",
        title,
        sentences.overlap_sentence(overlap),
        overlap_figure(overlap),
        f"{reading} {percentiles}",
    )


def _gates(explanation: Explanation) -> FigureView:
    gates = explanation.heads.gates
    return FigureView(
        "gates",
        _("Channel attention: which channels does each head pass on?"),
        sentences.gates_sentence(gates),
        gates_figure(gates),
        _("One gate between 0 (shut) and 1 (open) for each of the backbone's channels, numbered from 1."),
    )


def _attended_vs_used(explanation: Explanation) -> FigureView:
    measured = explanation.attended_vs_used
    assert measured is not None
    name, title = "attended-vs-used", _("Does the prediction depend on the attended cells?")
    if _single(explanation):
        return _needs_two(name, title)
    score = measured.score.describe(explanation.labels)
    return FigureView(
        name,
        title,
        sentences.attended_vs_used_sentence(measured, score),
        attended_vs_used_figure(explanation, measured),
        _(
            "Left: every cell of every head; ρ is Spearman's rank correlation, high because evidence is computed from "
            "the attention. Right: the {count} most attended cells are replaced by the mean of all others, in the "
            "backbone's output, and heads and fusion are computed again."
        ).format(count=CELLS),
    )


def _contributions(explanation: Explanation) -> FigureView:
    name, title = "contributions", _("Contribution of each head to each class")
    if _single(explanation):
        return _needs_two(name, title)
    return FigureView(
        name,
        title,
        sentences.ledger_sentence(explanation),
        ledger_figure(explanation),
        _(
            "Contributions to the right raise the {quantity} of a class, those to the left lower it; the diamond is "
            "their sum."
        ).format(quantity=_(explanation.score.quantity))
        + _repeated_colours(explanation),
    )


def _ablation(explanation: Explanation) -> FigureView:
    name, title = "ablation", _("Head ablation: without this head, with this head only")
    if _single(explanation):
        return _needs_two(name, title)
    return FigureView(
        name,
        title,
        sentences.ablation_sentence(explanation),
        ablation_figure(explanation),
        _(
            "A head that is off has an embedding of zeros, as if its map were zero; the fusion still compares these "
            "zeros. The dotted line is the network's own probability. A contribution is counted from equal heads, an "
            "ablation from this face, and a Shapley value over all orders of the heads: three questions, whose "
            "answers may differ."
        ),
    )


def _tug(explanation: Explanation) -> FigureView:
    name, title = "tug-of-war", _("Tug of war: contribution of each channel")
    if _single(explanation):
        return _needs_two(name, title)
    score = explanation.score
    label, unit = score.describe_classes(explanation.labels), _(score.unit)
    tug = tug_of_war(explanation.fusion, explanation.heads.embeddings)
    return FigureView(
        name,
        title,
        sentences.tug_sentence(tug, label, unit),
        tug_figure(tug, label, unit),
        _(
            "One line for each channel, coloured by the head with the largest share; the lines add up to this face − "
            "baseline (all heads equal). Saturated: above {limit}. The colour shows which head wins a channel, not "
            "which way each head moves the class: see the contribution of each head."
        ).format(limit=SATURATED)
        + _repeated_colours(explanation),
    )


def _path(explanation: Explanation) -> FigureView:
    title = _("From the baseline (all heads equal) to this face, and beyond")
    if _single(explanation):
        return _needs_two("path", title)
    path = consensus_path(explanation.fusion.classifier, explanation.heads.embeddings)
    return FigureView(
        "path",
        title,
        sentences.path_sentence(path, explanation.labels, explanation.target),
        path_figure(path, explanation.labels, explanation.target),
        _("v(α) = v̄ + α(v − v̄): the differences between the heads are scaled by α."),
    )


def _shapley(explanation: Explanation) -> FigureView:
    name, title = "shapley", _("Shapley value of each head")
    heads = len(explanation.heads.embeddings)
    if heads == 1:
        return _needs_two(name, title)
    if heads > MAX_HEADS:
        too_many = _("Exact Shapley values are computed for up to {most} heads, not {count}.")
        return FigureView(name, title, too_many.format(most=MAX_HEADS, count=heads))
    classifier, embeddings = explanation.fusion.classifier, explanation.heads.embeddings
    score = explanation.score
    results = [shapley_values(classifier, embeddings, absence, score) for absence in ABSENCES]
    label = score.describe_classes(explanation.labels)
    axis = _("{unit} of {score}").format(unit=_(score.unit), score=label)
    return FigureView(
        name,
        title,
        sentences.shapley_sentence(results, label),
        shapley_figure(results, axis),
        _(
            "Exact Shapley values: a head's effect on {score}, averaged over all orders in which heads can be added. "
            "Ways to be absent: {ways}."
        ).format(score=label, ways="; ".join(map(sentences.absence_note, ABSENCES))),
        warning=not sentences.same_ranking(results),
    )


def _repeated_colours(explanation: Explanation) -> str:
    """That colours stand for several heads, after a space; empty where they do not."""
    distinct = len(HEAD_COLOURS)
    repeated = " " + _("Colours repeat after {count} heads.").format(count=distinct)
    return repeated if len(explanation.heads.embeddings) > distinct else ""


def _single(explanation: Explanation) -> bool:
    return len(explanation.heads.embeddings) == 1


def _needs_two(name: str, title: str) -> FigureView:
    return FigureView(name, title, f"{_('This view needs two heads or more.')} {sentences.ONE_HEAD}")
