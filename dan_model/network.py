"""DAN, the network: image tensor in, logits out, and every stage in between.

*Distract Your Attention: Multi-head Cross Attention Network for Facial Expression Recognition*, Wen, Lin, Wang and Xu,
arXiv:2109.07270. Three parts: the FCN (`features`, section 3.1), the multi-head cross attention network (`cat_head*`,
section 3.2) and the attention fusion network (`fuse`, section 3.3). Parameter names are those of the published
checkpoints. Letters in shape comments: B images, H heads, K classes, C = 512 channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn
from torchvision.models.resnet import BasicBlock, ResNet

from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import ArgumentError

CHANNELS = 512  # C: what ResNet-18's last layer gives
BOTTLENECK = 256  # channels of u, inside spatial attention
SATURATED = 0.95  # share above which one head owns a channel
REDUCTION = 32  # hidden units of the channel attention's MLP


@dataclass(frozen=True, eq=False)
class Stages:
    """Every tensor between the image and the decision, of one pass. At 224×224 input the maps are 7×7.

    Attributes:
        features: x, (B, C, 7, 7), >= 0. What ResNet-18 sees.
        spatial: a_h, (B, H, 7, 7), >= 0, not normalised. Where head h looks.
        pooled: m_h, (B, H, C), >= 0. Mean over the cells of x·a_h.
        gates: g_h, (B, H, C), in (0, 1). Which channels head h lets through.
        embeddings: v_h = m_h·g_h, (B, H, C), >= 0. What head h says.
        shares: p_hc, (B, H, C), sum to 1 over H. Softmax over the heads, per channel.
        fused: S_c, (B, C). Sum over the heads of log p_hc; with a single head, v itself.
        logits: (B, K). BatchNorm(W·S + b).
    """

    features: Tensor
    spatial: Tensor
    pooled: Tensor
    gates: Tensor
    embeddings: Tensor
    shares: Tensor
    fused: Tensor
    logits: Tensor


class Block(BasicBlock):
    """ResNet-18's residual block with two ReLUs of its own.

    torchvision's block uses one in-place ReLU twice. Attribution methods that hook a ReLU (DeepLift, guided
    backpropagation) need each to be used once, and to keep its input.
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
    """ResNet-18 without pooling and classifier: (B, 3, 224, 224) -> (B, C, 7, 7)."""
    layers = list(ResNet(Block, [2, 2, 2, 2]).children())[:-2]
    layers[2] = nn.ReLU()
    return nn.Sequential(*layers)


