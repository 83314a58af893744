"""DAN, the network: image tensor in, logits out, with every stage in between.

*Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition*, Wen, Lin, Wang and Xu,
arXiv:2109.07270. The network has the three parts of the paper's section 3:

    3.1  feature clustering network (FCN)            DAN.features                    image -> x
    3.2  multi-head cross attention network (MAN)    DAN.cat_head0, cat_head1 ...    x -> a_h, m_h, g_h, v_h
    3.3  attention fusion network (AFN)              DAN.fuse, DAN.classify          v -> p, S -> logits

`DAN.stages` returns all of these tensors, `DAN.forward` the logits alone. The losses that belong to the three parts are
in `losses`. Parameter names are those of the published checkpoints. Letters in shape comments: B images, H heads,
K classes, C = 512 channels.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import ArgumentError

CHANNELS = 512  # C: the output channels of ResNet-18's last layer
BOTTLENECK = 256  # channels of u, inside the spatial attention
REDUCTION = 32  # hidden units of the channel attention's MLP
TRAINING_PRIOR, UNIFORM_PRIOR = PRIORS = ("training", "uniform")  # how likely the classes are before a face is seen
SATURATED = 0.95  # a channel is saturated when one head has more than this share of it


@dataclass(frozen=True, eq=False)
class Stages:
    """Every tensor between the image and the logits, from one forward pass. With 224×224 inputs the maps are 7×7.

    Attributes:
        features: x, (B, C, 7, 7), >= 0. The output of the backbone, ResNet-18.
        spatial: a_h, (B, H, 7, 7), >= 0, not normalised. Spatial attention: the cells that head h attends to.
        pooled: m_h, (B, H, C), >= 0. The mean of x·a_h over the cells.
        gates: g_h, (B, H, C), in (0, 1). Channel attention: the weight of each channel in head h.
        embeddings: v_h = m_h·g_h, (B, H, C), >= 0. The output of head h.
        shares: p_hc, (B, H, C), sum to 1 over H. Softmax of the embeddings over the heads, channel by channel.
        fused: S_c, (B, C). The sum of log p_hc over the heads; with a single head, v itself.
        logits: z, (B, K). BatchNorm(W·S + b).
    """

    features: Tensor
    spatial: Tensor
    pooled: Tensor
    gates: Tensor
    embeddings: Tensor
    shares: Tensor
    fused: Tensor
    logits: Tensor


# Feature clustering network (section 3.1)


class Block(BasicBlock):
    """ResNet-18's residual block with two separate ReLUs.

    torchvision's block uses one in-place ReLU twice. Attribution methods that hook a ReLU (DeepLift, guided
    backpropagation) need each ReLU to be called once per pass, and its input to be left as it is.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.relu = nn.ReLU()
        self.relu2 = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu2(self.bn2(self.conv2(y)) + identity)


def resnet18_features() -> nn.Sequential:
    """ResNet-18 without its pooling and its classifier: (B, 3, 224, 224) -> x (B, C, 7, 7)."""
    layers = list(ResNet(Block, [2, 2, 2, 2]).children())[:-2]
    layers[2] = nn.ReLU()  # in place of the stem's in-place ReLU
    return nn.Sequential(*layers)


# Multi-head cross attention network (section 3.2)


