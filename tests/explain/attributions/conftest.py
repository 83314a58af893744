from __future__ import annotations

import pytest

from dan_model.explain import Explanation
from dan_model.explain.attributions import AttributionTask


@pytest.fixture(scope="package")
def smiling(explainer, astronaut) -> Explanation:
    """The astronaut explained for happiness, without attributions."""
    return explainer.explain(astronaut)


@pytest.fixture
def task(explainer, smiling) -> AttributionTask:
    return explainer.task(smiling)


@pytest.fixture(scope="package")
def small_smiling(small_explainer, astronaut) -> Explanation:
    """As `smiling`, with an input of 112 pixels."""
    return small_explainer.explain(astronaut, target="happiness")


@pytest.fixture
def small_task(small_explainer, small_smiling) -> AttributionTask:
    return small_explainer.task(small_smiling)
