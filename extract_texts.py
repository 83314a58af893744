"""How Babel finds the page's texts; see `babel.cfg` and `make texts`.

Babel's own extractors do not see all of them: those for Python no calls inside f-strings, before Python 3.12, and those
for JavaScript no calls inside quotes in template strings.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator, Mapping
from typing import BinaryIO

from dan_model.texts import paragraphs, script_texts

Found = tuple[int, str, str | tuple[str, ...], list[str]]
"""Line, function, its texts, and comments for translators."""


def python(
    file: BinaryIO, keywords: Mapping[str, object], comment_tags: Collection[str], options: Mapping[str, object]
) -> Iterator[Found]:
    """Texts that are arguments of a keyword's calls."""
    for node in ast.walk(ast.parse(file.read())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in keywords:
            texts = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            if texts:
                yield node.lineno, node.func.id, texts[0] if len(texts) == 1 else tuple(texts), []


def javascript(
    file: BinaryIO, keywords: Mapping[str, object], comment_tags: Collection[str], options: Mapping[str, object]
) -> Iterator[Found]:
    """Texts that `translate` is called with."""
    for text in script_texts(file.read().decode()):
        yield 0, "_", text, []


def markdown(
    file: BinaryIO, keywords: Mapping[str, object], comment_tags: Collection[str], options: Mapping[str, object]
) -> Iterator[Found]:
    """Every paragraph; a remark in front of them is for translators."""
    found = paragraphs(file.read().decode())
    remarks = [one.removeprefix("<!--").removesuffix("-->").strip() for one in found if one.startswith("<!--")]
    for number, paragraph in enumerate(found, 1):
        if not paragraph.startswith("<!--"):
            yield number, "_", paragraph, remarks
