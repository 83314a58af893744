"""One word for one thing, in code, page, documents and file names: DESIGN's names, not the ones they replaced."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REPLACED = {
    "Answer", "Donor", "Effort", "LabView", "Loaded", "Question", "Shelf", "Sitting", "Turn", "View", "Visit", "Visits",
    "Wish", "answers", "donor", "effort", "laboratory", "look", "mute", "muted", "news", "proceed", "sanity", "shelf",
    "sitting", "solo", "testing", "told", "trust", "visit", "visits", "wish",
}  # fmt: skip
VERBS = {"look", "answers"}  # in sentences for people
THIRD_PARTY = {("torch", "testing"), ("numpy", "testing"), ("np", "testing"), ("typer", "testing")}
PROSE = re.compile(r"\b(told|news|sitting|laboratory|mute[sd]?|muting|solo|sanity)\b", re.IGNORECASE)
CITED = re.compile("Sanity Checks for Saliency Maps|<video muted")  # a title; an attribute of HTML


def tracked(*endings: str) -> list[Path]:
    """The files of the repository with these endings."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split("\n")  # fmt: skip
    files = [ROOT / name for name in listed if name.endswith(endings)]
    return [path for path in files if path.is_file() and path != Path(__file__)]


def test_replaced_words_name_nothing_in_the_code():
    found = []
    for path in tracked(".py"):
        names = [
            token
            for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline)
            if token.type in (tokenize.NAME, tokenize.OP)
        ]
        for i, token in enumerate(names):
            owner = names[i - 2].string if i > 1 and names[i - 1].string == "." else ""
            if token.string in REPLACED and (owner, token.string) not in THIRD_PARTY:
                found.append(f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string}")
    assert found == []


def test_replaced_words_are_no_keys_or_options():
    found = []
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            value = node.value if isinstance(node, ast.Constant) else None
            if isinstance(value, str) and value.strip("-") in REPLACED - VERBS:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}: {value}")
    assert found == []


@pytest.mark.parametrize("ending", [".css", ".js"])
def test_replaced_words_are_no_selectors_or_variables_of_the_page(ending):
    words = {word for path in tracked(ending) for word in re.findall(r"[A-Za-z]+", path.read_text(encoding="utf-8"))}
    assert words & REPLACED == set()


def test_replaced_words_are_not_in_texts_and_file_names():
    found = []
    for path in tracked(".py", ".md", ".js", ".css", ".toml", "Makefile"):
        if path.name == "CHANGELOG.md":
            continue
        name = path.relative_to(ROOT)
        lines = CITED.sub("", path.read_text(encoding="utf-8")).split("\n")
        found += [f"{name}:{n}: {line.strip()}" for n, line in enumerate(lines, 1) if PROSE.search(line)]
        stem = set(re.split(r"[^A-Za-z]+", path.stem))
        found += [str(name)] if stem & REPLACED else []
    assert found == []


def test_read_is_for_files_only():
    """Functions named read_… take a path (or whatever holds an image), and stand where files are read."""
    names = {}
    for path in tracked(".py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and re.match(r"_?read_", node.name):
                names[node.name] = path.relative_to(ROOT).parts[:2]
    assert names
    assert set(names.values()) <= {("dan_model", "weights"), ("dan_model", "faces")}
