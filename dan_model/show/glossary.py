"""The glossary of the page: what each word of ours means, in two sentences and, where there is one, a formula.

The words are in `assets/glossary.md`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path

from dan_model.texts import paragraphs, translate


@dataclass(frozen=True)
class Term:
    """A word and its meaning.

    Attributes:
        key: Its English name as an identifier in HTML.
        name: As the glossary lists it.
        meaning: Two sentences.
        formula: In letters of the paper; empty where there is none.
        others: Other ways to write it, all of which lead to this entry.
    """

    key: str
    name: str
    meaning: str
    formula: str = ""
    others: tuple[str, ...] = ()


@cache
def glossary() -> tuple[Term, ...]:
    """All words, in the order of the way from the face to the decision, then attributions and their tests."""
    text = (Path(__file__).parent / "assets" / "glossary.md").read_text(encoding="utf-8")
    return tuple(_term(entry) for entry in paragraphs(text) if entry.startswith("## "))


def _term(entry: str) -> Term:
    """A word from its paragraph: a heading with other ways to write it, the meaning, and a formula or none."""
    key = re.sub(r"\W+", "-", entry.removeprefix("## ").partition("\n")[0].partition(" [")[0].lower()).strip("-")
    heading, meaning, *formula = translate(entry).split("\n")
    name, __, others = heading.removeprefix("## ").rstrip("]").partition(" [")
    return Term(key, name, meaning, "".join(formula).strip("`"), tuple(filter(None, others.split(", "))))


_TOO_COMMON = {"head", "region", "features", "fusion"}  # in nearly every sentence: listed, but not marked


@cache
def _words() -> tuple[dict[str, str], re.Pattern[str]]:
    """The key of each word that is marked, as it is written in HTML, and what finds them: the longest first."""
    keys = {
        escape(text).lower(): term.key
        for term in glossary()
        for text in (term.name, *term.others)
        if term.key not in _TOO_COMMON
    }
    longest_first = "|".join(re.escape(text) for text in sorted(keys, key=len, reverse=True))
    return keys, re.compile(rf"(?<![\w-])({longest_first})(?![\w-])", re.IGNORECASE)


def marked(text: str, limit: int = 3) -> str:
    """A text as HTML in which the first words of the glossary are buttons that show their meaning.

    Args:
        text: Plain text; it is escaped.
        limit: How many words are marked at most, each once, so that the text stays readable.
    """
    keys, pattern = _words()
    seen: set[str] = set()

    def mark(found: re.Match[str]) -> str:
        key = keys[found[0].lower()]
        if key in seen or len(seen) == limit:
            return found[0]
        seen.add(key)
        return f'<button type="button" class="dan-term" data-term="{key}">{found[0]}</button>'

    return pattern.sub(mark, escape(text))


def definitions() -> str:
    """The whole glossary as an HTML list of definitions."""
    entries = "".join(
        f'<div id="dan-term-{term.key}"><dt>{escape(term.name)}</dt><dd>{escape(term.meaning)}'
        f"{f'<code>{escape(term.formula)}</code>' if term.formula else ''}</dd></div>"
        for term in glossary()
    )
    return f'<dl class="dan-glossary">{entries}</dl>'
