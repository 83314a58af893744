"""The report of one face: a single HTML file that opens from disk, without a network and without scripts."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from datetime import datetime, timezone
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from dan_model.explain.explanation import Explanation
from dan_model.show.axes import png
from dan_model.show.citation import citation
from dan_model.show.drawing_thread import draw_in_turn
from dan_model.show.figure_views import FigureView, all_views
from dan_model.show.flow import flow_picture
from dan_model.show.map_drawing import colour_bar
from dan_model.show.origin import NOTICE, definition_list, origin
from dan_model.show.panel import panel
from dan_model.show.photos import picture_address
from dan_model.show.report import arrays, numbers
from dan_model.show.sentences import crop_notes, prior_note, score_note, summary
from dan_model.show.svg import inline_svg
from dan_model.show.tiles import Tile, all_tiles, number, percent
from dan_model.texts import LANGUAGE, head_name
from dan_model.texts import translate as _
from dan_model.version import __version__

ASSETS = Path(__file__).parent / "assets"


def html_report(
    explanation: Explanation, weights: str, provenance: Mapping[str, Any], smooth: bool = True, fingerprint: str = ""
) -> str:
    """Everything that the page shows of a face, as one HTML document.

    Args:
        explanation: What to show.
        weights: The name of the weights.
        provenance: Where they come from, as in `config.json`.
        smooth: Draw maps smoothly instead of in their native cells or pixels.
        fingerprint: Of the network with its labels and preprocessing (`weights.fingerprint`); empty where not known.
    """
    e = explanation
    probability = percent(float(e.prediction.probabilities[e.prediction.index]))
    title = _("DAN Explorer: {label} ({probability})").format(label=e.prediction.label, probability=probability)
    made = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    facts = _("Explained: {score}. Weights: {weights}. Made by DAN Explorer {version} on {date}.").format(
        score=e.description, weights=weights, version=__version__, date=made
    )
    notes = " ".join(note for note in (summary(e), prior_note(e), score_note(e), *e.notes, *crop_notes(e.crop)) if note)
    tiles = "".join(tile_figure(tile) for tile in all_tiles(e, smooth))
    views = "".join(view_section(view) for view in all_views(e))
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("flow.css", "report.css"))
    described = definition_list(({_("fingerprint"): fingerprint} if fingerprint else {}) | dict(provenance))
    return (
        f'<!doctype html><html lang="{LANGUAGE}"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>'
        f'<h1>{escape(title)}</h1><p class="facts">{escape(facts)}</p><p>{escape(notes)}</p>'
        f"{flow_picture(e, links=False)}"
        f"<h2>{_('Classes and contributions')}</h2>{_table(e)}"
        f'<h2>{_("Maps")}</h2><div class="tiles">{tiles}</div>'
        f'<h2>{_("Views")}</h2><div class="views">{views}</div>'
        f"<h2>{_('Weights')}</h2><details><summary>{escape(weights)}</summary>{described}</details>"
        f"<h2>{_('How to cite')}</h2>{citation()}"
        f'<p class="facts">{escape(NOTICE)}</p></body></html>\n'
    )


def bundle(
    explanation: Explanation, weights: str, provenance: Mapping[str, Any], smooth: bool = True, fingerprint: str = ""
) -> bytes:
    """Everything of a face to take along, as the bytes of a ZIP file.

    The panel as PNG and SVG, every tile as PNG, the arrays (NPZ), the numbers with their origin (JSON), and the
    report (HTML). The arguments are those of `html_report`.
    """
    buffer, array_file, svg = io.BytesIO(), io.BytesIO(), io.StringIO()
    np.savez_compressed(array_file, allow_pickle=False, **arrays(explanation))
    drawn = panel(explanation, smooth)
    draw_in_turn(lambda: drawn.savefig(svg, format="svg", metadata={"Date": None}))
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("panel.png", png(drawn))
        file.writestr("panel.svg", svg.getvalue())
        file.writestr("arrays.npz", array_file.getvalue())
        found = numbers(explanation) | {"provenance": origin(weights, provenance, fingerprint)}
        file.writestr("numbers.json", json.dumps(found, indent=1, default=str))
        file.writestr("report.html", html_report(explanation, weights, provenance, smooth, fingerprint))
    return buffer.getvalue()


def _table(e: Explanation) -> str:
    """For every class: its probability, and how far each head moves it."""
    names = _("class"), _("probability"), _("baseline"), *map(head_name, range(len(e.fusion.ledger)))
    head = "".join(f"<th>{name}</th>" for name in names)
    rows = "".join(
        f"<tr><th>{escape(label)}</th><td>{escape(percent(float(e.prediction.probabilities[k])))}</td>"
        f"<td>{float(e.fusion.consensus[k]):+.3f}</td>"
        f"{''.join(f'<td>{float(one):+.3f}</td>' for one in e.fusion.ledger[:, k])}</tr>"
        for k, label in enumerate(e.labels)
    ).replace("-", "−")
    return f"<table><tr>{head}</tr>{rows}</table>"


def tile_figure(tile: Tile) -> str:
    """A tile with its colour bar, as an HTML figure."""
    bar = ""
    if tile.scale is not None:
        bar = (
            f'<div class="bar"><img src="{picture_address(colour_bar(tile.scale))}" alt="">'
            f"<span>{number(tile.scale.low)}</span><span>{number(tile.scale.limit)}</span></div>"
        )
    alt = escape(f"{tile.title}, {tile.note}", quote=True)
    return (
        f'<figure><img src="{picture_address(tile.pixels, exact=True)}" alt="{alt}">'
        f"<figcaption><b>{escape(tile.title)}</b><br>{escape(tile.note)}{bar}{escape(tile.unit)}</figcaption></figure>"
    )


def view_section(view: FigureView) -> str:
    """A view with its sentence, figure and note, as an HTML section."""
    drawn = "" if view.figure is None else inline_svg(view.figure, f"{view.title} {view.sentence}")
    note = f"<small>{escape(view.note)}</small>" if view.note else ""
    return f"<section><h3>{escape(view.title)}</h3><p>{escape(view.sentence)}</p>{drawn}{note}</section>"
