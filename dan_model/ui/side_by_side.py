"""Two explanations side by side: rows of maps on shared scales, and tables of numbers with a column for each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import torch
from torch import Tensor

from dan_model.explain.explanation import Explanation
from dan_model.faces import FaceCrop
from dan_model.show.map_drawing import Scale, colour_bar, overlay
from dan_model.show.sentences import listed, signed
from dan_model.show.style import head_colour
from dan_model.show.tiles import number, percent
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.html import picture

MAP_SIDE = 224  # pixels
ROUNDING = 1e-4  # of a map's scale: smaller differences are those of rounding between machines


def map_rows(named: Sequence[tuple[str, Explanation]], difference: str = "") -> str:
    """A row of maps for each explanation: all heads on one scale, all fusion maps on another.

    Args:
        named: A name and an explanation for each row.
        difference: The name of a further row, the second's maps less the first's, on scales of their own; empty for
            none. It is left out where the two have different numbers of heads, and the difference of the fusion maps
            where they explain different scores.
    """
    attention = Scale(max(float(e.heads.spatial.max()) for __, e in named) or 1.0, signed=False)
    evidence = Scale(max(float(e.fusion.map.abs().max()) for __, e in named) or 1.0, signed=True)
    rows = "".join(
        _row(name, e.crop, e.heads.spatial, attention, e.fusion.map, evidence, e.score.unit) for name, e in named
    )
    first, second = named[0][1], named[-1][1]
    if difference and first.heads.spatial.shape == second.heads.spatial.shape:
        heads, fusion = second.heads.spatial - first.heads.spatial, second.fusion.map - first.fusion.map
        scales = [_difference_scale(one, own) for one, own in ((heads, attention), (fusion, evidence))]
        comparable = fusion if first.description == second.description else None
        rows += _row(difference, second.crop, heads, scales[0], comparable, scales[1], second.score.unit)
    return rows


def _difference_scale(difference: Tensor, own: Scale) -> Scale:
    """The scale of a difference between maps that have a scale of their `own`; what is only rounding stays pale."""
    largest = float(difference.abs().max())
    return Scale(largest if largest > ROUNDING * own.limit else own.limit, signed=True)


def probability_table(named: Sequence[tuple[str, Explanation]]) -> str:
    """The probability of every class, with a column for each explanation; all have the same classes."""
    first = named[0][1]
    columns = [[percent(p) for p in e.prediction.probabilities.tolist()] for __, e in named]
    return number_table(_("Probability"), [name for name, __ in named], list(first.labels), columns, first.target)


def contribution_table(named: Sequence[tuple[str, Explanation]]) -> str:
    """The baseline and the contribution of every head to what each explanation explains."""
    columns = [
        [signed(e.score.pick(e.fusion.consensus)), *(signed(one) for one in e.fusion.contributions)] for __, e in named
    ]
    heads = max(len(column) for column in columns) - 1
    rows = [_("baseline"), *map(head_name, range(heads))]
    described = list(dict.fromkeys(f"{e.description} ({_(e.score.unit)})" for __, e in named))
    title = _("Contributions to {score}").format(score=listed(described))
    return number_table(title, [name for name, __ in named], rows, columns)


def number_table(
    title: str, columns: Sequence[str], rows: Sequence[str], values: Sequence[Sequence[str]], marked: int | None = None
) -> str:
    """A table of numbers as text, `values` by column; a row called "Head 2" carries that head's colour."""
    body, colours = "", {head_name(h): head_colour(h) for h in range(len(rows))}
    for r, name in enumerate(rows):
        colour = colours.get(name, "")
        chip = f'<span class="dan-chip" style="background:{colour}"></span>' if colour else ""
        cells = "".join(f"<td>{escape(column[r]) if r < len(column) else ''}</td>" for column in values)
        css_class = ' class="dan-explained"' if r == marked else ""
        body += f'<tr{css_class}><th scope="row">{chip}{escape(name)}</th>{cells}</tr>'
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in columns)
    return (
        f'<table class="dan-side-table"><caption>{escape(title)}</caption><thead><tr><td></td>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table>"
    )


def _row(
    name: str, crop: FaceCrop, heads: Tensor, attention: Scale, fusion: Tensor | None, evidence: Scale, unit: str
) -> str:
    """The maps of one explanation under its name and their scales; without a fusion map where that is None."""
    scales = _scale(_("attention"), attention)
    if fusion is not None:
        scales += _scale(_("fusion, {unit} per cell").format(unit=_(unit)), evidence)
    maps = [(head_name(h), cells, attention) for h, cells in enumerate(torch.unbind(heads))]
    if fusion is not None:
        maps.append((_("AFN fusion"), fusion, evidence))
    pictures = "".join(
        f"<figure>{picture(overlay(crop, cells, scale, True, MAP_SIDE), f'{title}, {name}')}"
        f"<figcaption>{title}</figcaption></figure>"
        for title, cells, scale in maps
    )
    title = f'<div class="dan-side-title"><b>{escape(name)}</b>{scales}</div>'
    return f'<div class="dan-side-row" style="--maps: {len(heads) + 1}">{title}{pictures}</div>'


def _scale(what: str, scale: Scale) -> str:
    """A colour scale in one line, between its ends."""
    bar = picture(colour_bar(scale), _("colour scale"))
    return f"<small>{escape(what)}: {number(scale.low)} {bar} {number(scale.limit)}</small>"
