from __future__ import annotations

from dataclasses import replace

import pytest

from dan_model.explain import Explanation
from dan_model.explain.attributions import attribute
from dan_model.explain.faithfulness import Faithfulness
from dan_model.explain.regions import Regions
from tests.fixtures.quick_methods import OF_EACH_KIND


@pytest.fixture(scope="package")
def explanation(small_explainer, astronaut) -> Explanation:
    """The astronaut explained for happiness, with an input of 112 pixels and one map of each kind."""
    found = small_explainer.explain(astronaut, target="happiness")
    found = replace(found, regions=Regions(found.regions.map[::2, ::2].contiguous()))
    task = small_explainer.task(found)
    return replace(found, attributions={text: attribute(task, text) for text in OF_EACH_KIND})


@pytest.fixture(scope="package")
def measured(small_explainer, explanation) -> list[Faithfulness]:
    """All results of a measurement without sensitivity."""
    return list(small_explainer.faithfulness(explanation, sensitivity=False))
