"""What a notebook shows of a result: HTML in the notebook's own colours, light or dark, without scripts."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from dan_model.errors import ArgumentError
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import Faithfulness, ParameterRandomisation
from dan_model.files import replacing, write_text
from dan_model.show.drawing_thread import draw_in_turn
from dan_model.show.faithfulness_views import faithfulness_views, randomisation_view
from dan_model.show.figure_views import FigureView
from dan_model.show.flow import flow_picture
from dan_model.show.html_report import ASSETS, html_report, tile_figure, view_section
from dan_model.show.panel import panel
from dan_model.show.sentences import summary
from dan_model.show.tiles import all_tiles

FIGURE_FILES = (".png", ".svg", ".pdf")


def explanation_html(explanation: Explanation) -> str:
    """The way from the face to the prediction, and every map."""
    tiles = "".join(tile_figure(tile) for tile in all_tiles(explanation)[1:])  # the face is in the picture
    text = f"{summary(explanation)} Explained: {explanation.description}."
    return _framed(f'<p>{escape(text)}</p>{flow_picture(explanation, links=False)}<div class="tiles">{tiles}</div>')


def faithfulness_html(found: Faithfulness) -> str:
    """The curves and numbers of the maps that are measured."""
    waiting = f"<p>{found.pending} measurements are still to come.</p>" if found.pending else ""
    return _framed(waiting + _sections(faithfulness_views(found)))


def randomisation_html(found: ParameterRandomisation) -> str:
    """How the maps change while the weights become random."""
    return _framed(_sections([randomisation_view(found)]))


def save(explanation: Explanation, path: Path) -> None:
    """Write the report or the panel, by the ending of the path.

    Raises:
        ArgumentError: There is no such kind of file.
        WriteError: It cannot be written.
    """
    if path.suffix == ".html":
        source = explanation.provenance
        name = str(source.get("name") or source.get("dataset") or "of unknown origin")
        write_text(path, html_report(explanation, name, source))
    elif path.suffix in FIGURE_FILES:
        with replacing(path) as part:
            draw_in_turn(lambda: panel(explanation).savefig(part))
    else:
        raise ArgumentError(
            f"{path.name} names no kind of file that can be written.", f"Choose: .html, {', '.join(FIGURE_FILES)}."
        )


def _sections(views: Sequence[FigureView]) -> str:
    return f'<div class="views">{"".join(view_section(view) for view in views)}</div>'


def _framed(content: str) -> str:
    style = "".join((ASSETS / name).read_text(encoding="utf-8") for name in ("flow.css", "notebook.css"))
    return f'<div class="dan-notebook"><style>{style}</style>{content}</div>'
