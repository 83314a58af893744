"""How to cite: the entries say what CITATION.cff says."""

from __future__ import annotations

import re
from pathlib import Path

from dan_model.show.citation import BIBTEX, citation
from dan_model.version import __version__

CFF = (Path(__file__).parents[2] / "CITATION.cff").read_text(encoding="utf-8")


def test_the_entries_have_title_authors_year_and_address_of_the_citation_file():
    paper, software = BIBTEX.split("\n\n")
    title = re.search(r'^  title: "(.+)"$', CFF, re.MULTILINE)[1]
    people = zip(re.findall(r"family-names: (\w+)", CFF), re.findall(r"given-names: (\w+)", CFF), strict=True)
    assert f"title = {{{title}}}," in paper
    assert f"author = {{{' and '.join(f'{family}, {given}' for family, given in people)}}}," in paper
    assert f"year = {{{re.search(r'year: (.+)', CFF)[1]}}}" in paper
    assert f"url = {{{re.search(r'url: (.+)', CFF)[1]}}}" in paper
    assert re.search(r"value: (arXiv:\S+)", CFF)[1] in paper
    assert f"title = {{{re.search(r'^title: (.+)$', CFF, re.MULTILINE)[1]}}}" in software
    assert f"author = {{{{{re.search(r'- name: (.+)', CFF)[1]}}}}}" in software
    assert __version__ in software
    assert "doi" not in BIBTEX.lower()


def test_every_brace_of_the_entries_closes():
    for entry in BIBTEX.split("\n\n"):
        assert entry.count("{") == entry.count("}") > 0
    assert BIBTEX in citation()
