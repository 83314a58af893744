"""Figures of the fusion: a result in, a matplotlib Figure out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from torch import Tensor

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import (
    NO_WINNER,
    ConsensusPath,
    Shapley,
    TugOfWar,
    ablate,
    ablate_all_but,
)
from dan_model.network import SATURATED
from dan_model.show.axes import WIDTH, legend_above, legend_rows, literal, new_figure, plain, shaded_table
from dan_model.show.class_figures import class_colour
from dan_model.show.sentences import ABSENCE_NAMES
from dan_model.show.style import FAINT, INK, head_colour
from dan_model.show.tiles import number, signed, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _


def ledger_figure(explanation: Explanation) -> Figure:
    """For every class, the contributions of the heads, stacked from 0: to the right for the class, left against it."""
    ledger, residual = explanation.fusion.ledger.numpy(), float(explanation.fusion.residual.abs().max())
    heads, classes = ledger.shape
    names = [*map(head_name, range(heads)), _("sum")]
    figure, axes = new_figure(0.34 * classes + 0.8 + 0.2 * legend_rows(names))
    for h, contributions in enumerate(ledger):
        before = ledger[:h]
        start = np.where(contributions > 0, before.clip(min=0).sum(axis=0), before.clip(max=0).sum(axis=0))
        axes.barh(range(classes), contributions, left=start, color=head_colour(h), height=0.72, label=names[h])
    axes.plot(ledger.sum(axis=0), range(classes), "D", color=INK, markersize=4.5, label=names[-1])
    axes.axvline(0, color=INK, linewidth=0.8)
    axes.set_yticks(range(classes), literal(explanation.labels))
    axes.get_yticklabels()[explanation.target].set_fontweight("bold")
    axes.invert_yaxis()
    axis = _("{quantity} − baseline, {unit} (largest residual {residual})")
    score = explanation.score
    axes.set_xlabel(axis.format(quantity=_(score.quantity), unit=_(score.unit), residual=number(residual)))
    plain(axes)
    legend_above(axes)
    return figure


def tug_figure(tug: TugOfWar, label: str, unit: str) -> Figure:
    """All channels, from the largest contribution to the lowest, coloured by the head that wins the channel.

    Above, each channel's contribution; below, the winner's share, with lines at the fair share 1/H and at saturation.
    """
    pull, share, winner = (t[tug.order].numpy() for t in (tug.pull, tug.top_share, tug.winner))
    heads, x = len(tug.won), np.arange(1, len(pull) + 1)
    colours = [FAINT if h == NO_WINNER else head_colour(h) for h in winner]
    figure = Figure(figsize=(WIDTH, 3.4 + 0.2 * -(-heads // 4)), layout="constrained")
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(2, 1.1))
    top.vlines(x, 0, pull, colors=colours, linewidth=0.9)
    top.axhline(0, color=INK, linewidth=0.8)
    top.set_ylabel(_("contribution to {score}, {unit}").format(score=literal([label])[0], unit=unit))
    bottom.vlines(x, 1 / heads, share, colors=colours, linewidth=0.9)
    fair, saturated = _("fair share 1/{heads}").format(heads=heads), _("saturated, {limit}").format(limit=SATURATED)
    for level, text in ((1 / heads, fair), (SATURATED, saturated)):
        bottom.axhline(level, color=INK, linewidth=0.8, linestyle=":")
        bottom.annotate(text, (1.005, level), xycoords=("axes fraction", "data"), fontsize=8, va="center", color=INK)
    bottom.set(ylim=(0, 1.05), xlim=(0, len(pull) + 1))
    bottom.set(ylabel=_("winner's share"), xlabel=_("channels, sorted by contribution"))
    keys = [
        Patch(color=head_colour(h), label=_("{head} wins {share}").format(head=head_name(h), share=whole_percent(won)))
        for h, won in enumerate(tug.won.tolist())
    ]
    legend_above(top, columns=4, handles=keys)
    for axes in (top, bottom):
        plain(axes)
    return figure


def path_figure(path: ConsensusPath, labels: Sequence[str], target: int) -> Figure:
    """The probability of every class from the baseline (α = 0) to α = 2; the explained class is drawn bold."""
    names = literal(labels)
    figure, axes = new_figure(2.6 + 0.2 * legend_rows(names))
    for k, name in enumerate(names):
        bold = k == target
        axes.plot(
            path.alphas.numpy(), path.probabilities[:, k].numpy(), color=class_colour(k), label=name,
            linewidth=2.8 if bold else 1.3, zorder=3 if bold else 2,
        )  # fmt: skip
    legend_above(axes)
    # The line at this face, and the axes.
    axes.axvline(1, color=INK, linewidth=0.8, linestyle=":")
    axes.set(xlim=(0, 2), ylim=(-0.02, 1.03), ylabel=_("probability"))
    axes.set_xticks([0, 0.5, 1, 1.5, 2], [f"0\n{_('baseline')}", "0.5", f"1\n{_('this face')}", "1.5", "2"])
    axes.set_xlabel("α")
    plain(axes)
    return figure


def shapley_figure(results: Sequence[Shapley], label: str) -> Figure:
    """The Shapley values of the heads, one panel for each way to be absent, all on one scale."""
    heads = len(results[0].values)
    figure = Figure(figsize=(WIDTH, 0.36 * heads + 1.4), layout="constrained")
    panels = figure.subplots(1, len(results), sharex=True, sharey=True, squeeze=False)[0]
    for axes, result in zip(panels, results, strict=True):
        values = result.values.tolist()
        axes.barh(range(heads), values, color=[head_colour(h) for h in range(heads)], height=0.72)
        axes.axvline(0, color=INK, linewidth=0.8)
        for h, value in enumerate(values):
            axes.annotate(
                signed(value), (max(value, 0), h), (3, 0), textcoords="offset points",
                va="center", fontsize=8, color=INK,
            )  # fmt: skip
        full, empty = result.full, result.empty
        axes.set_title(ABSENCE_NAMES[result.absence], fontsize=9, color=INK)
        difference = _("sum {value}").format(value=signed(full - empty))
        axes.set_xlabel(f"{difference}\n= {full:.2f} − ({empty:.2f})".replace("-", "−"))
        axes.margins(x=0.28)
        plain(axes)
    panels[0].set_yticks(range(heads), list(map(head_name, range(heads))))
    panels[0].invert_yaxis()
    figure.supylabel(literal([label])[0], fontsize=8, color=INK)
    return figure


def ablation_figure(explanation: Explanation) -> Figure:
    """The explained class's probability without each head, and with each head only; the line is that of all heads."""
    figure = Figure(figsize=(WIDTH, 0.36 * len(explanation.heads.embeddings) + 1.1), layout="constrained")
    panels = figure.subplots(1, 2, sharex=True, sharey=True)
    heads = range(len(explanation.heads.embeddings))
    own = float(explanation.prediction.probabilities[explanation.target])
    changes = {_("without this head"): ablate, _("with this head only"): ablate_all_but}
    for axes, (title, change) in zip(panels, changes.items(), strict=True):
        values = explanation.probabilities_with(change).tolist()
        axes.barh(heads, values, color=[head_colour(h) for h in heads], height=0.72)
        axes.axvline(own, color=INK, linewidth=1.2, linestyle=":")
        for h, value in enumerate(values):
            axes.text(1.02, h, f"{value:.3f}", va="center", fontsize=8, color=INK)
        axes.set_title(title, fontsize=9, color=INK)
        label = literal(explanation.labels)[explanation.target]
        axes.set(xlim=(0, 1), xlabel=_("probability of {label}").format(label=label))
        plain(axes)
    panels[0].set_yticks(heads, list(map(head_name, heads)))
    panels[0].invert_yaxis()
    return figure


def transplant_figure(logits: Tensor, labels: Sequence[str], other: str) -> Figure:
    """The probabilities of this face, and with one head at a time taken from the other face."""
    probabilities = logits.softmax(dim=1)  # (H + 1, K)
    taken = _("{head} of {face}")
    rows = [_("this face"), *(taken.format(head=head_name(h), face=other) for h in range(len(probabilities) - 1))]
    figure, axes = new_figure(0.32 * len(rows) + 0.9)
    shaded_table(axes, probabilities, literal(rows), literal(labels))
    for name in axes.get_xticklabels():  # names of classes are wider than a column
        name.set(rotation=35, ha="left", rotation_mode="anchor")
    return figure
