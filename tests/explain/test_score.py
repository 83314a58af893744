from __future__ import annotations

import pytest
import torch

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import Classifier
from dan_model.explain.score import Score


def test_scores_are_logits_differences_and_contributions(explainer, stages):
    logits = stages.logits
    torch.testing.assert_close(Score(1, against=3).compute(explainer.model, stages), logits[:, 1] - logits[:, 3])
    torch.testing.assert_close(Score(1).curve_value(explainer.model, stages), logits.softmax(dim=1)[:, 1])
    two = logits[:, [1, 3]].softmax(dim=1)[:, 0]
    torch.testing.assert_close(Score(1, against=3).curve_value(explainer.model, stages), two)
    entries = torch.stack([Score(1, head=h).compute(explainer.model, stages) for h in range(4)])
    assert float(entries.sum()) == pytest.approx(
        float(logits[0, 1]) - float(Classifier.from_model(explainer.model).logits(torch.ones(4, 512))[1]), abs=1e-3
    )


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"against": "happiness", "target": "happiness"}, "compared with itself"),
        ({"against": "joy"}, "no class 'joy'"),
        ({"head": 4}, "no head 5"),
        ({"head": -1}, "no head 0"),
    ],
)
def test_invalid_scores_are_refused_with_the_reason(explainer, astronaut, extra, message):
    with pytest.raises(ArgumentError, match=message):
        explainer.explain(astronaut, **extra)
