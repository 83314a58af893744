"""The tabs Attributions and Faithfulness as HTML: what each map promises and keeps, and every map put to the test."""

from __future__ import annotations

from html import escape

from torch import Tensor

from dan_model.explain.attributions import METHODS, Attribution, Request
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import Faithfulness
from dan_model.explain.maps import MapName
from dan_model.explain.regions import REGIONS
from dan_model.explain.sanity import Sanity
from dan_model.faces import FaceCrop
from dan_model.show.style import head_colour
from dan_model.show.tiles import Scale, number, overlay
from dan_model.show.trust import attribution_sentence, faithfulness_views, sanity_view
from dan_model.ui import html, laboratory

NO_ATTRIBUTIONS = "Choose attributions on the left and press Explain."
MEASURE = "Not measured for this face yet. Measuring takes the network a few hundred passes."
SMALL_SIDE = 112  # pixels of a small map


def cards(explanation: Explanation) -> str:
    """One card for each attribution: its question, its promise, what it cost, and which parts of the face it names."""
    ready = explanation.attributions.values()
    if not ready:
        return html.notice(NO_ATTRIBUTIONS)
    told = f"<p>All explain <b>{escape(explanation.told)}</b>.</p>"
    return f'{told}<div class="dan-cards">{"".join(_card(explanation, one) for one in ready)}</div>'


def faithfulness(found: Faithfulness | None) -> str:
    """The measurements that are ready, with what is still to come."""
    if found is None:
        return html.notice(MEASURE)
    waiting = html.notice(f"Measuring … {found.pending} still to come.") if found.pending else ""
    return waiting + laboratory.views(faithfulness_views(found))


def sanity(found: Sanity | None, crop: FaceCrop | None = None) -> str:
    """Every map under a network that is more and more random, by a slider, and how alike it stays."""
    if found is None or crop is None:
        return html.notice("Not tried for this face yet. Every map is computed again for each of eight layers.")
    waiting = html.notice(f"Randomising … {found.pending} layers still to come.") if found.pending else ""
    steps = ["nothing", *found.layers]
    chips = "".join(
        f'<span class="dan-step" data-step="{i}"{"" if i == 0 else " hidden"}>'
        f"Random: <b>{'nothing' if i == 0 else escape(f'classifier … {name}' if i > 1 else name)}</b></span>"
        for i, name in enumerate(steps)
    )
    slider = (
        '<label class="dan-alpha-row"><span>Randomise from the top</span><input type="range" class="dan-depth" '
        f'min="0" max="{len(steps) - 1}" step="1" value="0"><span aria-live="polite">{chips}</span></label>'
    )
    tiles = "".join(_stack(found, name, crop) for name in found.names)
    row = f'<div class="dan-sanity">{slider}<div class="dan-small-row">{tiles}</div></div>'
    return waiting + row + laboratory.views([sanity_view(found)])


def _card(explanation: Explanation, attribution: Attribution) -> str:
    method, request = METHODS[attribution.method], Request.parse(attribution.request)
    kind = "dan-sentence" if attribution.holds else "dan-notice dan-warning"
    promise = f"It {escape(method.promise)}." if method.promise else "It promises no sum."
    settings = ", ".join(f"{name} {value:g}" for name, value in request.settings)
    passes = f"{attribution.forwards} forward, {attribution.backwards} backward"
    facts = [
        ("Unit", method.unit),
        ("Baseline", attribution.baseline or "none"),
        ("Settings", settings or "none"),
        ("Passes", f"{passes} images, {attribution.seconds:.1f} s on {attribution.device}"),
        ("On the face", _on_the_face(explanation, attribution)),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    sentence = attribution_sentence(attribution) if method.promise else ""
    verdict = f'<p class="{kind}">{escape(sentence)}</p>' if sentence else ""
    return (
        f'<section class="dan-card" data-request="{escape(attribution.request, quote=True)}">'
        f"<h3>{escape(request.title)}</h3><p>{escape(method.question)}</p><p>{promise}</p>{verdict}"
        f"<dl>{rows}</dl>{_per_head(explanation, attribution)}</section>"
    )


def _on_the_face(explanation: Explanation, attribution: Attribution) -> str:
    """The three parts of the face that count most."""
    if attribution.by_region is not None:
        order = attribution.by_region.abs().argsort(descending=True)[:3].tolist()
        return ", ".join(f"{REGIONS[r]} {float(attribution.by_region[r]):+.2f}".replace("-", "−") for r in order)
    if explanation.regions is None:
        return "not known: no landmarks"
    shares = explanation.regions.shares(attribution.map if attribution.cells is None else attribution.cells)
    return ", ".join(f"{REGIONS[r]} {float(shares[r]):.0%}" for r in shares.argsort(descending=True)[:3].tolist())


def _per_head(explanation: Explanation, attribution: Attribution) -> str:
    """Small maps of every head, on one scale."""
    if attribution.per_head is None:
        return ""
    scale = Scale(float(attribution.per_head.abs().max()) or 1.0, signed=True)
    pictures = "".join(
        f'<figure style="border-color:{head_colour(h)}">'
        f"{_small(explanation.crop, cells, scale, f'{METHODS[attribution.method].title} of Head {h + 1}')}"
        f"<figcaption>Head {h + 1}: sum {number(float(cells.sum()))}</figcaption></figure>"
        for h, cells in enumerate(attribution.per_head)
    )
    return f'<div class="dan-small-row">{pictures}</div>'


def _stack(found: Sanity, name: MapName, crop: FaceCrop) -> str:
    """A map's pictures, one for each step, of which the slider shows one; each in its own colours."""
    similar = found.similarity(name.key)
    pictures = ""
    for i, values in enumerate(found.maps[name.key]):
        scale = Scale(float(values.abs().max()) or 1.0, signed=name.signed and name.head is None)
        like = "the true map" if i == 0 else f"ρ {number(round(similar[i], 2))}"
        hidden = "" if i == 0 else " hidden"
        pictures += (
            f'<div class="dan-step" data-step="{i}"{hidden}>{_small(crop, values, scale, f"{name.title}, {like}")}'
            f"<figcaption>{escape(name.title)}<br>{like}</figcaption></div>"
        )
    return f"<figure>{pictures}</figure>"


def _small(crop: FaceCrop, values: Tensor, scale: Scale, alt: str) -> str:
    return html.picture(overlay(crop, values, scale, True, SMALL_SIDE), alt)
