"""The guide for hosting a Space uploads everything that the page needs."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from huggingface_hub.utils import filter_repo_objects

ROOT = Path(__file__).parents[1]
NEEDED = ("app.py", "README.md", "requirements.txt", "packages.txt", "dan_model", "examples")


def test_what_the_guide_leaves_out_is_nothing_that_the_page_needs():
    guide = (ROOT / "docs/how-to/space.md").read_text(encoding="utf-8")
    left_out = ast.literal_eval(re.search(r"ignore_patterns=(\[.*?\])", guide)[1])
    needed = [
        path.relative_to(ROOT).as_posix()
        for name in NEEDED
        for path in ([ROOT / name] if (ROOT / name).is_file() else (ROOT / name).rglob("*"))
        if path.is_file() and "__pycache__" not in path.parts
    ]
    assert "dan_model/explain/cache.py" in needed
    assert list(filter_repo_objects(needed, ignore_patterns=left_out)) == needed
    made = [".venv/bin/python", "dan_model/__pycache__/x.pyc", ".pytest_cache/v", ".ruff_cache/x", ".hypothesis/a/b"]
    assert list(filter_repo_objects(made, ignore_patterns=left_out)) == []
