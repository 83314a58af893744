"""One tile for each map: the face underneath, the map over it, one style for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

from dan_model.explain.attributions import METHODS, Attribution, AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.explain.reference import MapComparison
from dan_model.explain.regions import REGIONS
from dan_model.faces import FaceCrop
from dan_model.show.map_drawing import Scale, hatched, overlay
from dan_model.show.style import TILE_SIDE, head_colour
from dan_model.texts import head_name
from dan_model.texts import translate as _

SMOOTHING = 6.0  # standard deviation in input pixels with which maps per pixel are smoothed
SMOOTHING_KERNEL = 37  # pixels; three deviations either way
CLIP = 99.5  # percentile of |value| at which the colours of maps per pixel end: a few pixels would darken all others


@dataclass(frozen=True, eq=False)
class Tile:
    """A picture of one map on the face, and what is needed to read it.

    Attributes:
        title: What it is ("Head 1", "AFN fusion", "Occlusion").
        note: Its most important number, with unit.
        pixels: (TILE_SIDE, TILE_SIDE, 3) uint8 RGB.
        scale: What the colours span; None for the face itself.
        unit: Of the scale.
        values: The map per cell, (7, 7), to read off; None for the face itself.
        cell_unit: Of `values`.
        group: The label of the tiles that share one scale; empty for a tile with a scale of its own.
        colour: The head's colour, or None.
        drawn: The map as it is drawn, (h, w), at whatever resolution it has; None for the face itself.
        by_region: Whether the map is constant on each region, and is never smoothed.
    """

    title: str
    note: str
    pixels: np.ndarray
    scale: Scale | None = None
    unit: str = ""
    values: np.ndarray | None = None
    cell_unit: str = ""
    group: str = ""
    colour: str | None = None
    drawn: Tensor | None = None
    by_region: bool = False


def all_tiles(explanation: Explanation, smooth: bool = True, shared: bool = True) -> list[Tile]:
    """The row of tiles: the face, every head, the fusion map, then the attributions that are ready.

    Args:
        explanation: What to show.
        smooth: Draw maps smoothly instead of in their native cells or pixels.
        shared: One colour scale for all heads instead of one for each.
    """
    return [
        face_tile(explanation),
        *head_tiles(explanation, smooth, shared),
        fusion_tile(explanation, smooth),
        *(attribution_tile(explanation, a, smooth) for a in explanation.attributions.values()),
    ]


def face_tile(explanation: Explanation) -> Tile:
    """The crop as the network sees it."""
    side = explanation.input_pixels.shape[0]
    pixels = Image.fromarray(explanation.input_pixels).resize((TILE_SIDE, TILE_SIDE), Image.Resampling.NEAREST)
    part = outside_part(explanation.crop)
    note = _("hatched: {part} outside") if part else _("{side}×{side} pixels")
    return Tile(_("Network input"), note.format(part=part, side=side), hatched(np.asarray(pixels), explanation.crop))


def head_tiles(explanation: Explanation, smooth: bool, shared: bool) -> list[Tile]:
    """The map of each head."""
    spatial = explanation.heads.spatial  # (H, 7, 7)
    highest = float(spatial.max())
    tiles = []
    for h, cells in enumerate(spatial):
        scale = Scale((highest if shared else float(cells.max())) or 1.0, signed=False)
        note, group = _attention_note(explanation, cells), _("attention, one scale") if shared else ""
        tiles.append(_head_tile(explanation, h, cells, scale, smooth, note, _("attention"), group))
    return tiles


def compared_head_tiles(explanation: Explanation, found: MapComparison, difference: bool, smooth: bool) -> list[Tile]:
    """The average map of each head over the reference faces, or how this face's map differs from it.

    An average is drawn as strong as this face's map (of equal Euclidean length), so that only the shapes differ, and on
    the scale of the maps of this face.
    """
    spatial = explanation.heads.spatial  # (H, 7, 7)
    lengths = spatial.double().flatten(1).norm(dim=1)[:, None, None]
    maps = (found.difference if difference else found.usual) * lengths
    highest = maps.abs().max() if difference else max(maps.max(), spatial.max())
    scale = Scale(float(highest) or 1.0, signed=difference)
    note = _("this face − average; cosine {cosine}") if difference else _("average over the reference faces")
    notes = [note.format(cosine=f"{float(cosine):.2f}") for cosine in found.cosine]
    return [
        _head_tile(explanation, h, cells, scale, smooth, notes[h], _("attention"), _("attention, one scale"))
        for h, cells in enumerate(maps)
    ]


def _head_tile(
    explanation: Explanation, head: int, cells: Tensor, scale: Scale, smooth: bool, note: str, unit: str, group: str
) -> Tile:
    return Tile(
        title=head_name(head),
        note=note,
        pixels=overlay(explanation.crop, cells, scale, smooth),
        scale=scale,
        unit=unit,
        values=cells.numpy(),
        cell_unit=unit,
        group=group,
        colour=head_colour(head),
        drawn=cells,
    )


def fusion_tile(explanation: Explanation, smooth: bool) -> Tile:
    """The AFN fusion map: the contributions of the heads to the explained score, spread over the cells."""
    score, cells = explanation.score, explanation.fusion.map  # (7, 7)
    scale, place = _signed_scale(cells), _place(explanation, cells)
    title = _("AFN fusion") if score.head is None else _("AFN fusion, {head}").format(head=head_name(score.head))
    note = _("sum {sum} {unit}, most for it: {region}") if place else _("sum {sum} {unit}")
    return Tile(
        title=title,
        note=_sign_note(cells, note.format(sum=signed(cells.sum()), unit=_(score.unit), region=place)),
        pixels=overlay(explanation.crop, cells, scale, smooth),
        scale=scale,
        unit=_("{unit} per cell").format(unit=_(score.unit)),
        values=cells.numpy(),
        cell_unit=_(score.unit),
        drawn=cells,
    )


def attribution_tile(explanation: Explanation, attribution: Attribution, smooth: bool) -> Tile:
    """One of Captum's attributions; a warning sign where its completeness does not hold."""
    method, title = METHODS[attribution.method], AttributionRequest.parse(attribution.request).title
    side = explanation.heads.spatial.shape[-1]
    # What is drawn, and the values to read off: of regions, of pixels, or of cells.
    if attribution.by_region is not None:
        drawn = attribution.map
        scale = _signed_scale(drawn)
        per_cell = F.adaptive_avg_pool2d(drawn[None, None], side)[0, 0]
    elif attribution.cells is None:
        values = attribution.map if method.signed else attribution.map.abs()
        drawn = gaussian_blur(values[None], SMOOTHING_KERNEL, SMOOTHING)[0] if smooth else values
        scale = Scale(float(np.percentile(drawn.abs().numpy(), CLIP)) or 1.0, signed=method.signed)
        per_cell = F.adaptive_avg_pool2d(values[None, None], side)[0, 0]
    else:
        drawn = per_cell = attribution.cells
        scale = _signed_scale(drawn)
    # The note: the sum where the method has completeness, else the peak.
    if attribution.by_region is None and attribution.explained is not None and attribution.residual is not None:
        per_cell = per_cell * (attribution.map.numel() / side**2)  # sums, not means
        cell_unit = _(attribution.score.unit)
        sums = signed(attribution.explained + attribution.residual), signed(attribution.explained)
        note = _("sum {sum} of {explained} {unit}").format(sum=sums[0], explained=sums[1], unit=cell_unit)
    else:
        cell_unit = attribution.unit
        native = attribution.native
        peak = number(float(native.max() if method.signed else native.abs().max()))
        note = _("peak {value}").format(value=peak)
    if method.signed:
        note = _sign_note(attribution.map, note)
    if not attribution.final:
        note = _("coarse so far; {note}").format(note=note)
    return Tile(
        title=title,
        note=note if attribution.complete else f"⚠ {note}",
        pixels=overlay(explanation.crop, drawn, scale, smooth and attribution.by_region is None),
        scale=scale,
        unit=attribution.unit,
        values=per_cell.numpy(),
        cell_unit=cell_unit,
        drawn=drawn,
        by_region=attribution.by_region is not None,
    )


