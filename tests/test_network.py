"""The network against an independent straight-line implementation of its formulas."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from dan_model.config import ModelConfig
from dan_model.errors import ArgumentError, ConfigError
from dan_model.network import DAN, frozen, with_classes, with_uniform_prior
from dan_model.weights import load_checkpoint
from tests.fixtures.models import random_dan
from tests.fixtures.straight_line import straight_line

POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")


@pytest.mark.parametrize(("classes", "heads"), [(7, 4), (8, 4), (7, 1), (8, 2)])
@pytest.mark.parametrize("module_prefix", [False, True])
def test_published_files_give_the_logits_of_the_straight_line_formulas(tmp_path, classes, heads, module_prefix):
    source = random_dan(classes, heads, seed=classes * heads)
    state = source.state_dict()
    optimizer = torch.optim.SGD(source.parameters(), lr=0.1, momentum=0.9)
    prefix = "module." if module_prefix else ""
    published = {
        "iter": 3,
        "model_state_dict": {prefix + key: value for key, value in state.items()},
        "optimizer_state_dict": optimizer.state_dict(),
    }
    path = tmp_path / "published.pth"
    torch.save(published, path)

    model = load_checkpoint(path, preset=f"affectnet{classes}").model
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = straight_line(state, x)
        torch.testing.assert_close(model(x), expected, rtol=1e-5, atol=1e-5 * float(expected.abs().max()))
    assert len(model.heads) == heads


def test_forward_is_the_last_of_the_stages_and_stages_have_the_documented_shapes_and_ranges():
    model = random_dan(classes=8, heads=2)
    x = torch.randn(3, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        stages = model.stages(x)
        assert torch.equal(model(x), stages.logits)
    shapes = {name: tuple(getattr(stages, name).shape) for name in stages.__dataclass_fields__}
    assert shapes == {
        "features": (3, 512, 7, 7),
        "spatial": (3, 2, 7, 7),
        "pooled": (3, 2, 512),
        "gates": (3, 2, 512),
        "embeddings": (3, 2, 512),
        "shares": (3, 2, 512),
        "fused": (3, 512),
        "logits": (3, 8),
    }
    assert stages.features.min() >= 0
    assert stages.spatial.min() >= 0
    assert stages.embeddings.min() >= 0
    assert ((stages.gates > 0) & (stages.gates < 1)).all()
    torch.testing.assert_close(stages.shares.sum(dim=1), torch.ones(3, 512))
    torch.testing.assert_close(stages.embeddings, stages.pooled * stages.gates)


def test_where_all_heads_agree_the_fused_channels_are_the_constant_of_the_design():
    model = random_dan(heads=4)
    _, fused = model.fuse(torch.full((1, 4, 512), 3.7))
    torch.testing.assert_close(fused, torch.full((1, 512), -5.545177444))  # -4 ln 4


def test_a_single_head_skips_the_softmax():
    model = random_dan(heads=1)
    embeddings = torch.rand(2, 1, 512)
    shares, fused = model.fuse(embeddings)
    assert torch.equal(fused, embeddings[:, 0])
    assert torch.equal(shares, torch.ones_like(embeddings))


def test_no_relu_is_in_place_and_none_is_used_twice():
    model = random_dan(heads=2)
    calls: dict[nn.Module, int] = {}
    for module in model.modules():
        if isinstance(module, nn.ReLU):
            assert not module.inplace
            module.register_forward_hook(lambda m, *_: calls.update({m: calls.get(m, 0) + 1}))
    with torch.no_grad():
        model(torch.randn(1, 3, 224, 224))
    assert set(calls.values()) == {1}
    assert len(calls) == 1 + 8 * 2 + 2 * 2  # stem, two in each block, two in each head


def test_gradients_reach_every_parameter():
    model = random_dan(heads=2).train()
    model(torch.randn(2, 3, 64, 64)).sum().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


def test_spatial_attention_is_the_published_module():
    """Its output is x·a, so that recipes that hook `cat_head*.sa` work; `map` alone is a."""
    head = random_dan().heads[0]
    x = torch.rand(1, 512, 7, 7)
    with torch.no_grad():
        torch.testing.assert_close(head.sa(x), x * head.sa.map(x))


def test_save_and_load_through_the_hub_mixin_keeps_weights_and_config(tmp_path):
    model = load_checkpoint().model
    model.save_pretrained(tmp_path / "saved")
    loaded = load_checkpoint(tmp_path / "saved").model
    assert loaded.config == model.config
    assert DAN.from_pretrained(tmp_path / "saved").config == model.config
    for key, value in model.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key


def test_the_mixin_refuses_a_missing_tensor(tmp_path):
    from safetensors.torch import load_file, save_file

    random_dan().save_pretrained(tmp_path)
    state = load_file(tmp_path / "model.safetensors")
    del state["cat_head2.sa.conv1x1.0.weight"]
    save_file(state, tmp_path / "model.safetensors")
    with pytest.raises(RuntimeError, match="conv1x1"):
        DAN.from_pretrained(tmp_path)


def test_frozen_puts_modes_and_flags_back_after_an_exception():
    model = random_dan().train()
    model.fc.eval()
    model.fc.weight.requires_grad_(False)

    def flags() -> tuple[list[bool], list[bool]]:
        return [m.training for m in model.modules()], [p.requires_grad for p in model.parameters()]

    def fail_while_frozen() -> None:
        with frozen(model):
            assert not any(any(kind) for kind in flags())
            raise KeyError

    before = flags()
    with pytest.raises(KeyError):
        fail_while_frozen()
    assert flags() == before


@pytest.mark.parametrize("shape", [(3, 224, 224), (1, 1, 224, 224), (1, 3, 224)])
def test_inputs_of_another_shape_are_refused_with_the_shape(shape):
    with pytest.raises(ArgumentError, match=r"\(\d"):
        random_dan()(torch.zeros(shape))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"labels": "happy"}, "labels"),
        ({"labels": ["a", "a"]}, "all different"),
        ({"labels": ["a"]}, "at least two"),
        ({"labels": ["a", "b"], "num_heads": 0}, "num_heads must be >= 1, got 0"),
        ({"labels": ["a", "b"], "preprocess": {"std": [0, 1, 1]}}, "std"),
        ({"labels": ["a", "b"], "preprocess": {"mean": [0.5, float("nan"), 0.5]}}, "mean"),
        ({"labels": ["a", "b"], "preprocess": {"size": 224}}, "unknown entries"),
        ({"labels": ["a", "b"], "preprocess": {"landmark_template": {"nose": [0, 0]}}}, "incomplete"),
        ({"num_heads": 4}, "labels"),
        ({"labels": 5}, "labels"),
        ({"labels": ["a", "b"], "num_heads": 10**9}, "num_heads"),
        ({"labels": ["a", "b"], "preprocess": {"image_size": 2**31}}, "image_size"),
        ({"labels": ["a", "b"], "preprocess": {"mean": [10**400, 0, 0]}}, "mean"),
        ({"labels": ["a", "b"], "preprocess": {"landmark_template": "x"}}, "landmark_template"),
        (
            {"labels": ["a", "b"], "preprocess": {"landmark_template": {key: [0.5, 0.5] for key in POINTS}}},
            "apart from each other",
        ),
        ({"labels": ["a", "b"], "class_prior": [0.5]}, "class_prior must be 2 numbers"),
        ({"labels": ["a", "b"], "class_prior": [1.0, 0.0]}, "class_prior"),
        ({"labels": ["a", "b"], "class_prior": [0.5, 0.6]}, "class_prior"),
        ([], "JSON object"),
    ],
)
def test_bad_configurations_are_refused_by_name(values, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig.from_dict(values)


def test_under_a_uniform_prior_the_logits_lose_the_logarithm_of_the_class_prior():
    model = random_dan(image_size=64)
    with pytest.raises(ArgumentError, match="do not say how often"):
        with_uniform_prior(model)
    prior = [0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05]
    model.config = replace(model.config, class_prior=prior)
    uniform, x = with_uniform_prior(model), torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        expected = model(x) - torch.tensor(prior).log()
        torch.testing.assert_close(uniform(x), expected)
        assert uniform.heads[0] is model.heads[0]  # nothing but the last normalisation is copied
        torch.testing.assert_close(model(x), expected + torch.tensor(prior).log())


def test_restricted_to_some_classes_the_network_keeps_their_logits_and_its_other_parts():
    model, x = random_dan(image_size=64), torch.randn(2, 3, 64, 64)
    model.config = replace(model.config, class_prior=[0.4, 0.2, 0.1, 0.1, 0.1, 0.05, 0.05])
    restricted = with_classes(model, ("class 5", "class 0"))
    with torch.no_grad():
        torch.testing.assert_close(restricted(x), model(x)[:, [5, 0]])
    assert restricted.config.labels == ("class 5", "class 0")
    assert restricted.config.class_prior == pytest.approx((0.05 / 0.45, 0.4 / 0.45))
    assert restricted.features is model.features
    assert len(model.config.labels) == 7
    with pytest.raises(ArgumentError, match="no class 'joy'"):
        with_classes(model, ("class 0", "joy"))
