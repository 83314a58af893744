"""Explanations as HTML: the row of tiles, the probabilities, the fusion ledger. Strings in, strings out."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Sequence
from html import escape

import numpy as np
from PIL import Image

from dan_model.explain.attributions import Request
from dan_model.explain.explanation import Explanation
from dan_model.show.style import head_colour
from dan_model.show.tiles import Tile, all_tiles, colour_bar, number


def tile_row(explanation: Explanation, smooth: bool, shared: bool, pending: Sequence[str] = ()) -> str:
    """All tiles in one row; methods that are still being computed have their place already."""
    ready = "".join(_tile(tile) for tile in all_tiles(explanation, smooth, shared))
    waiting = "".join(_waiting_tile(Request.parse(text).title) for text in pending)
    target = escape(explanation.told)
    readout = (
        '<output class="dan-readout" aria-live="polite">Point at a map to read its values; click to enlarge.</output>'
    )
    score = explanation.score
    special = score.against is not None or score.head is not None
    told = f'<p class="dan-explained-score">Fusion map and attributions explain <b>{target}</b>.</p>' if special else ""
    return f'{told}<div class="dan-row" role="group" aria-label="Maps for {target}">{ready}{waiting}</div>{readout}'


def probability_bars(explanation: Explanation) -> str:
    """Every class with its probability; the prediction and the explained class are marked."""
    rows = []
    for k, label in enumerate(explanation.labels):
        p = float(explanation.prediction.probabilities[k])
        best = " dan-best" if k == explanation.prediction.index else ""
        explained = " dan-explained" if k == explanation.target else ""
        rows.append(
            f'<div class="dan-class{best}{explained}"><span>{escape(label)}</span>'
            f'<span class="dan-track"><span style="width:{100 * p:.2f}%"></span></span><span>{p:.3f}</span></div>'
        )
    return f'<div class="dan-classes" role="group" aria-label="Class probabilities">{"".join(rows)}</div>'


def sentence(text: str) -> str:
    """A plain sentence."""
    return f'<p class="dan-sentence">{escape(text)}</p>'


def ledger_table(explanation: Explanation) -> str:
    """The fusion ledger: consensus + one row for each head = logits, for every class, with the residual."""
    fusion, target = explanation.fusion, explanation.target
    rows = [_ledger_row("consensus", "", fusion.consensus.tolist(), target)]
    for h, entries in enumerate(fusion.ledger.tolist()):
        rows.append(_ledger_row(f"Head {h + 1}", head_colour(h), entries, target))
    rows.append(_ledger_row("= logit", "", explanation.prediction.logits.tolist(), target, "dan-sum"))
    cells = "".join(
        f'<th scope="col"{_explained(k, target)}>{escape(label)}</th>' for k, label in enumerate(explanation.labels)
    )
    residual = number(float(fusion.residual.abs().max()))
    return (
        f'<div class="dan-scroll" tabindex="0" role="region" aria-label="Fusion ledger"><table class="dan-ledger">'
        f"<caption>Fusion ledger in logits: the consensus of all heads, and how far each head moves every class away "
        f"from it. The rows add up to the logits; largest residual {residual}. The explained class is highlighted."
        f"</caption>"
        f"<thead><tr><td></td>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def picture(pixels: np.ndarray, alt: str, css_class: str = "") -> str:
    """An image with its PNG inside, so that nothing is written to disk."""
    return f'<img class="{css_class}" src="{_png(pixels)}" alt="{escape(alt, quote=True)}">'


def notice(text: str, kind: str = "info") -> str:
    """One line of news for the reader; kinds are info and warning."""
    return f'<p class="dan-notice dan-{kind}" role="status">{escape(text)}</p>' if text else ""


def _tile(tile: Tile) -> str:
    chip = f'<span class="dan-chip" style="background:{tile.colour}"></span>' if tile.colour else ""
    edge = f' style="border-color:{tile.colour}"' if tile.colour else ""
    values = "" if tile.values is None else json.dumps([[f"{v:.4g}" for v in row] for row in tile.values.tolist()])
    return (
        f'<figure class="dan-tile" data-title="{escape(tile.title, quote=True)}" '
        f'data-unit="{escape(tile.cell_unit, quote=True)}" data-values="{escape(values, quote=True)}">'
        f'<button type="button" class="dan-zoom" aria-label="Enlarge {escape(tile.title, quote=True)}"{edge}>'
        f"{picture(tile.pixels, f'{tile.title}, {tile.note}')}</button>"
        f"<figcaption>{chip}<b>{escape(tile.title)}</b><span>{escape(tile.note)}</span></figcaption>{_bar(tile)}</figure>"
    )


def _bar(tile: Tile) -> str:
    if tile.scale is None:
        return ""
    return (
        f'<div class="dan-bar">{picture(colour_bar(tile.scale), "colour scale")}'
        f"<div><span>{number(tile.scale.low)}</span><span>{number(tile.scale.limit)}</span></div>"
        f"<small>{escape(tile.group or tile.unit)}</small></div>"
    )


def _waiting_tile(title: str) -> str:
    return (
        f'<figure class="dan-tile dan-waiting"><div class="dan-zoom"></div>'
        f"<figcaption><b>{escape(title)}</b><span>computing …</span></figcaption></figure>"
    )


def _ledger_row(name: str, colour: str, values: Sequence[float], target: int, css_class: str = "") -> str:
    chip = f'<span class="dan-chip" style="background:{colour}"></span>' if colour else ""
    cells = "".join(f"<td{_explained(k, target)}>{value:+.2f}</td>" for k, value in enumerate(values))
    return f'<tr class="{css_class}"><th scope="row">{chip}{escape(name)}</th>{cells}</tr>'


def _explained(k: int, target: int) -> str:
    return ' class="dan-explained"' if k == target else ""


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
