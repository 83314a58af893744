"""The views and sentences of faithfulness: completeness, curves, infidelity, sensitivity, parameter randomisation."""

from __future__ import annotations

import math

from dan_model.explain.attributions import Attribution
from dan_model.explain.faithfulness import PATCHES, Faithfulness, ParameterRandomisation
from dan_model.show.faithfulness_figures import (
    agreement_figure,
    areas_figure,
    curves_figure,
    numbers_figure,
    randomisation_figure,
)
from dan_model.show.figure_views import FigureView
from dan_model.show.sentences import listed, signed
from dan_model.show.tiles import number, whole_percent
from dan_model.texts import translate as _


def faithfulness_views(found: Faithfulness) -> list[FigureView]:
    """The views of the measurements that are ready; none before the first map is measured."""
    if not found.maps:
        return []
    return [
        FigureView(
            "faithfulness",
            _("Deletion and insertion: areas"),
            areas_sentence(found),
            areas_figure(found),
            _(
                "{side}×{side} patches are replaced by the {baseline} baseline, the map's highest first (deletion), or "
                "put back onto it (insertion). Grey: range and mean of {count} random maps as coarse as the heads'. "
                "Dotted: the picture's edges, which do not depend on the network."
            ).format(side=PATCHES, baseline=_(found.baseline), count=len(found.random)),
        ),
        FigureView(
            "curves",
            _("Deletion and insertion: curves"),
            _("How the {unit} of {score} falls and comes back.").format(unit=_(found.unit), score=found.description),
            curves_figure(found),
            _("One line for each map; thin and grey: random maps, dotted: edges."),
        ),
        FigureView(
            "infidelity",
            _("Does a map predict what a removal does, and is it stable under noise?"),
            infidelity_sentence(found),
            numbers_figure(found),
            _(
                "Infidelity: how badly the sum of a map over random patches predicts the fall when they are removed; "
                "the error of the map at its best scale, over that of a constant map. 0 is perfect, 1 is no better "
                "than a constant map. Sensitivity: how far the map moves at most, relative to its size, under "
                "invisible noise of up to 4 grey levels."
            ),
        ),
        FigureView(
            "agreement",
            _("Do the maps agree?"),
            agreement_sentence(found),
            agreement_figure(found),
            _("Spearman's rank correlation over the patches: 1 the same order, 0 none, −1 reversed."),
        ),
    ]


def randomisation_view(found: ParameterRandomisation) -> FigureView:
    """The view of the parameter randomisation test."""
    return FigureView(
        "randomisation",
        _("Parameter randomisation test"),
        randomisation_sentence(found),
        randomisation_figure(found),
        _(
            "Every layer from the classifier down to the named one has random weights. A map that hardly changes shows "
            "the picture, not the network. The maps of the heads are computed before channel attention and classifier, "
            "so they cannot depend on these. Opposite maps (−1) come from a random classifier that happens to turn the "
            "sign."
        ),
        warning=any(found.insensitive(name.key) or found.detail_stays(name.key) for name in found.names),
    )


def attribution_sentence(attribution: Attribution) -> str:
    """The sum of an attribution, and whether its completeness holds."""
    if attribution.explained is None or attribution.residual is None:
        return _("It has no completeness property.")
    total = attribution.explained + attribution.residual
    part = abs(attribution.residual) / max(abs(attribution.explained), 1e-12)
    off = f"{signed(attribution.residual)} {_(attribution.score.unit)} ({whole_percent(part)})"
    text = _(
        "It sums to {sum}; {explained} are to be explained: it is off by {difference}. Do not read its values as parts "
        "of a whole."
    )
    if attribution.complete:
        text = _("It sums to {sum}; {explained} are to be explained: completeness holds (residual {residual}).")
    return text.format(
        sum=signed(total), explained=signed(attribution.explained), difference=off,
        residual=number(attribution.residual),
    )  # fmt: skip


def areas_sentence(found: Faithfulness) -> str:
    """Which maps are better than every random map on both curves, and which on neither."""
    beaten = {
        one.name.title: [found.beats_random(one, curve) for curve in ("deletion", "insertion")] for one in found.maps
    }
    both = [title for title, curves in beaten.items() if all(curves)]
    neither = [title for title, curves in beaten.items() if not any(curves)]
    return _("Better than each of {count} random maps on both curves: {maps}. On neither: {others}.").format(
        count=len(found.random), maps=", ".join(both) or _("none"), others=", ".join(neither) or _("none")
    )


def infidelity_sentence(found: Faithfulness) -> str:
    """The map with the lowest infidelity, or that no map is better than a constant one."""
    best = min(found.maps, key=lambda one: one.infidelity)
    if best.infidelity >= 1:
        return _("No map predicts what a removal does better than a constant map.")
    found_best = _("{map} predicts best what a removal does ({part} of a constant map's error).")
    return found_best.format(map=best.name.title, part=f"{best.infidelity:.2f}")


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
        return _("There are no two maps to compare.")
    (high, a, b), (low, c, d) = max(pairs), min(pairs)
    return _("Most alike: {alike} ({highest}). Most at odds: {unlike} ({lowest}).").format(
        alike=listed([b, a]), highest=signed(high), unlike=listed([d, c]), lowest=signed(low)
    )


def randomisation_sentence(found: ParameterRandomisation) -> str:
    """Which maps stay similar, or keep their fine detail, although the network is random."""
    if found.pending:
        ready, layers = len(found.layers), len(found.layers) + found.pending
        return _("{count} of {all} layers are random so far.").format(count=ready, all=layers)
    same = [name.title for name in found.names if found.insensitive(name.key)]
    detail = [(name.title, layer) for name in found.names if (layer := found.detail_stays(name.key))]
    parts = []
    if same:
        unchanged = _("{maps}: hardly changed though the whole network is random. Do not trust it here.")
        parts.append(unchanged.format(maps=", ".join(same)))
    for title, layer in detail:
        stays = _(
            "{map}: the fine detail stays though everything from the classifier down to {layer} is random: it shows "
            "the picture's edges, not what the network has learned."
        )
        parts.append(stays.format(map=title, layer=_(layer)))
    if not parts:
        return _("Every map changes as the network is randomised: none of them merely repeats the picture.")
    return " ".join(parts)
