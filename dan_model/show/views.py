"""The laboratory's views: each a title, one sentence, a figure, and what to know when reading it."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure
from torch import Tensor

from dan_model.explain.channels import tug_of_war
from dan_model.explain.explanation import Explanation
from dan_model.explain.heads import read_overlap
from dan_model.explain.interventions import consensus_path, transplant
from dan_model.explain.score import Score
from dan_model.explain.shapley import ABSENCES, MAX_HEADS, shapley_values
from dan_model.explain.use import CELLS
from dan_model.network import SATURATED
from dan_model.show import sentences
from dan_model.show.class_figures import distances_figure, projection_figure
from dan_model.show.fusion_figures import (
    ledger_figure,
    mute_figure,
    path_figure,
    shapley_figure,
    transplant_figure,
    tug_figure,
)
from dan_model.show.head_figures import gates_figure, overlap_figure, region_map_figure, regions_figure, use_figure
from dan_model.show.style import HEAD_COLOURS


@dataclass(frozen=True, eq=False)
class LabView:
    """One view of one face.

    Attributes:
        name: For file names and page anchors.
        title: What it asks.
        sentence: What the numbers say.
        figure: None where the view does not apply; the sentence says why.
        note: How to read it.
        warning: Whether the sentence is a warning.
    """

    name: str
    title: str
    sentence: str
    figure: Figure | None = None
    note: str = ""
    warning: bool = False


def head_views(explanation: Explanation) -> list[LabView]:
    """Where the heads look, whether they differ, what they let through, and whether that is used."""
    views = [_regions(explanation), *_region_map(explanation), _overlap(explanation), _gates(explanation)]
    if explanation.use is not None:
        views.append(_use(explanation))
    return views


def fusion_views(explanation: Explanation) -> list[LabView]:
    """How the heads become a decision."""
    return [_ledger(explanation), _mute(explanation), _tug(explanation), _shapley(explanation)]


def class_views(explanation: Explanation) -> list[LabView]:
    """Where the face lies among the classes."""
    place, reference, labels = explanation.place, explanation.reference, explanation.labels
    title = "How far is this face from each class?"
    if place is None or reference is None:
        return [LabView("distances", title, "These weights bring no reference statistics: `reference` makes them.")]
    views = [
        LabView(
            "distances",
            title,
            sentences.place_sentence(place, labels, explanation.prediction.index),
            distances_figure(place, labels, explanation.target),
            "In the backbone's features, averaged over the cells: before any head. The affinity loss asks faces of a "
            "class to lie near its centre.",
        )
    ]
    projection = projection_figure(place, reference, labels)
    if projection is not None:
        told = f"{reference.told.get('dataset', 'unknown faces')}, {reference.told.get('count', '?')} faces"
        views.append(
            LabView(
                "projection",
                "Among which faces does it lie?",
                f"Reference faces ({told}) in the plane in which they differ most; the star is this face.",
                projection,
                "Principal components of the pooled features. What is near in this plane need not be near in all 512 "
                "directions: the distances beside are.",
            )
        )
    return views


def all_views(explanation: Explanation) -> list[LabView]:
    """Everything about one face: heads, fusion, classes, and the consensus path, which the page draws live instead."""
    return [
        *head_views(explanation), *fusion_views(explanation), *class_views(explanation), _path(explanation),
    ]  # fmt: skip


def transplant_view(explanation: Explanation, donor: Tensor, name: str) -> LabView:
    """One head at a time taken from another face.

    Args:
        explanation: This face.
        donor: The other face's embeddings under the same network, (H, C).
        name: How to call the other face.
    """
    title = "What if one head had seen another face?"
    logits = transplant(explanation.fusion.classifier, explanation.heads.embeddings, donor)
    return LabView(
        "transplant",
        title,
        sentences.transplant_sentence(logits, explanation.labels, explanation.target),
        transplant_figure(logits, explanation.labels, name),
        "Probabilities. First row: this face as it is; below, one head's embedding replaced by the other face's.",
    )


def _regions(explanation: Explanation) -> LabView:
    regions = explanation.regions
    return LabView(
        "regions",
        "Which parts of the face does each head look at?",
        sentences.regions_sentence(explanation),
        None if regions is None else regions_figure(explanation, regions),
        "Each row adds up to 100 %. The dotted line is the region's area: a bar beyond it means that the map prefers "
        "this region to an even spread. Signed maps count by absolute value; cells on a border count for both sides. "
        + sentences.unusual_regions_note(explanation),
    )


def _region_map(explanation: Explanation) -> list[LabView]:
    if explanation.regions is None:
        return []
    return [
        LabView(
            "region-map",
            "Where these parts are taken to be",
            "Drawn from eyes, nose and mouth corners and the proportions of a face seen from the front.",
            region_map_figure(explanation, explanation.regions),
            "What is not named is background. A head turned to the side is met less well.",
        )
    ]


def _overlap(explanation: Explanation) -> LabView:
    title = "Do the heads look elsewhere?"
    if _single(explanation):
        return _needs_two("overlap", title)
    overlap = read_overlap(explanation.heads)
    tug = tug_of_war(explanation.fusion.classifier, explanation.heads.embeddings, explanation.target)
    usual = sentences.percentiles_note(overlap, tug.saturation, explanation.reference)
    return LabView(
        "overlap",
        title,
        sentences.overlap_sentence(overlap),
        overlap_figure(overlap),
        f"1 on the diagonal: each head with itself. {usual}",
    )


def _gates(explanation: Explanation) -> LabView:
    gates = explanation.heads.gates
    return LabView(
        "gates",
        "Which channels does each head let through?",
        sentences.gates_sentence(gates),
        gates_figure(gates),
        "Channel attention: a gate between 0 (shut) and 1 (open) for each of the backbone's channels, numbered from 1.",
    )


def _use(explanation: Explanation) -> LabView:
    assert explanation.use is not None
    title = "Looked at, or used?"
    if _single(explanation):
        return _needs_two("use", title)
    return LabView(
        "use",
        title,
        sentences.use_sentence(
            explanation.use, Score(explanation.use.target, explanation.use.against).told(explanation.labels)
        ),
        use_figure(explanation, explanation.use),
        f"Left: every cell of every head; ρ is Spearman's rank correlation. Right: the {CELLS} most attended cells are "
        "filled with the mean of all others, in the backbone's output, and heads and fusion are computed again.",
    )


def _ledger(explanation: Explanation) -> LabView:
    title = "Who moves the decision?"
    if _single(explanation):
        return _needs_two("ledger", title)
    return LabView(
        "ledger",
        title,
        sentences.ledger_sentence(explanation),
        ledger_figure(explanation),
        "The fusion ledger: entries to the right speak for a class, to the left against it; the diamond is their sum."
        f"{_repeated_colours(explanation)}",
    )


def _mute(explanation: Explanation) -> LabView:
    title = "What if a head were silent, or alone?"
    if _single(explanation):
        return _needs_two("mute", title)
    return LabView(
        "mute",
        title,
        sentences.mute_sentence(explanation),
        mute_figure(explanation),
        "A silent head's embedding is zero, as if its map were; it still takes part in the comparison. The dotted line "
        "is the network's own answer.",
    )


def _tug(explanation: Explanation) -> LabView:
    title = "Tug of war: which channels pull, and whose are they?"
    if _single(explanation):
        return _needs_two("tug-of-war", title)
    label = explanation.labels[explanation.target]
    tug = tug_of_war(explanation.fusion.classifier, explanation.heads.embeddings, explanation.target)
    return LabView(
        "tug-of-war",
        title,
        sentences.tug_sentence(tug, label),
        tug_figure(tug, label),
        f"One line for each channel, coloured by the head with the largest share; the lines add up to logit − "
        f"consensus. Saturated: above {SATURATED}. Colour names the winner, not who pushed which way: the ledger does."
        f"{_repeated_colours(explanation)}",
    )


def _path(explanation: Explanation) -> LabView:
    title = "From consensus to this face, and beyond"
    if _single(explanation):
        return _needs_two("path", title)
    path = consensus_path(explanation.fusion.classifier, explanation.heads.embeddings)
    return LabView(
        "path",
        title,
        sentences.path_sentence(path, explanation.labels, explanation.target),
        path_figure(path, explanation.labels, explanation.target),
        "v(α) = v̄ + α(v − v̄): the heads' disagreement is scaled by α.",
    )


def _shapley(explanation: Explanation) -> LabView:
    title = "What is each head worth?"
    heads = len(explanation.heads.embeddings)
    if heads == 1:
        return _needs_two("shapley", title)
    if heads > MAX_HEADS:
        return LabView("shapley", title, f"Exact Shapley values are computed for up to {MAX_HEADS} heads, not {heads}.")
    results = [shapley_values(explanation.fusion.classifier, explanation.heads.embeddings, name) for name in ABSENCES]
    label, k = explanation.labels[explanation.target], explanation.target
    return LabView(
        "shapley",
        title,
        sentences.shapley_sentence(results, label, k),
        shapley_figure(results, label, k),
        "Exact Shapley values: a head's effect on the logit, averaged over all orders in which heads can join. Absent "
        f"means — {'; '.join(sentences.absence_note(name) for name in ABSENCES)}.",
        warning=not sentences.same_ranking(results, k),
    )


def _repeated_colours(explanation: Explanation) -> str:
    distinct = len(HEAD_COLOURS)
    return f" Colours repeat after {distinct} heads." if len(explanation.heads.embeddings) > distinct else ""


def _single(explanation: Explanation) -> bool:
    return len(explanation.heads.embeddings) == 1


def _needs_two(name: str, title: str) -> LabView:
    return LabView(name, title, f"This view needs two heads or more. {sentences.ONE_HEAD}")
