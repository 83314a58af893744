from __future__ import annotations

import json
import sys
from types import ModuleType

import pytest

from benchmarks.__main__ import Part, main
from benchmarks.rows import Row


@pytest.mark.parametrize(
    ("value", "goal", "met"),
    [(1.10, "≤ 1.10", True), (1.11, "≤ 1.10", False), (10.0, "≥ 10", True), (9.9, "≥ 10", False), (3.0, "", None)],
)
def test_a_goal_is_met_up_to_its_bound(value, goal, met):
    assert Row("a", "b", value, goal).met is met


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [(1234.5, "ms", "1,234 ms"), (12.34, "", "12.3"), (1.234, "s", "1.23 s"), (0.0345, "", "0.0345")],
)
def test_figures_have_three_digits_or_so(value, unit, text):
    assert Row("a", "b", value, unit=unit).text == text


def test_the_rows_are_kept_with_the_machine(monkeypatch, tmp_path):
    part = ModuleType("benchmarks.growth")
    part.rows = lambda: [Row("two", "one", 2.0, "≤ 3")]
    monkeypatch.setitem(sys.modules, "benchmarks.growth", part)
    main([Part.growth], tmp_path / "new" / "kept.json")
    kept = json.loads((tmp_path / "new" / "kept.json").read_text("utf-8"))
    assert kept["rows"] == [{"what": "two", "against": "one", "value": 2.0, "goal": "≤ 3", "unit": ""}]
    assert kept["machine"]["cores"] >= 1
    assert kept["date"].endswith("+00:00")
