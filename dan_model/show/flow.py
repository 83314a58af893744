"""The flow picture: how one face goes through DAN, drawn from its own maps and numbers.

Face -> features -> heads -> fusion -> prediction. The band from a head to the fusion is as wide as the size of the
head's contribution to the score; a contribution against it is dashed. It is drawn twice, for wide and for narrow
screens. `ui/assets/flow.js` moves the bands when the heads are changed in the browser.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import torch

from dan_model.explain.explanation import Explanation
from dan_model.show.map_drawing import Scale, overlay
from dan_model.show.photos import picture_address
from dan_model.show.sentences import signed
from dan_model.show.style import head_colour
from dan_model.show.tiles import percent
from dan_model.texts import head_name
from dan_model.texts import translate as _

MAP_SIDE = 112  # pixels of the small maps: twice as many as are shown, for dense screens
FACE_SIDE = 224
BANDS = 44.0  # width of all bands together, in units of the picture
THINNEST = 1.5


@dataclass(frozen=True)
class Layout:
    """Where everything is, in units of the picture.

    Attributes:
        name: wide, from left to right, or tall, from top to bottom.
        size: Width and height.
        face: Left, top and side of the face.
        features: Left, top and side of the block of features.
        head: Width of a head's box, and the side of its map.
        first: Left and top of the first head's box.
        step: From one head to the next.
        fusion: Left, top and side of the fusion map.
        result: Where the text of the prediction begins.
    """

    name: str
    size: tuple[int, int]
    face: tuple[float, float, float]
    features: tuple[float, float, float]
    head: tuple[float, float]
    first: tuple[float, float]
    step: tuple[float, float]
    fusion: tuple[float, float, float]
    result: tuple[float, float]

    @property
    def wide(self) -> bool:
        """Whether the picture goes from left to right."""
        return self.name == "wide"


def flow_picture(explanation: Explanation, links: bool = True, text_to_html: Callable[[str], str] = escape) -> str:
    """The picture as HTML, for wide and for narrow screens, with a caption.

    Args:
        explanation: What to draw.
        links: Whether its parts can be chosen, to open a tab of the page.
        text_to_html: Makes the caption HTML.
    """
    heads = len(explanation.heads.spatial)
    pictures = _Pictures(explanation, links)
    drawn = "".join(_draw(layout(heads), explanation, pictures) for layout in (_wide, _tall))
    return f'<div class="dan-flow">{drawn}<p class="dan-flow-caption">{text_to_html(caption(explanation))}</p></div>'


def caption(explanation: Explanation) -> str:
    """What the bands show, and where they start."""
    if len(explanation.heads.spatial) == 1:
        return _("With a single head there is no fusion: its embedding is classified as it is.")
    probabilities = explanation.fusion.consensus.softmax(dim=0)
    best = int(probabilities.argmax())
    score = explanation.score
    return _(
        "Band: how far a head moves the {quantity} of {score}, in {unit}; dashed: against it. All heads equal would "
        "give {label} ({probability}), whatever the face."
    ).format(
        quantity=_(score.quantity), score=score.describe_classes(explanation.labels), unit=_(score.unit),
        label=explanation.labels[best], probability=percent(float(probabilities[best])),
    )  # fmt: skip


def band_widths(contributions: Sequence[float]) -> list[float]:
    """The width of each head's band: in proportion to the size of its contribution."""
    total = sum(abs(one) for one in contributions) or 1.0
    return [max(THINNEST, BANDS * abs(one) / total) for one in contributions]


class _Pictures:
    """The small pictures of one explanation, each encoded once, and whether parts are links."""

    def __init__(self, explanation: Explanation, links: bool) -> None:
        e, self.links = explanation, links
        highest = float(e.heads.spatial.max()) or 1.0
        attention = Scale(highest, signed=False)
        evidence = Scale(float(e.fusion.map.abs().max()) or 1.0, signed=True)
        blank = torch.zeros(1, 1)
        self.face = picture_address(overlay(e.crop, blank, Scale(1.0, signed=True), False, FACE_SIDE))
        self.heads = [picture_address(overlay(e.crop, cells, attention, True, MAP_SIDE)) for cells in e.heads.spatial]
        self.fusion = picture_address(overlay(e.crop, e.fusion.map, evidence, True, FACE_SIDE))


def _wide(heads: int) -> Layout:
    height = max(232, 52 * heads + 12)
    middle = height / 2
    row = (height - 12) / heads
    return Layout(
        "wide", (960, height), (4, middle - 74, 128), (196, middle - 46, 68), (196, min(44, row - 8)),
        (336, 6 + (row - min(44, row - 8)) / 2), (0, row), (668, middle - 72, 120), (826, middle - 8),
    )  # fmt: skip