class SpatialAttention(nn.Module):
    """Which cells a head attends to (section 3.2).

    A 1×1 convolution reduces x to u, which has fewer channels. Three convolutions with kernels of different shapes are
    applied to u in parallel: a = Σ_channels ReLU(conv3×3(u) + conv1×3(u) + conv3×1(u)).
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1x1 = _conv_bn(CHANNELS, BOTTLENECK, (1, 1))
        self.conv_3x3 = _conv_bn(BOTTLENECK, CHANNELS, (3, 3))
        self.conv_1x3 = _conv_bn(BOTTLENECK, CHANNELS, (1, 3))
        self.conv_3x1 = _conv_bn(BOTTLENECK, CHANNELS, (3, 1))
        self.relu = nn.ReLU()

    def map(self, x: Tensor) -> Tensor:
        """The attention map a of the features x (B, C, 7, 7): (B, 1, 7, 7), >= 0, not normalised."""
        u = self.conv1x1(x)  # (B, BOTTLENECK, 7, 7)
        return self.relu(self.conv_3x3(u) + self.conv_1x3(u) + self.conv_3x1(u)).sum(dim=1, keepdim=True)

    def forward(self, x: Tensor, spatial: Tensor | None = None) -> Tensor:
        """The attended features x·a, (B, C, 7, 7), as in the published module.

        Args:
            x: Features, (B, C, 7, 7).
            spatial: The map a if it is computed already, (B, 1, 7, 7). None: compute it.
        """
        return x * (self.map(x) if spatial is None else spatial)


class ChannelAttention(nn.Module):
    """How much of each channel a head passes on (section 3.2): g = sigmoid(MLP(m)), (B, C) -> (B, C) in (0, 1)."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.Sequential(
            nn.Linear(CHANNELS, REDUCTION),
            nn.BatchNorm1d(REDUCTION),
            nn.ReLU(),
            nn.Linear(REDUCTION, CHANNELS),
            nn.Sigmoid(),
        )

    def forward(self, pooled: Tensor) -> Tensor:
        return self.attention(pooled)


class CrossAttentionHead(nn.Module):
    """One attention head (section 3.2): spatial attention, then channel attention.

    "Cross" means that the two kinds of attention are combined. There are no queries, keys or values.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sa = SpatialAttention()
        self.ca = ChannelAttention()
        self.apply(_initialise)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From the features x (B, C, 7, 7) to a (B, 1, 7, 7), m (B, C), g (B, C) and v (B, C)."""
        spatial = self.sa.map(x)  # a, (B, 1, 7, 7)
        pooled = self.sa(x, spatial).mean(dim=(2, 3))  # m, (B, C)
        gates = self.ca(pooled)  # g, (B, C)
        return spatial, pooled, gates, pooled * gates  # the last is v


# The whole network