def outside_part(crop: FaceCrop) -> str:
    """The part of a crop that is not in the photo, as text ("23 %"); empty where it is less than half a percent."""
    part = round(100 * crop.part_outside)
    return f"{part}\u00a0%" if part else ""


def number(value: float) -> str:
    """A number as text: three digits, thousands in full, a true minus; tiny ones as 7.4e−4."""
    if 0 < abs(value) < 0.001:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}").replace("-", "−")


def signed(value: float | Tensor) -> str:
    """Two digits with a true minus; what rounds to zero has no sign."""
    text = f"{float(value):+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def percent(probability: float) -> str:
    """A probability as text that does not wrap, never a whole 0 or 100 %: 92.9 %, < 0.1 %, > 99.9 %."""
    text = f"{100 * probability:.1f} %"
    if not 0.0005 <= probability < 0.9995:
        text = "< 0.1 %" if probability < 0.5 else "> 99.9 %"
    return text.replace(" ", "\u00a0")


def whole_percent(part: float) -> str:
    """A part as text that does not wrap, without decimals: 34 %."""
    return f"{100 * part:.0f}\u00a0%"


def _signed_scale(values: Tensor) -> Scale:
    return Scale(float(values.abs().max()) or 1.0, signed=True)


def _place(explanation: Explanation, cells: Tensor) -> str:
    """The region with the largest part of the evidence for the score; empty where regions are not known."""
    if explanation.regions is None:
        return ""
    return _(REGIONS[int(explanation.regions.shares(cells.clamp(min=0)).argmax())])


def _attention_note(explanation: Explanation, cells: Tensor) -> str:
    """Where a head attends most, as a part of all its attention."""
    total = float(cells.sum())
    if not total:
        return _("attends nowhere")
    highest = _("highest cell {share}").format(share=whole_percent(float(cells.max()) / total))
    if explanation.regions is None:
        return highest
    shares = explanation.regions.shares(cells)
    region = int(shares.argmax())
    placed = _("{share} on {region}; {highest}")
    return placed.format(share=whole_percent(float(shares[region])), region=_(REGIONS[region]), highest=highest)


def _sign_note(values: Tensor, note: str) -> str:
    return note if float(values.max()) > 0 else _("no positive evidence")
