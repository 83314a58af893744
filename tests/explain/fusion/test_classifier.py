from __future__ import annotations

import torch

from dan_model.explain.fusion import Classifier
from tests.fixtures.models import random_dan


def test_the_folded_classifier_equals_that_of_the_network():
    model = random_dan(classes=8)
    fused = torch.randn(5, 512)
    with torch.no_grad():
        torch.testing.assert_close(
            Classifier.from_model(model).from_fused(fused).float(), model.classify(fused), rtol=1e-4, atol=1e-4
        )
