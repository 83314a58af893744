"""The tab Attributions: what each one asks, whether it is complete, what it cost, and which regions it names."""

from __future__ import annotations

from html import escape
from typing import Any

from dan_model.explain.attributions import METHODS, Attribution, AttributionRequest
from dan_model.explain.explanation import Explanation
from dan_model.explain.regions import REGIONS
from dan_model.show.faithfulness_views import attribution_sentence
from dan_model.show.glossary import marked
from dan_model.show.map_drawing import Scale
from dan_model.show.style import head_colour
from dan_model.show.tiles import number, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.ui.html import notice, small_map
from dan_model.ui.results import Tab, figures_component

NAME = _("Attributions")
NO_ATTRIBUTIONS = _("Choose attributions under “Methods, baselines and drawing”.")


def tab() -> Tab:
    """Add the panel to the tab that is being built."""
    return Tab(
        NAME,
        figures_component("dan-attributions"),
        cards,
        depends_on=lambda explanation: [(text, one.final) for text, one in explanation.attributions.items()],
    )


def cards(explanation: Explanation) -> str:
    """One card for each attribution."""
    ready = explanation.attributions.values()
    if not ready:
        return notice(NO_ATTRIBUTIONS)
    explained = _("All explain <b>{score}</b>.").format(score=escape(explanation.description))
    return f'<p>{explained}</p><div class="dan-cards">{"".join(_card(explanation, one) for one in ready)}</div>'


def _card(explanation: Explanation, attribution: Attribution) -> str:
    method, request = METHODS[attribution.method], AttributionRequest.parse(attribution.request)
    # Completeness: what the values should sum to, and what they do sum to.
    kind = "dan-sentence" if attribution.complete else "dan-notice dan-warning"
    sentence = attribution_sentence(attribution) if method.completeness else ""
    verdict = f'<p class="{kind}">{marked(sentence)}</p>' if sentence else ""
    # Facts: unit, baseline, settings, cost, regions.
    settings = ", ".join(f"{name} {value:g}" for name, value in request.settings)
    passes = _("shared with another method, {seconds} s on {device}")
    if attribution.forwards:
        passes = _("{forwards} forward, {backwards} backward images, {seconds} s on {device}")
    facts = [
        (_("Unit"), attribution.unit),
        (_("Baseline"), _(attribution.baseline or "none")),
        (_("Settings"), settings or _("none")),
        (_("Passes"), passes.format(**_cost(attribution))),
        (_("On the face"), _on_the_face(explanation, attribution)),
    ]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in facts)
    return (
        f'<section class="dan-card" data-request="{escape(attribution.request, quote=True)}">'
        f"<h3>{escape(request.title)}</h3><p>{marked(method.asks)}</p><p>{marked(method.promise)}</p>{verdict}"
        f"<dl>{rows}</dl>{_per_head(explanation, attribution)}</section>"
    )


def _cost(attribution: Attribution) -> dict[str, Any]:
    """What an attribution has cost, as fields of a text."""
    return {
        "forwards": attribution.forwards,
        "backwards": attribution.backwards,
        "seconds": f"{attribution.seconds:.1f}",
        "device": attribution.device,
    }


def _on_the_face(explanation: Explanation, attribution: Attribution) -> str:
    """The three regions of the face that count most."""
    if attribution.by_region is not None:
        order = attribution.by_region.abs().argsort(descending=True)[:3].tolist()
        return ", ".join(f"{_(REGIONS[r])} {float(attribution.by_region[r]):+.2f}".replace("-", "−") for r in order)
    if explanation.regions is None:
        return _("not known: no landmarks")
    shares = explanation.regions.shares(attribution.native)
    largest = shares.argsort(descending=True)[:3].tolist()
    return ", ".join(f"{_(REGIONS[r])} {whole_percent(float(shares[r]))}" for r in largest)


def _per_head(explanation: Explanation, attribution: Attribution) -> str:
    """Small maps of every head, on one scale."""
    if attribution.per_head is None:
        return ""
    scale = Scale(float(attribution.per_head.abs().max()) or 1.0, signed=True)
    title, pictures = METHODS[attribution.method].title, ""
    for h, cells in enumerate(attribution.per_head):
        alt = _("{method} of {head}").format(method=title, head=head_name(h))
        caption = _("{head}: sum {value}").format(head=head_name(h), value=number(float(cells.sum())))
        pictures += (
            f'<figure style="border-color:{head_colour(h)}">{small_map(explanation.crop, cells, scale, alt)}'
            f"<figcaption>{caption}</figcaption></figure>"
        )
    return f'<div class="dan-small-row">{pictures}</div>'
