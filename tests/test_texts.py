"""Where no catalogue is, texts are English; `locale/page.pot` has all of them."""

from __future__ import annotations

import io
import re
import shlex
from pathlib import Path

from babel.messages.frontend import CommandLineInterface

import extract_texts
from dan_model.texts import LOCALE, head_name, script_texts, translate, translate_paragraphs, translate_plural

ROOT = Path(__file__).parent.parent
TEMPLATE = LOCALE / "page.pot"


def test_the_committed_texts_are_those_of_the_code(tmp_path, monkeypatch):
    """After a change of a text: `make texts`."""
    command = re.search(r"pybabel (.*?)\n\n", (ROOT / "Makefile").read_text(encoding="utf-8"), re.DOTALL)[1]
    monkeypatch.chdir(ROOT)
    arguments = shlex.split(command.replace("\\\n", "").replace(str(TEMPLATE.relative_to(ROOT)), str(tmp_path / "now")))
    CommandLineInterface().run(["pybabel", *arguments])
    assert (tmp_path / "now").read_text(encoding="utf-8") == TEMPLATE.read_text(encoding="utf-8")


def test_without_a_catalogue_texts_are_english():
    assert translate("The face") == "The face"
    assert translate("") == ""
    assert [translate_plural("{count} face", "{count} faces", n).format(count=n) for n in (1, 2)] == [
        "1 face",
        "2 faces",
    ]
    assert head_name(0) == "Head 1"
    assert translate_paragraphs("One\ntwo\n\n\nthree\n") == "One\ntwo\n\nthree\n"


def test_texts_are_found_inside_other_strings():
    code = b"""f'<b>{_("One")}</b>' + _("tw" "o") + translate_plural("a", "b", n) + axes._("no") + _(name)"""
    found = extract_texts.python(io.BytesIO(code), {"_": None, "translate_plural": None}, (), {})
    assert {texts for line, name, texts, remarks in found} == {"One", "two", ("a", "b")}
    script = '`<b title="${translate("One")}">${translate(\n  "t\\"wo", { a })}</b>`; translate(name)'
    assert script_texts(script) == ["One", 't"wo']