class DAN(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="dan-explorer",
    license="mit",
    pipeline_tag="image-classification",
    tags=["facial-expression-recognition", "attention", "explainability"],
    paper_url="https://arxiv.org/abs/2109.07270",
):
    """The Distract Your Attention network.

    Args:
        labels: The K class names in index order.
        num_heads: The number of attention heads H, >= 1.
        preprocess: How a face becomes the input; saved with the weights. None: ImageNet colour statistics.
        provenance: Where the weights come from; free-form JSON values.
        class_prior: The part of each class in the training set, (K,), or None; see `with_uniform_prior`.

    Raises:
        ConfigError: The labels or the number of heads are not valid.
    """

    def __init__(
        self,
        labels: Sequence[str],
        num_heads: int = 4,
        preprocess: PreprocessConfig | None = None,
        provenance: Mapping[str, Any] | None = None,
        class_prior: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        self.config = ModelConfig(labels, num_heads, preprocess or PreprocessConfig(), provenance or {}, class_prior)
        self._hub_mixin_config = self.config.to_dict()  # save_pretrained writes it to config.json
        self.features = resnet18_features()
        for h in range(num_heads):
            self.add_module(f"cat_head{h}", CrossAttentionHead())
        self.fc = nn.Linear(CHANNELS, len(self.config.labels))
        self.bn = nn.BatchNorm1d(len(self.config.labels))

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **kwargs: Any) -> DAN:
        """Load strictly by default: the mixin's own default ignores missing tensors."""
        return super()._from_pretrained(strict=strict, **kwargs)

    @property
    def heads(self) -> list[CrossAttentionHead]:
        """The H attention heads, in order."""
        return [getattr(self, f"cat_head{h}") for h in range(self.config.num_heads)]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of normalised faces x (B, 3, 224, 224)."""
        return self.stages(x).logits

    def stages(self, x: Tensor) -> Stages:
        """Run the network once and return every stage.

        Args:
            x: Normalised faces, (B, 3, 224, 224). Other sizes work too and give maps of other sizes.

        Raises:
            ArgumentError: x is not a batch of images with three channels.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise ArgumentError(f"The input has shape {tuple(x.shape)}.", "Give normalised faces as (B, 3, 224, 224).")
        return self.attend(self.features(x))

    def attend(self, features: Tensor) -> Stages:
        """Run everything after the backbone: from the features x (B, C, 7, 7) to all stages."""
        # All heads work on the same features, independently of each other (section 3.2).
        per_head = [head(features) for head in self.heads]
        spatial = torch.cat([head[0] for head in per_head], dim=1)  # (B, H, 7, 7)
        pooled, gates, embeddings = (torch.stack([head[i] for head in per_head], dim=1) for i in (1, 2, 3))  # (B, H, C)
        # The fusion compares the heads channel by channel (section 3.3).
        shares, fused = self.fuse(embeddings)  # (B, H, C), (B, C)
        logits = self.classify(fused)  # (B, K)
        return Stages(features, spatial, pooled, gates, embeddings, shares, fused, logits)

    def fuse(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """The attention fusion network (section 3.3): v (B, H, C) -> shares p (B, H, C) and fused S (B, C)."""
        if embeddings.shape[1] == 1:  # as in the published code: with a single head there is no log-softmax
            return torch.ones_like(embeddings), embeddings[:, 0]
        log_shares = F.log_softmax(embeddings, dim=1)  # over the heads, (B, H, C)
        return log_shares.exp(), log_shares.sum(dim=1)

    def classify(self, fused: Tensor) -> Tensor:
        """Logits (B, K) of the fused channels S (B, C); affine in S in eval mode."""
        return self.bn(self.fc(fused))


def with_uniform_prior(model: DAN) -> DAN:
    """The network as it would decide if every class were equally likely: its logits, less ln(class_prior).

    It shares all parts with `model` except for the last normalisation.

    Raises:
        ArgumentError: The class prior is not known.
    """
    prior = model.config.class_prior
    if prior is None:
        raise ArgumentError(
            "These weights do not say how often each class was in their training set.",
            "Take the prior of the training set, or add class_prior to config.json.",
        )
    uniform = _sharing_parts(model)
    uniform.bn = copy.deepcopy(model.bn)
    with torch.no_grad():
        uniform.bn.bias.sub_(torch.tensor(prior).log().to(uniform.bn.bias))
    return uniform


def with_classes(model: DAN, labels: Sequence[str]) -> DAN:
    """The network with its answer restricted to some of its classes, in the order of `labels`.

    It shares all parts with `model` except for the classifier, and chooses among these classes alone.

    Raises:
        ArgumentError: The network does not have one of these classes.
    """
    config = model.config
    unknown = [label for label in labels if label not in config.labels]
    if unknown:
        raise ArgumentError(f"The network has no class {unknown[0]!r}.", f"It has: {', '.join(config.labels)}.")
    rows = [list(config.labels).index(label) for label in labels]
    prior = config.class_prior
    if prior is not None:
        total = sum(prior[row] for row in rows)
        prior = tuple(prior[row] / total for row in rows)
    restricted = _sharing_parts(model)
    restricted.config = replace(config, labels=tuple(labels), class_prior=prior)
    for name, new in (("fc", nn.Linear(CHANNELS, len(rows))), ("bn", nn.BatchNorm1d(len(rows)))):
        old = model._modules[name]
        assert old is not None
        new.load_state_dict({key: value[rows] if value.ndim else value for key, value in old.state_dict().items()})
        restricted._modules[name] = new.to(model.fc.weight).train(old.training)
    return restricted


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Run a block with the model in eval mode and without gradients for its parameters.

    The mode of each module and the flag of each parameter are restored afterwards, also after an exception.
    """
    training = [module for module in model.modules() if module.training]
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    try:
        for module in training:
            module.training = False
        for parameter in learning:
            parameter.requires_grad_(False)
        yield
    finally:
        for module in training:
            module.training = True
        for parameter in learning:
            parameter.requires_grad_(True)


def _sharing_parts(model: DAN) -> DAN:
    """A network with the same parts, any of which can be replaced without changing `model`."""
    other = copy.copy(model)
    other._modules = dict(model._modules)
    return other


def _conv_bn(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    """A convolution that keeps height and width, then batch normalisation."""
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs))


def _initialise(module: nn.Module) -> None:
    """Initialise a layer of a head as the published code does."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
    if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
        nn.init.zeros_(module.bias)
