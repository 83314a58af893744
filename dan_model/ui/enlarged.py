"""The enlarged tile: the map beside its face, over the face with an opacity slider, its regions, and what it promises.

The dialog (`assets/enlarged.js`) shows the tile at once, and what this function returns as soon as it is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from dan_model.explain.attributions import METHODS, AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.explain.reference import compare_maps
from dan_model.explain.regions import REGIONS
from dan_model.faces import FaceCrop
from dan_model.show.map_drawing import hatched, layer
from dan_model.show.photos import picture_address
from dan_model.show.sentences import signed
from dan_model.show.tiles import Tile, attribution_tile, compared_head_tiles, fusion_tile, head_tiles, number, percent
from dan_model.texts import translate as _
from dan_model.ui.context import PageContext
from dan_model.ui.session import Session
from dan_model.ui.state import DIFFERENCE, THIS_FACE
from dan_model.ui.status import nothing_shown

SIDE = 448  # pixels: 64 for each cell

ATTENTION = _(
    "Spatial attention: how much this head weighs the features of each cell. Never negative, not a sum of anything. A "
    "bright cell is weighed, which does not prove that the prediction depends on it: the tab Heads measures that."
)
AVERAGE = _(
    "The average map of this head over the reference faces: what it attends to before it sees this face, drawn as "
    "strong as this face's map."
)
DIFFERENT = _("This face's map less the average one, drawn as strong: what is special to this face.")
FUSED = _(
    "The contribution of every head, spread over the cells in proportion to feature × attention. The cells sum to the "
    "contributions of the heads. What a cell knows comes from a wider part of the face than its square."
)


def enlarge_function(context: PageContext) -> Callable[[object], dict[str, Any]]:
    """The function that the browser calls with the key of the session and the title of a tile, as a list."""

    def enlarge(asked: object) -> dict[str, Any]:
        key, title = asked if isinstance(asked, list) and len(asked) == 2 else (None, None)
        session = context.session_of(key)
        state = session.state
        if state is None:
            return {"error": nothing_shown(session)}
        return enlarged(session, state.explanation, title) if isinstance(title, str) else {}

    return enlarge


def enlarged(session: Session, explanation: Explanation, title: str) -> dict[str, Any]:
    """What the dialog shows of the tile with a title, as JSON; empty where there is no such tile.

    Returns:
        `face` and `grey`: addresses of pictures. `smooth` and `native`: `picture`, the address of the map with its
        opacity in alpha, to be laid over `grey`, and `ends` of its scale. `regions`: name, number as text, and length
        of the bar in [0, 1], of each region, the largest first; empty where regions are not known. `text`: what the
        map promises.
    """
    found = _find(session, explanation, title)
    if found is None:
        return {}
    smooth, native = found.smooth, found.native
    return {
        "face": picture_address(_face(explanation.crop), exact=True),
        "grey": picture_address(hatched(explanation.crop.grey(SIDE), explanation.crop)),
        "smooth": _layer(explanation.crop, smooth, smooth=not smooth.by_region),
        "native": _layer(explanation.crop, native, smooth=False),
        "regions": found.regions,
        "text": found.text,
    }


@dataclass(frozen=True, eq=False)
class _Shown:
    """A tile as it is drawn smoothly and natively, its regions, and what its map promises."""

    smooth: Tile
    native: Tile
    regions: list[tuple[str, str, float]]
    text: str


def _find(session: Session, e: Explanation, title: str) -> _Shown | None:
    """The tile with a title among those of both rows, as the visitor sees them; None where there is none."""
    for one in e.attributions.values():
        if AttributionRequest.parse(one.request).title == title:
            by_region = one.by_region
            regions = _shares(e, one.native) if by_region is None else _values(by_region, _(one.score.unit))
            method = METHODS[one.method]
            smooth, native = (attribution_tile(e, one, choice) for choice in (True, False))
            return _Shown(smooth, native, regions, f"{method.asks} {method.promise}")
    fusion = fusion_tile(e, session.smooth)
    if fusion.title == title:
        return _Shown(fusion, fusion, _shares(e, fusion.drawn), FUSED)
    found = None if e.reference is None else compare_maps(e.heads.spatial, e.reference)
    if found is None or session.compared == THIS_FACE:
        heads, text = head_tiles(e, session.smooth, session.shared), ATTENTION
    else:
        difference = session.compared == DIFFERENCE
        heads, text = compared_head_tiles(e, found, difference, session.smooth), DIFFERENT if difference else AVERAGE
    return next((_Shown(one, one, _shares(e, one.drawn), text) for one in heads if one.title == title), None)


def _layer(crop: FaceCrop, tile: Tile, smooth: bool) -> dict[str, Any]:
    """The map of a tile alone, and the ends of its scale as text."""
    assert tile.drawn is not None
    assert tile.scale is not None
    ends = [number(tile.scale.low), number(tile.scale.limit)]
    return {"picture": picture_address(layer(crop, tile.drawn, tile.scale, smooth, SIDE)), "ends": ends}


def _shares(e: Explanation, values: Tensor | None) -> list[tuple[str, str, float]]:
    if e.regions is None or values is None:
        return []
    shares = e.regions.shares(values).tolist()
    return sorted(((_(REGIONS[r]), percent(s), s) for r, s in enumerate(shares)), key=lambda one: -one[2])


def _values(by_region: Tensor, unit: str) -> list[tuple[str, str, float]]:
    largest = float(by_region.abs().max()) or 1.0
    order = by_region.abs().argsort(descending=True).tolist()
    return [(_(REGIONS[r]), f"{signed(by_region[r])} {unit}", abs(float(by_region[r])) / largest) for r in order]


def _face(crop: FaceCrop) -> np.ndarray:
    return hatched(np.asarray(Image.fromarray(crop.pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)), crop)
