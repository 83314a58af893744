"""The texts of the page in the language of the server, by GNU gettext; English where there is no catalogue.

The language comes from LANGUAGE, LC_ALL, LC_MESSAGES or LANG, as usual. `locale/page.pot` holds all texts and is
written by `make texts`, which finds the calls of these functions: `translate` is imported as `_`, `untranslated` as
`N_`. Numbers and names are filled in afterwards: `_("{count} faces").format(count=3)`.
"""

from __future__ import annotations

import gettext
import json
import re
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
_catalogue = gettext.translation("page", LOCALE, fallback=True)
TRANSLATED = isinstance(_catalogue, gettext.GNUTranslations)
"""Whether there is a catalogue for the language."""
LANGUAGE = _catalogue.info().get("language", "en").replace("_", "-")
"""As HTML names it."""


def translate(message: str) -> str:
    """A text in the language of the server."""
    return _catalogue.gettext(message) if message else ""  # an empty one would give the head of the catalogue


def translate_plural(one: str, several: str, count: int) -> str:
    """A text for a count: languages differ in how many forms they have. The count is filled in afterwards."""
    return _catalogue.ngettext(one, several, count)


def untranslated(message: str) -> str:
    """The text as it is, noted for translators: a name that is translated where it is shown."""
    return message


def head_name(head: int) -> str:
    """The name of a head, which is counted from 0: "Head 1"."""
    return translate("Head {number}").format(number=head + 1)


def script_texts(script: str) -> list[str]:
    """The texts of a script of the page: what `translate` is called with there, in double quotes."""
    return [json.loads(text) for text in re.findall(r'\btranslate\(\s*("(?:[^"\\]|\\.)*")', script)]


def paragraphs(document: str) -> list[str]:
    """The paragraphs of a Markdown document, which are translated one by one."""
    return [paragraph.strip("\n") for paragraph in document.split("\n\n") if paragraph.strip()]


def translate_paragraphs(document: str) -> str:
    """A Markdown document in the language of the server."""
    return "\n\n".join(map(translate, paragraphs(document))) + "\n"
