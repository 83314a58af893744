from __future__ import annotations

import pytest
import torch

from dan_model.errors import CheckpointError
from dan_model.learn.evaluation import best_temperature, fold_temperature, measure
from dan_model.show.evaluation_figures import confusion_figure, reliability_figure
from tests.fixtures.models import random_dan

LABELS = ("a", "b", "c")


def logits_of(probabilities) -> torch.Tensor:
    return torch.tensor(probabilities, dtype=torch.float64).log()


def test_metrics_by_hand():
    """Five faces, four of class a and one of b; the answers are a, a, a, b and b; c does not occur."""
    rows = [[0.8, 0.1, 0.1]] * 3 + [[0.1, 0.8, 0.1]] * 2
    measured = measure(logits_of(rows), torch.tensor([0, 0, 0, 0, 1]), LABELS)
    assert measured.count == 5
    assert measured.accuracy == pytest.approx(4 / 5)
    assert measured.balanced_accuracy == pytest.approx((3 / 4 + 1) / 2)
    assert measured.confusion == [[3, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert measured.per_class["a"] == pytest.approx({"precision": 1, "recall": 3 / 4, "f1": 6 / 7, "count": 4})
    assert measured.per_class["b"] == pytest.approx({"precision": 1 / 2, "recall": 1, "f1": 2 / 3, "count": 1})
    assert measured.ece == pytest.approx(0.0, abs=1e-6)  # confidence 0.8, right in 4 of 5


def test_calibration_by_hand():
    """All answers have confidence 0.9 and half are right: off by 0.4; the best temperature brings 0.9 to 0.5."""
    rows = logits_of([[0.9, 0.1]] * 10)
    measured = measure(rows, torch.tensor([0] * 5 + [1] * 5), ("a", "b"))
    assert measured.ece == pytest.approx(0.4, abs=1e-6)
    assert measured.ece_after < 0.05
    assert measured.temperature > 5


def test_the_temperature_is_that_of_maximum_likelihood():
    generator = torch.Generator().manual_seed(0)
    true = torch.randn(4000, 3, generator=generator, dtype=torch.float64) * 2
    classes = torch.multinomial(true.softmax(dim=1), 1, generator=generator)[:, 0]
    assert best_temperature(true * 3, classes) == pytest.approx(3, rel=0.05)


def test_a_folded_temperature_divides_the_logits():
    model = random_dan(classes=3)
    x = torch.randn(2, 3, 224, 224)
    with torch.no_grad():
        before = model(x)
        fold_temperature(model, 1.7)
        torch.testing.assert_close(model(x), before / 1.7, rtol=1e-4, atol=1e-4)


def test_logits_that_are_not_finite_are_refused():
    with pytest.raises(CheckpointError, match="not finite"):
        measure(torch.full((2, 3), torch.nan), torch.tensor([0, 1]), LABELS)


def test_figures_show_the_measured_fractions():
    rows = [[0.8, 0.1, 0.1]] * 3 + [[0.1, 0.8, 0.1]] * 2
    logits, classes = logits_of(rows), torch.tensor([0, 0, 0, 0, 1])
    measured = measure(logits, classes, LABELS)
    texts = [text.get_text() for text in confusion_figure(measured).axes[0].texts]
    assert texts[:6] == ["0.75", "0.25", "0.00", "0.00", "1.00", "0.00"]
    (bar,) = reliability_figure(logits, classes, measured).axes[0].patches
    assert bar.get_height() == pytest.approx(0.8)
