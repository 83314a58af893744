"""What must hold whatever the heads say: on random embeddings, and on the embedded weights through the network."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dan_model.errors import ArgumentError
from dan_model.explain.fusion import Classifier, consensus_logits
from dan_model.explain.heads import read_heads
from dan_model.explain.interventions import blend, consensus_path, copy, mute, scale, solo, swap, transplant
from tests.conftest import EXAMPLES, random_dan, some_classifier, some_embeddings

CLOSE = {"rtol": 1e-9, "atol": 1e-9}


@given(some_embeddings(), st.data())
def test_full_agreement_gives_the_consensus_whichever_head_is_copied(v, data):
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
def test_solo_is_muting_all_others_one_by_one(v, data):
    head = data.draw(st.integers(0, len(v) - 1))
    muted = v
    for other in set(range(len(v))) - {head}:
        muted = mute(muted, other)
    assert torch.equal(solo(v, head), muted)


@given(some_embeddings())
def test_transplanting_a_faces_own_heads_changes_nothing(v):
    classifier = some_classifier()
    torch.testing.assert_close(
        transplant(classifier, v, v), classifier.logits(v).expand(len(v) + 1, -1), rtol=1e-12, atol=1e-12
    )


def test_a_transplant_takes_one_head_at_a_time_from_the_donor():
    classifier, v, donor = some_classifier(), torch.rand(3, 40), torch.rand(3, 40)
    logits = transplant(classifier, v, donor)
    second = torch.stack([v[0], donor[1], v[2]])
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
        (v, 2.0), (mute(v, 0), 1.0), (mute(v, 1), 3.0), (solo(v, 0), 3.0), (scale(v, 1, 2.0), 1.0), (copy(v, 0), 0.0),
        (blend(v, 0.5), 1.0), (blend(v, 2.0), 4.0),
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


def test_heads_that_are_not_there_are_refused():
    v = torch.rand(4, 40)
    for change in (mute, solo, copy):
        for head in (-1, 4):
            with pytest.raises(ArgumentError, match=f"no head {head}"):
                change(v, head)
    with pytest.raises(ArgumentError, match="no head 7"):
        swap(v, 0, 7)


def test_muting_cached_embeddings_equals_a_map_of_zeros_in_the_network(explainer, stages):
    classifier = Classifier.of(explainer.model)
    for h in range(4):
        module = explainer.model.heads[h].sa
        hook = module.register_forward_hook(lambda _module, _inputs, output: torch.zeros_like(output))
        try:
            with torch.no_grad():
                expected = explainer.model.attend(stages.features).logits[0]
        finally:
            hook.remove()
        muted = classifier.logits(mute(stages.embeddings[0], h)).float()
        torch.testing.assert_close(muted, expected, rtol=1e-4, atol=1e-3)
        assert float((expected - stages.logits[0]).abs().max()) > 0.01  # muting does something


def test_two_faces_have_one_consensus_and_each_its_own_answer(explainer, astronaut):
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
        for change in (lambda v: mute(v, 1), lambda v: solo(v, 2), lambda v: copy(v, 0), lambda v: swap(v, 1, 3)):
            classifier.logits(change(v))
        consensus_path(classifier, v)
        transplant(classifier, v, v)
    finally:
        for hook in hooks:
            hook.remove()
    assert calls == []


@pytest.mark.parametrize("heads", [1, 2])
def test_few_heads(heads):
    model = random_dan(heads=heads)
    with torch.no_grad():
        stages = model.stages(torch.randn(1, 3, 224, 224))
        logits = model.classify(model.fuse(stages.embeddings * torch.tensor([0.0] + [1.0] * (heads - 1))[:, None])[1])
    v, classifier = read_heads(stages).embeddings, Classifier.of(model)
    torch.testing.assert_close(classifier.logits(mute(v, 0)).float(), logits[0], rtol=1e-4, atol=1e-4)