def _tall(heads: int) -> Layout:
    column = 352 / heads
    side = min(76, column - 8)
    return Layout(
        "tall", (360, 500), (14, 4, 116), (230, 28, 64), (side, side), (4 + (column - side) / 2, 172), (column, 0),
        (40, 334, 120), (186, 384),
    )  # fmt: skip


def _draw(layout: Layout, e: Explanation, pictures: _Pictures) -> str:
    width, height = layout.size
    contributions = e.fusion.contributions.tolist()
    label = _("From the face to {label}: the contributions of the heads to {score}").format(
        label=e.prediction.label, score=e.description
    )
    return (
        f'<svg class="dan-flow-{layout.name}" viewBox="0 0 {width} {height}" role="group" '
        f'aria-label="{escape(label, quote=True)}">'
        f"{_input(layout, pictures)}{_bands(layout, contributions)}"
        f"{''.join(_head(layout, h, one, pictures) for h, one in enumerate(contributions))}"
        f"{_fusion(layout, e, pictures)}{_result(layout, e)}</svg>"
    )


def _part(name: str, tab: str, label: str, content: str, links: bool, head: int | None = None) -> str:
    """A part of the picture, which leads to a tab where `links`."""
    of_head = "" if head is None else f' data-head="{head}"'
    role = f'role="img" aria-label="{escape(label, quote=True)}"'
    if links:
        text = escape(_("{part}. Opens the tab {tab}.").format(part=label, tab=tab), quote=True)
        role = f'role="button" tabindex="0" data-tab="{escape(tab, quote=True)}" aria-label="{text}"'
    return f'<g class="dan-part dan-part-{name}"{of_head} {role}>{content}</g>'


def _image(address: str, x: float, y: float, side: float) -> str:
    return f'<image href="{address}" x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}"/>'


def _input(layout: Layout, pictures: _Pictures) -> str:
    """The face, the features, and the arrows up to the heads."""
    x, y, side = layout.face
    face = _image(pictures.face, x, y, side) + f'<text x="{x + side / 2:g}" y="{y + side + 18:g}">{_("face")}</text>'
    fx, fy, fside = layout.features
    sheets = "".join(
        f'<rect x="{fx + 7 * i:g}" y="{fy - 7 * i:g}" width="{fside:g}" height="{fside:g}"/>' for i in (2, 1, 0)
    )
    grid = "".join(
        f'<path d="M{fx + fside * i / 7:g},{fy:g}v{fside:g}M{fx:g},{fy + fside * i / 7:g}h{fside:g}"/>'
        for i in range(1, 7)
    )
    features = (
        f'{sheets}<g class="dan-grid">{grid}</g>'
        f'<text x="{fx + fside / 2:g}" y="{fy + fside + 18:g}">{_("features")}</text> '
        f'<text class="dan-small" x="{fx + fside / 2:g}" y="{fy + fside + 35:g}">512 × 7 × 7</text>'
    )
    middle = y + side / 2
    arrows = _arrow(x + side + 8, middle, fx - 10, middle) if layout.wide else _arrow(x + side + 10, 62, fx - 12, 62)
    if layout.wide:
        arrows += _arrow(fx + fside + 22, middle, layout.first[0] - 12, middle)
    else:
        arrows += _arrow(fx + fside / 2, fy + fside + 44, fx + fside / 2, layout.first[1] - 8)
    return (
        f"{arrows}{_part('face', _('Heads'), _('face, as the network sees it'), face, pictures.links)}"
        f"{_part('features', _('Classes'), _('features 512 × 7 × 7'), features, pictures.links)}"
    )


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    along_x = 1 if x2 > x1 else 0
    tip = (
        f"M{x2 - 7:g},{y2 - 5:g}L{x2:g},{y2:g}L{x2 - 7:g},{y2 + 5:g}"
        if along_x
        else f"M{x2 - 5:g},{y2 - 7:g}L{x2:g},{y2:g}L{x2 + 5:g},{y2 - 7:g}"
    )
    return f'<path class="dan-arrow" d="M{x1:g},{y1:g}L{x2:g},{y2:g}{tip}"/>'


