"""The page in an invented language, in which every text stands in ⟦brackets⟧: what is outside was not translated."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

import dan_model
from dan_model.texts import LOCALE
from dan_model.ui.theme import ASSETS

ROOT = Path(__file__).parents[2]
PACKAGE = Path(dan_model.__file__).parent
READ_OUT = {"alt", "aria-label", "aria-description", "placeholder", "title", "data-title", "data-unit"}
STORED = {"data-cards", "data-symbols", "data-terms", "data-texts"}  # texts in JSON, which scripts show
NO_TEXT = {"embeddings", "head", "label", "name", "symbols"}  # keys in it that hold none
CALL = re.compile(r'\btranslate\(\s*"(?:[^"\\]|\\.)*"')  # with its text
CODE = re.compile(r"""//[^\n]*|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|\\.|.""", re.DOTALL)  # of a script, by token
TEMPLATE = re.compile(r"\$\{|\\.|.", re.DOTALL)  # of a template string
SENTENCE = re.compile(r"^[^.#\[]*[A-Za-z] [a-z]|^[A-Z][a-z]+ ?$")  # several words, or one with a capital; no selector
NO_SENTENCES = {
    "Enter", "Escape", "12px system-ui, sans-serif", "figcaption b, figcaption span:not(.dan-chip)",
    "S = Σ ln p", "−H ln H − H · KL(uniform ‖ p)",
}  # fmt: skip
WORD = re.compile(r"[^\W\d_]{2,}")
NAMES = {
    "DAN", "Explorer", "PNG", "SVG", "UTC",  # names
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt",  # of classes
    "class", "calm", "glad", "cross",  # of classes of the tests' own
    "Grace", "Hopper",  # an example
    "affectnet", "rafdb",  # of presets
    "most", "steps", "stride", "tolerance", "window",  # of methods' settings, as requests write them
    "cpu", "layer", "ln", "KL", "uniform",  # of a device, layers, functions
}  # fmt: skip


class Texts(HTMLParser):
    """Collects what visitors read, or have read to them, of HTML: its text, attributes, and data for scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.texts, self.attributes, self.hidden = [], [], 0

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in ("style", "script", "pre")
        self.attributes += [value for name, value in attributes if name in READ_OUT and value]
        for name, value in attributes:
            if name in STORED and value:
                self.attributes += strings(json.loads(value))

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("style", "script", "pre")

    def handle_data(self, data: str) -> None:
        self.texts += [] if self.hidden else [data]


def strings(value: object) -> Iterator[str]:
    """All strings in JSON values, except those that are no text."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, one in value.items():
            yield from strings(one) if name not in NO_TEXT else ()
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def outside(text: str) -> set[str]:
    """The words of a text outside of brackets, which may be nested, without names; all, if the brackets are torn."""
    depth, rest = 0, ""
    for character in text:
        depth += {"⟦": 1, "⟧": -1}.get(character, 0)
        rest += " " if depth or character == "⟧" else character
    return set(WORD.findall(rest if depth == 0 else text)) - NAMES


def untranslated(html: str) -> set[str]:
    """The words in HTML, or in plain text, that are not translated."""
    found = Texts()
    found.feed(html)
    return set().union(outside(" ".join(found.texts)), *map(outside, found.attributes))


def literals(script: str) -> list[str]:
    """The strings of a script, and what visitors read of the HTML in its template strings."""
    found: list[str] = []
    place, nested = 0, [0]  # inside one another: code as the number of its open braces, template strings as their text
    while place < len(script):
        inner = nested[-1]
        token = (TEMPLATE if isinstance(inner, str) else CODE).match(script, place)[0]
        place += len(token)
        if isinstance(inner, str):
            if token == "`":
                html = Texts()
                html.feed(nested.pop())
                found += [*html.texts, *html.attributes]
            elif token == "${":
                nested.append(0)
            else:
                nested[-1] += token
        elif token == "`":
            nested.append("")
        elif token == "}" and inner == 0 and len(nested) > 1:
            nested.pop()
        elif token in ("{", "}"):
            nested[-1] += 1 if token == "{" else -1
        elif token[0] in "\"'" and len(token) > 1:
            found.append(token[1:-1])
    return found


def bracketed(message: str) -> str:
    """A text in the invented language; an entry of the glossary keeps its form: heading, meaning, formula."""
    if not message.startswith("## "):
        return f"⟦{message}⟧"
    heading, meaning, *formula = message.split("\n")
    name, others = re.fullmatch(r"## (.*?)( \[.*)?", heading).groups()
    return "\n".join([f"## ⟦{name}⟧{others or ''}", f"⟦{meaning}⟧", *(f"`⟦{one}⟧`" for one in formula)])


@pytest.fixture(scope="module")
def shown(tmp_path_factory) -> list[tuple[str, object]]:
    """What the page shows in the invented language, by place, from a copy of the package that has its catalogue."""
    root = tmp_path_factory.mktemp("translated")
    (root / "dan_model").mkdir()
    for path in [*PACKAGE.iterdir(), ROOT / "tests", ROOT / "examples"]:
        if path != LOCALE:
            (root / path.relative_to(ROOT)).symlink_to(path)
    with (LOCALE / "page.pot").open("rb") as file:
        template = read_po(file)
    catalogue = Catalog("eo")
    for message in template:
        texts = [message.id] if isinstance(message.id, str) else message.id
        if message.id:
            catalogue.add(message.id, tuple(map(bracketed, texts)) if message.pluralizable else bracketed(message.id))
    folder = root / "dan_model" / "locale" / "eo" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    with (folder / "page.mo").open("wb") as file:
        write_mo(file, catalogue)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.fixtures.translated_page"],
        cwd=root, env={**os.environ, "LANGUAGE": "eo", "PYTHONPATH": str(root)}, stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return json.loads(done.stdout)


def test_every_text_of_the_page_is_translated(shown):
    found = {
        place: words
        for place, value in shown
        if (words := set().union(*(untranslated(text) for text in strings(value))))
    }
    assert found == {}


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.stem)
def test_every_text_of_the_scripts_is_translated(path):
    texts = literals(CALL.sub("translate(", path.read_text(encoding="utf-8")))
    assert {text for text in texts if SENTENCE.search(text)} <= NO_SENTENCES


def test_texts_that_are_not_translated_are_found():
    assert untranslated('<p title="⟦All⟧">⟦The ⟦map⟧ of <b>Head 1</b>⟧, neutral</p>') == set()
    assert untranslated('<p title="Over all">⟦The map⟧ of a head</p>') == {"Over", "all", "of", "head"}
    assert untranslated("⟦The map") == {"The", "map"}


def test_texts_of_scripts_that_are_not_translated_are_found():
    script = (
        'show("Try again."); const a = `<b title="A map">${on ? `Point ${1}` : { b: "at" }.b} here it is</b>`; // no no'
    )
    found = {text for text in literals(script) if SENTENCE.search(text)}
    assert found == {"Try again.", "A map", "Point ", " here it is"}
