"""The tab Learn: tour, guessing, worksheet, how to read the page, and the glossary.

The words of the glossary are marked on the whole page; `assets/glossary.js` shows what they mean.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import gradio as gr

from dan_model.show.glossary import definitions, glossary
from dan_model.texts import translate as _
from dan_model.texts import translate_paragraphs
from dan_model.ui.theme import asset, scripts

NAME = _("Learn")
WORKSHEETS = {
    "worksheet.html": _("Worksheet to print"),
    "worksheet.md": _("Worksheet to edit"),
    "solutions.md": _("Solutions"),
}
TOUR = _(
    "Ten short cards lead from the pixels of a face to the decision. Each explains one part, with the numbers of the "
    "face that is shown, and asks for one action."
)
GUESS = _(
    "Choose the expression and the cells that you would look at, before you see what the network does. It stays on for "
    "every face until you end it."
)
START = (
    f'<div class="dan-learn"><section><h3>{_("Tour")}</h3><p>{TOUR}</p>'
    f'<button type="button" data-tour-card="0">{_("Start the tour")}</button></section>'
    f"<section><h3>{_('Guess first')}</h3><p>{GUESS}</p>"
    f'<button type="button" class="dan-guess-start" aria-pressed="false">{_("Guess first")}</button></section></div>'
)
EXERCISES = _(
    "Five exercises with the examples of this page: predict, try, write down, explain. The solutions are for teachers."
)
WORKSHEET = f'<div class="dan-learn"><section><h3>{_("Worksheet")}</h3><p>{EXERCISES}</p></section></div>'


def glossary_data() -> None:
    """Add what the marked words show to the page that is being built."""
    terms = {term.key: [term.name, term.meaning, term.formula] for term in glossary()}
    data = escape(json.dumps(terms), quote=True)
    gr.HTML(f'<div hidden data-terms="{data}"></div>', elem_id="dan-terms", js_on_load=scripts("glossary"))


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
    with gr.Accordion(_("How to read this page"), open=False):
        gr.Markdown(translate_paragraphs(asset("how_to_read.md")))
    gr.HTML(f"<h3>{_('Glossary')}</h3>{definitions()}", elem_id="dan-glossary")