def _head(layout: Layout, head: int, contribution: float, pictures: _Pictures) -> str:
    x, y = layout.first[0] + head * layout.step[0], layout.first[1] + head * layout.step[1]
    box, side = layout.head
    number = f'<tspan class="dan-contribution" data-head="{head}">{signed(contribution)}</tspan>'
    if layout.wide:
        frame = f'<rect class="dan-frame" x="{x:g}" y="{y:g}" width="{box:g}" height="{side:g}" rx="6"/>'
        text = (
            f'<text class="dan-left dan-head-name" x="{x + side + 12:g}" y="{y + side / 2 + 5:g}">'
            f"{head_name(head)}</text>"
            f'<text class="dan-right" x="{x + box - 12:g}" y="{y + side / 2 + 5:g}">{number}</text>'
        )
    else:
        frame = f'<rect class="dan-frame" x="{x:g}" y="{y:g}" width="{side:g}" height="{side:g}" rx="6"/>'
        text = (
            f'<text class="dan-head-name" x="{x + side / 2:g}" y="{y + side + 17:g}">{head_name(head)}</text>'
            f'<text x="{x + side / 2:g}" y="{y + side + 35:g}">{number}</text>'
        )
    content = f"{_image(pictures.heads[head], x + 2, y + 2, side - 4)}{frame}{text}"
    label = _("{head} {contribution}, its contribution").format(head=head_name(head), contribution=signed(contribution))
    group = _part("head", _("Heads"), label, content, pictures.links, head)
    return f'<g style="--head: {head_colour(head)}">{group}</g>'


def _bands(layout: Layout, contributions: list[float]) -> str:
    """The bands from the heads to the fusion; where they begin and end is left for the browser as data."""
    if len(contributions) == 1:
        return ""
    x, y, side = layout.fusion
    starts = [
        layout.first[1] + h * layout.step[1] + layout.head[1] / 2
        if layout.wide
        else layout.first[0] + h * layout.step[0] + layout.head[1] / 2
        for h in range(len(contributions))
    ]
    # The bands begin at `begin`, end at `end`, and lie side by side around `centre` there.
    if layout.wide:
        begin, end, centre = layout.first[0] + layout.head[0], x, y + side / 2
    else:
        begin, end, centre = layout.first[1] + layout.head[1] + 42, y, x + side / 2
    widths = band_widths(contributions)
    paths, place = [], centre - sum(widths) / 2
    for h, (start, width, contribution) in enumerate(zip(starts, widths, contributions, strict=True)):
        against = " dan-against" if contribution < 0 else ""
        paths.append(
            f'<path class="dan-band{against}" data-head="{h}" data-start="{start:g}" '
            f'style="--head: {head_colour(h)}" stroke-width="{width:.2f}" '
            f'd="{band_path(layout.wide, begin, start, end, place + width / 2)}"/>'
        )
        place += width
    return (
        f'<g class="dan-bands" data-wide="{int(layout.wide)}" data-begin="{begin:g}" data-end="{end:g}" '
        f'data-centre="{centre:g}">{"".join(paths)}</g>'
    )


def band_path(wide: bool, begin: float, start: float, end: float, stop: float) -> str:
    """A smooth curve from the position `start` at `begin` to the position `stop` at `end`."""
    half = (begin + end) / 2
    if wide:
        return f"M{begin:.1f},{start:.1f}C{half:.1f},{start:.1f},{half:.1f},{stop:.1f},{end:.1f},{stop:.1f}"
    return f"M{start:.1f},{begin:.1f}C{start:.1f},{half:.1f},{stop:.1f},{half:.1f},{stop:.1f},{end:.1f}"


def _fusion(layout: Layout, e: Explanation, pictures: _Pictures) -> str:
    if len(e.fusion.contributions) == 1:
        return ""
    x, y, side = layout.fusion
    total = float(e.fusion.contributions.sum())
    text = (
        f'<text x="{x + side / 2:g}" y="{y + side + 18:g}">{_("fusion")} '
        f'<tspan class="dan-total">{signed(total)}</tspan></text>'
    )
    if e.target != e.prediction.index:  # beside a result that is another class
        explained = _("for {label}").format(label=e.labels[e.target])
        text += f'<text class="dan-small" x="{x + side / 2:g}" y="{y + side + 35:g}">{escape(explained)}</text>'
    content = f"{_image(pictures.fusion, x, y, side)}{text}"
    label = _("fusion {sum} {unit}, the sum of the contributions").format(sum=signed(total), unit=_(e.score.unit))
    return _part("fusion", _("Fusion"), label, content, pictures.links)


def _result(layout: Layout, e: Explanation) -> str:
    x, y = layout.result
    fx, fy, side = layout.fusion
    probability = percent(float(e.prediction.probabilities[e.prediction.index]))
    return (
        f"{_arrow(fx + side + 8, fy + side / 2, x - 6, fy + side / 2)}"
        f'<text class="dan-left dan-predicted" x="{x:g}" y="{y:g}">{escape(e.prediction.label)}</text>'
        f'<text class="dan-left dan-probability" x="{x:g}" y="{y + 26:g}">{escape(probability)}</text>'
    )
