"""The tab Learn: tour, guessing, worksheet, how to read the page, and the glossary.

The words of the glossary are marked on the whole page; `assets/glossary.js` shows what they mean.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import gradio as gr

from dan_model.show.glossary import definitions, glossary
from dan_model.ui.theme import asset

NAME = "Learn"
WORKSHEETS = {"worksheet.html": "Worksheet to print", "worksheet.md": "Worksheet to edit", "solutions.md": "Solutions"}
START = (
    '<div class="dan-learn"><section><h3>Tour</h3><p>Ten short cards lead from the pixels of a face to the decision. '
    "Each explains one part, with the numbers of the face that is shown, and asks for one action.</p>"
    '<button type="button" data-tour-card="0">Start the tour</button></section>'
    "<section><h3>Guess first</h3><p>Choose the expression and the cells that you would look at, before you see "
    "what the network does. It stays on for every face until you end it.</p>"
    '<button type="button" class="dan-guess-start" aria-pressed="false">Guess first</button></section></div>'
)
WORKSHEET = (
    '<div class="dan-learn"><section><h3>Worksheet</h3><p>Five exercises with the examples of this page: predict, try, '
    "write down, explain. The solutions are for teachers.</p></section></div>"
)


def glossary_data() -> None:
    """Add what the marked words show to the page that is being built."""
    terms = {term.key: [term.name, term.meaning, term.formula] for term in glossary()}
    data = escape(json.dumps(terms), quote=True)
    gr.HTML(f'<div hidden data-terms="{data}"></div>', elem_id="dan-terms", js_on_load=asset("glossary.js"))


def components(folder: Path | None) -> None:
    """Add the panel to the tab that is being built.

    Args:
        folder: Of the examples; worksheets lie in its folder `worksheet`.
    """
    gr.HTML(START, elem_id="dan-learn")
    gr.HTML(WORKSHEET, elem_id="dan-worksheet")
    files = {} if folder is None else {folder / "worksheet" / name: title for name, title in WORKSHEETS.items()}
    with gr.Row(elem_id="dan-worksheets"):
        for path, title in files.items():
            if path.is_file():
                gr.DownloadButton(title, path, size="sm", min_width=160)
    with gr.Accordion("How to read this page", open=False):
        gr.Markdown(asset("how_to_read.md"))
    gr.HTML(f"<h3>Glossary</h3>{definitions()}", elem_id="dan-glossary")