class SpatialAttention(nn.Module):
    """Where a head looks (section 3.2): three kernel shapes side by side on a narrowed u, summed over channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1x1 = _conv_bn(CHANNELS, BOTTLENECK, (1, 1))
        self.conv_3x3 = _conv_bn(BOTTLENECK, CHANNELS, (3, 3))
        self.conv_1x3 = _conv_bn(BOTTLENECK, CHANNELS, (1, 3))
        self.conv_3x1 = _conv_bn(BOTTLENECK, CHANNELS, (3, 1))
        self.relu = nn.ReLU()

    def map(self, x: Tensor) -> Tensor:
        """The attention map a, (B, 1, 7, 7), >= 0 and not normalised."""
        u = self.conv1x1(x)  # (B, BOTTLENECK, 7, 7)
        return self.relu(self.conv_3x3(u) + self.conv_1x3(u) + self.conv_3x1(u)).sum(dim=1, keepdim=True)

    def forward(self, x: Tensor, spatial: Tensor | None = None) -> Tensor:
        """The attended features x·a, (B, C, 7, 7), as in the published module; `spatial` spares computing a again."""
        return x * (self.map(x) if spatial is None else spatial)


class ChannelAttention(nn.Module):
    """Which channels a head lets through (section 3.2): sigmoid(MLP(m)), (B, C) -> (B, C) in (0, 1)."""

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
    """One head: spatial attention, then channel attention. "Cross" names the order: no queries, keys or values."""

    def __init__(self) -> None:
        super().__init__()
        self.sa = SpatialAttention()
        self.ca = ChannelAttention()
        self.apply(_initialise)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """From x (B, C, 7, 7): a (B, 1, 7, 7), m (B, C), g (B, C) and v (B, C)."""
        spatial = self.sa.map(x)
        pooled = self.sa(x, spatial).mean(dim=(2, 3))
        gates = self.ca(pooled)
        return spatial, pooled, gates, pooled * gates


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
        preprocess: How a face becomes the input; it travels with the weights. None: ImageNet colour statistics.
        provenance: Where the weights come from; free-form JSON values.

    Raises:
        ConfigError: The labels or the number of heads make no network.
    """

    def __init__(
        self,
        labels: Sequence[str],
        num_heads: int = 4,
        preprocess: PreprocessConfig | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.config = ModelConfig(labels, num_heads, preprocess or PreprocessConfig(), provenance or {})
        self._hub_mixin_config = self.config.to_dict()  # what save_pretrained writes as config.json
        self.features = resnet18_features()
        for h in range(num_heads):
            self.add_module(f"cat_head{h}", CrossAttentionHead())
        self.fc = nn.Linear(CHANNELS, len(self.config.labels))
        self.bn = nn.BatchNorm1d(len(self.config.labels))

    @classmethod
    def _from_pretrained(cls, *, strict: bool = True, **kwargs: Any) -> DAN:
        """The mixin's default lets a missing tensor pass in silence; this one does not."""
        return super()._from_pretrained(strict=strict, **kwargs)

    @property
    def heads(self) -> list[CrossAttentionHead]:
        """The H attention heads, in order."""
        return [getattr(self, f"cat_head{h}") for h in range(self.config.num_heads)]

    def fuse(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """The attention fusion network (section 3.3): v (B, H, C) -> shares p (B, H, C) and fused S (B, C)."""
        if embeddings.shape[1] == 1:  # published: a single head skips the log-softmax
            return torch.ones_like(embeddings), embeddings[:, 0]
        log_shares = F.log_softmax(embeddings, dim=1)
        return log_shares.exp(), log_shares.sum(dim=1)

    def classify(self, fused: Tensor) -> Tensor:
        """Logits (B, K) from the fused heads S (B, C); affine in eval mode."""
        return self.bn(self.fc(fused))

    def stages(self, x: Tensor) -> Stages:
        """Run the network once and keep every stage.

        Args:
            x: Normalised faces, (B, 3, 224, 224). Other sizes work and give other map sizes.

        Raises:
            ArgumentError: x is not a batch of three-channel images.
        """
        if x.ndim != 4 or x.shape[1] != 3:
            raise ArgumentError(f"The input has shape {tuple(x.shape)}.", "Give normalised faces as (B, 3, 224, 224).")
        return self.attend(self.features(x))

    def attend(self, features: Tensor) -> Stages:
        """Everything after the backbone: from x (B, C, 7, 7) on."""
        per_head = [head(features) for head in self.heads]
        spatial = torch.cat([head[0] for head in per_head], dim=1)  # (B, H, 7, 7)
        pooled, gates, embeddings = (torch.stack([head[i] for head in per_head], dim=1) for i in (1, 2, 3))  # (B, H, C)
        shares, fused = self.fuse(embeddings)
        return Stages(features, spatial, pooled, gates, embeddings, shares, fused, self.classify(fused))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K) of normalised faces x (B, 3, 224, 224)."""
        return self.stages(x).logits


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Eval mode, and no gradients for the parameters; both are put back afterwards, also after an exception."""
    modes = [(module, module.training) for module in model.modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        model.eval().requires_grad_(False)
        yield
    finally:
        for module, training in modes:
            module.training = training
        for parameter, requires_grad in flags:
            parameter.requires_grad_(requires_grad)


def _conv_bn(inputs: int, outputs: int, kernel: tuple[int, int]) -> nn.Sequential:
    padding = (kernel[0] // 2, kernel[1] // 2)
    return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, padding=padding), nn.BatchNorm2d(outputs))


def _initialise(module: nn.Module) -> None:
    """The published initialisation of a head."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.001)
    if isinstance(module, (nn.Conv2d, nn.Linear)) and module.bias is not None:
        nn.init.zeros_(module.bias)
