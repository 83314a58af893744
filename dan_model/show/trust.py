"""Whether maps deserve trust: views and sentences of attributions, faithfulness and sanity."""

from __future__ import annotations

import math

from dan_model.explain.attributions import Attribution
from dan_model.explain.faithfulness import Faithfulness
from dan_model.explain.maps import PATCHES
from dan_model.explain.sanity import Sanity
from dan_model.show.sentences import signed
from dan_model.show.tiles import number
from dan_model.show.trust_figures import (
    agreement_figure,
    areas_figure,
    curves_figure,
    numbers_figure,
    sanity_figure,
)
from dan_model.show.views import LabView


def faithfulness_views(found: Faithfulness) -> list[LabView]:
    """Every measurement that is ready."""
    if not found.maps:
        return []
    return [
        LabView(
            "faithfulness",
            "Does the answer hang on the places that a map names?",
            areas_sentence(found),
            areas_figure(found),
            f"{PATCHES}×{PATCHES} patches are replaced by the {found.baseline} baseline, the map's highest first "
            "(deletion), or put back onto it (insertion). Grey: range and mean of "
            f"{len(found.random)} random maps as coarse as the heads'. Dotted: the picture's edges, which know nothing "
            "of the network.",
        ),
        LabView(
            "curves",
            "The way there",
            f"How the {found.unit} of {found.told} falls and comes back.",
            curves_figure(found),
            "One line for each map, coloured as on the left; grey: random maps, dotted: edges.",
        ),
        LabView(
            "infidelity",
            "Does a map predict what a removal does, and does it hold still?",
            infidelity_sentence(found),
            numbers_figure(found),
            "Infidelity: error of the map's sum over random patches as a prediction of the fall when they are removed, "
            "each map scaled at its best, over that of an even map; 0 is perfect, 1 no better than even. Sensitivity: "
            "how far the map moves, in parts of its size, under noise of 4 grey levels that nobody sees.",
        ),
        LabView(
            "agreement",
            "Do the maps agree?",
            agreement_sentence(found),
            agreement_figure(found),
            "Spearman's rank correlation over the patches: 1 the same order, 0 none, −1 reversed.",
        ),
    ]


def sanity_view(found: Sanity) -> LabView:
    """The similarity curves."""
    return LabView(
        "sanity",
        "Does a map depend on what the network has learned?",
        sanity_sentence(found),
        sanity_figure(found),
        "Every layer from the classifier down to the named one has random weights. A map that hardly changes shows the "
        "picture, not the network. Heads look before classifier and channel attention act, so their maps cannot depend "
        "on these. Opposite maps (−1) come from a random classifier that happens to turn the sign.",
        warning=any(found.insensitive(name.key) or found.detail_stays(name.key) for name in found.names),
    )


def attribution_sentence(attribution: Attribution) -> str:
    """What an attribution adds up to, and whether that is what it promises."""
    if attribution.explained is None or attribution.residual is None:
        return "It promises no sum."
    total = attribution.explained + attribution.residual
    told = f"It sums to {signed(total)}; {signed(attribution.explained)} are to be explained"
    if attribution.holds:
        return f"{told}: it holds (residual {number(attribution.residual)})."
    part = abs(attribution.residual) / max(abs(attribution.explained), 1e-12)
    return f"{told}: it misses {signed(attribution.residual)} logits ({part:.0%}). Do not read its values as shares."


def areas_sentence(found: Faithfulness) -> str:
    """Which maps beat every random one on both curves, and which on none."""
    beaten = {
        one.name.title: [found.beats_random(one, curve) for curve in ("deletion", "insertion")] for one in found.maps
    }
    both = [title for title, curves in beaten.items() if all(curves)]
    neither = [title for title, curves in beaten.items() if not any(curves)]
    told = f"Better than each of {len(found.random)} random maps on both curves: {', '.join(both) or 'none'}."
    return f"{told} On neither: {', '.join(neither) or 'none'}."


def infidelity_sentence(found: Faithfulness) -> str:
    """The map that predicts removals best."""
    best = min(found.maps, key=lambda one: one.infidelity)
    if best.infidelity >= 1:
        return "No map predicts a removal's effect better than saying that every patch counts alike."
    return f"{best.name.title} predicts best what a removal does ({best.infidelity:.2f} of an even map's error)."


def agreement_sentence(found: Faithfulness) -> str:
    """The two maps that agree most, and the two that agree least."""
    matrix, names = found.agreement, [one.name.title for one in found.maps]
    pairs = [
        (float(matrix[i, j]), names[i], names[j])
        for i in range(len(names))
        for j in range(i)
        if not math.isnan(float(matrix[i, j]))
    ]
    if not pairs:
        return "There are no two maps to compare."
    (high, a, b), (low, c, d) = max(pairs), min(pairs)
    return f"Most alike: {b} and {a} ({signed(high)}). Most at odds: {d} and {c} ({signed(low)})."


def sanity_sentence(found: Sanity) -> str:
    """Which maps, or whose fine detail, do not mind that the network is random."""
    if found.pending:
        return f"{len(found.layers)} of {len(found.layers) + found.pending} layers are random so far."
    same = [name.title for name in found.names if found.insensitive(name.key)]
    detail = [(name.title, found.detail_stays(name.key)) for name in found.names if found.detail_stays(name.key)]
    told = []
    if same:
        told.append(f"{', '.join(same)}: hardly changed though the whole network is random. Do not trust it here.")
    for title, layer in detail:
        told.append(
            f"{title}: the fine detail stays though everything from the classifier down to {layer} is random: it shows "
            "the picture's edges, not what the network has learned."
        )
    return " ".join(told) or "Every map changes when the network forgets: none of them merely repeats the picture."
