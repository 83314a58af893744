"""Interventions on the heads: on random embeddings, and on the embedded weights through the network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import (
    Classifier,
    ablate,
    ablate_all_but,
    blend,
    consensus_logits,
    consensus_path,
    copy,
    scale,
    swap,
    transplant,
)
from dan_model.explain.heads import compute_heads
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan, some_classifier, some_embeddings

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@given(some_embeddings(), st.data())
def test_copying_any_head_to_all_others_gives_the_consensus(v, data):
    classifier = some_classifier()
    consensus = consensus_logits(v, classifier)
    head = data.draw(st.integers(0, len(v) - 1))
    torch.testing.assert_close(classifier.logits(copy(v, head)), consensus, **CLOSE)
    torch.testing.assert_close(classifier.logits(blend(v, 0.0)), consensus, **CLOSE)


@given(some_embeddings(), st.data())
def test_swapping_two_heads_or_doing_nothing_changes_nothing(v, data):
    classifier = some_classifier()
    logits = classifier.logits(v)
    one, other = (data.draw(st.integers(0, len(v) - 1)) for _ in range(2))
    torch.testing.assert_close(classifier.logits(swap(v, one, other)), logits, **CLOSE)
    assert torch.equal(swap(swap(v, one, other), one, other), v)
    assert torch.equal(scale(v, one, 1.0), v)
    torch.testing.assert_close(classifier.logits(blend(v, 1.0)), logits, rtol=1e-7, atol=1e-7)


@given(some_embeddings(), st.data())
def test_ablating_all_but_one_head_equals_ablating_the_others_one_by_one(v, data):
    head = data.draw(st.integers(0, len(v) - 1))
    ablated = v
    for other in set(range(len(v))) - {head}:
        ablated = ablate(ablated, other)
    assert torch.equal(ablate_all_but(v, head), ablated)


@given(some_embeddings())
def test_transplanting_the_heads_of_the_same_face_changes_nothing(v):
    classifier = some_classifier()
    torch.testing.assert_close(
        transplant(classifier, v, v), classifier.logits(v).expand(len(v) + 1, -1), rtol=1e-12, atol=1e-12
    )


def test_a_transplant_takes_one_head_at_a_time_from_the_other_face():
    classifier, v, kept = some_classifier(), torch.rand(3, 40), torch.rand(3, 40)
    logits = transplant(classifier, v, kept)
    second = torch.stack([v[0], kept[1], v[2]])
    torch.testing.assert_close(logits[2], classifier.logits(second))
    with pytest.raises(ArgumentError, match="same weights"):
        transplant(classifier, v, torch.rand(2, 40))


def test_two_heads_by_hand():
    """One channel, W' = 1, b' = 0, v = (3, 1): S = -ln(1 + e⁻²) - 2 - ln(1 + e⁻²) and so on for the others."""
    classifier = Classifier(torch.ones(1, 1).double(), torch.zeros(1).double())
    v = torch.tensor([[3.0], [1.0]])

    def s(difference: float) -> torch.Tensor:
        t = torch.tensor(difference, dtype=torch.float64)
        return (-t.abs() - 2 * torch.log1p(torch.exp(-t.abs()))).reshape(1)

    for changed, difference in (
        (v, 2.0), (ablate(v, 0), 1.0), (ablate(v, 1), 3.0), (ablate_all_but(v, 0), 3.0), (scale(v, 1, 2.0), 1.0),
        (copy(v, 0), 0.0), (blend(v, 0.5), 1.0), (blend(v, 2.0), 4.0),
    ):  # fmt: skip
        torch.testing.assert_close(classifier.logits(changed), s(difference))


@given(some_embeddings())
def test_the_path_runs_from_the_consensus_through_the_face(v):
    classifier = some_classifier()
    path = consensus_path(classifier, v)
    assert path.alphas[0] == 0
    assert path.alphas[-1] == 2
    here = int((path.alphas == 1).nonzero())
    torch.testing.assert_close(path.logits[0], consensus_logits(v, classifier), **CLOSE)
    torch.testing.assert_close(path.logits[here], classifier.logits(v), rtol=1e-7, atol=1e-7)
    torch.testing.assert_close(path.probabilities.sum(dim=1), torch.ones(len(path.alphas), dtype=torch.float64))
    quarter = int((path.alphas == 0.5).nonzero())
    torch.testing.assert_close(path.logits[quarter], classifier.logits(blend(v, 0.5)), **CLOSE)


def test_unknown_heads_are_refused():
    v = torch.rand(4, 40)
    for change in (ablate, ablate_all_but, copy):
        for head in (-1, 4):
            with pytest.raises(ArgumentError, match=f"no head {head}"):
                change(v, head)
    with pytest.raises(ArgumentError, match="no head 7"):
        swap(v, 0, 7)


def test_ablating_cached_embeddings_equals_a_map_of_zeros_in_the_network(explainer, stages):
    classifier = Classifier.from_model(explainer.model)
    for h in range(4):
        module = explainer.model.heads[h].sa
        hook = module.register_forward_hook(lambda _module, _inputs, output: torch.zeros_like(output))
        try:
            with torch.no_grad():
                expected = explainer.model.attend(stages.features).logits[0]
        finally:
            hook.remove()
        ablated = classifier.logits(ablate(stages.embeddings[0], h)).float()
        torch.testing.assert_close(ablated, expected, rtol=1e-4, atol=1e-3)
        assert float((expected - stages.logits[0]).abs().max()) > 0.01  # ablation has an effect


def test_two_faces_share_the_consensus_and_have_different_logits(explainer, astronaut):
    one = explainer.explain(astronaut)
    other = explainer.explain(EXAMPLES / "hopper.jpg")
    paths = [consensus_path(e.fusion.classifier, e.heads.embeddings) for e in (one, other)]
    torch.testing.assert_close(paths[0].logits[0], paths[1].logits[0], rtol=1e-12, atol=1e-12)
    for path, e in zip(paths, (one, other), strict=True):
        torch.testing.assert_close(path.logits[50].float(), e.prediction.logits, rtol=1e-4, atol=1e-3)


def test_interventions_never_run_the_network(explainer, astronaut):
    e = explainer.explain(astronaut)
    calls = []
    hooks = [m.register_forward_hook(lambda *_: calls.append(1)) for m in (explainer.model, *explainer.model.features)]
    try:
        v, classifier = e.heads.embeddings, e.fusion.classifier
        for change in (
            lambda v: ablate(v, 1),
            lambda v: ablate_all_but(v, 2),
            lambda v: copy(v, 0),
            lambda v: swap(v, 1, 3),
        ):
            classifier.logits(change(v))
        consensus_path(classifier, v)
        transplant(classifier, v, v)
    finally:
        for hook in hooks:
            hook.remove()
    assert calls == []


@pytest.mark.parametrize("heads", [1, 2])
def test_ablation_equals_the_network_with_one_or_two_heads(heads):
    model = random_dan(heads=heads)
    with torch.no_grad():
        stages = model.stages(torch.randn(1, 3, 224, 224))
        logits = model.classify(model.fuse(stages.embeddings * torch.tensor([0.0] + [1.0] * (heads - 1))[:, None])[1])
    v, classifier = compute_heads(stages).embeddings, Classifier.from_model(model)
    torch.testing.assert_close(classifier.logits(ablate(v, 0)).float(), logits[0], rtol=1e-4, atol=1e-4)
