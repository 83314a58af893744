"""What training minimises: one module, so that every process and every device computes it alike."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dan_model.learn.losses import affinity_loss, partition_loss
from dan_model.learn.recipes import Recipe
from dan_model.network import CHANNELS, DAN, Stages


class Objective(nn.Module):
    """The network with its losses.

    Args:
        model: What is trained.
        recipe: The weights of the terms.
        inside: How far each cell of a map of any size lies inside the face, (S, S) in [0, 1]; needed where the recipe
            weighs attention outside.
    """

    def __init__(self, model: DAN, recipe: Recipe, inside: Tensor | None = None) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        self.register_buffer("inside", inside, persistent=False)  # goes where the network goes
        heads, classes = model.config.num_heads, len(model.config.labels)
        # Processes that train together wait for every parameter's gradient: here are none that would get none.
        self.centres = nn.Parameter(torch.randn(classes, CHANNELS), requires_grad=bool(recipe.affinity))
        self.alone = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(CHANNELS), nn.Linear(CHANNELS, classes))
            for _ in range(heads if recipe.alone else 0)
        )

    def forward(self, x: Tensor, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The loss, and its terms before they are weighted.

        Args:
            x: Normalised faces, (B, 3, S, S).
            targets: (B, K), rows sum to 1.
        """
        return self.judge(self.model.stages(x), targets)

    def judge(self, stages: Stages, targets: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """As `forward`, for stages that are there already."""
        recipe = self.recipe
        smooth = recipe.label_smoothing
        targets = targets * (1 - smooth) + smooth / targets.shape[1]
        spatial, embeddings = stages.spatial.float(), stages.embeddings.float()
        terms = {"cross_entropy": F.cross_entropy(stages.logits.float(), targets)}
        terms["affinity"] = affinity_loss(stages.features.float().mean(dim=(2, 3)), targets, self.centres)
        if embeddings.shape[1] > 1:
            terms["partition"] = partition_loss(embeddings)
            terms["overlap"] = overlap_loss(spatial, recipe.overlap_margin)
            terms["balance"] = balance_loss(embeddings)
            if recipe.needed:
                terms["needed"] = needed_loss(self.model, embeddings, targets, recipe.needed_margin)
        if recipe.outside and isinstance(self.inside, Tensor):
            terms["outside"] = outside_loss(spatial, self.inside)
        if recipe.alone:
            answers = [head(v) for head, v in zip(self.alone, embeddings.unbind(dim=1), strict=True)]
            terms["alone"] = torch.stack([F.cross_entropy(logits, targets) for logits in answers]).mean()
        loss = terms["cross_entropy"]
        for name, term in terms.items():
            weight = getattr(recipe, name, 0.0)
            if weight:
                loss = loss + weight * term
        return loss, {name: term.detach() for name, term in terms.items()}


def overlap_loss(spatial: Tensor, margin: float = 0.0) -> Tensor:
    """Mean over images and pairs of heads of how far the cosine of two maps (B, H, h, w) lies above a margin."""
    unit = F.normalize(spatial.flatten(2), dim=2)  # (B, H, N)
    rows, columns = torch.triu_indices(unit.shape[1], unit.shape[1], offset=1)
    cosine = (unit[:, rows] * unit[:, columns]).sum(dim=2)
    return F.relu(cosine - margin).mean()


def balance_loss(embeddings: Tensor) -> Tensor:
    """KL(uniform ‖ r), r_h the part of all embeddings (B, H, C) of a batch that head h holds; 0 where all hold alike.

    A head that grows faster than the others soon wins every channel, and the shares, saturated, pass no gradient on
    that could end it. The parts r do.
    """
    parts = embeddings.sum(dim=(0, 2)).clamp(min=1e-6)  # (H,)
    return -(parts / parts.sum() * len(parts)).log().mean()


def needed_loss(model: DAN, embeddings: Tensor, targets: Tensor, margin: float) -> Tensor:
    """Mean over heads of how far the cross-entropy without a head falls short of the whole network's plus a margin.

    Muted as in inference: the embedding is zero, and the last BatchNorm keeps its running statistics. The batch's own
    would hide what is missing.

    Args:
        model: Whose fusion and classifier these are.
        embeddings: v, (B, H, C).
        targets: (B, K), rows sum to 1.
        margin: What muting a head should cost, in nats.
    """
    heads = embeddings.shape[1]
    fused = model.fuse(mute_each(embeddings).flatten(0, 1))[1]  # (B · (1 + H), C)
    norm = model.bn
    logits = F.batch_norm(
        model.fc(fused).float(), norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps
    )
    each = F.cross_entropy(logits, targets.repeat_interleave(heads + 1, dim=0), reduction="none")
    whole, without = each.unflatten(0, (-1, heads + 1)).mean(dim=0).split([1, heads])
    return F.relu(whole + margin - without).mean()


def mute_each(embeddings: Tensor) -> Tensor:
    """Of v (B, H, C): all heads, then without each, (B, 1 + H, H, C)."""
    eye = torch.eye(embeddings.shape[1], device=embeddings.device)
    return embeddings[:, None] * torch.cat([torch.ones_like(eye[:1]), 1 - eye])[..., None]


def outside_loss(spatial: Tensor, inside: Tensor) -> Tensor:
    """Mean over images and heads of the part of a map (B, H, h, w) that lies outside the face (S, S)."""
    cover = F.adaptive_avg_pool2d(
        inside[None, None].to(spatial.dtype), (spatial.shape[2], spatial.shape[3])
    )  # (1, 1, h, w)
    total = spatial.sum(dim=(2, 3)).clamp(min=1e-6)
    return 1 - ((spatial * cover).sum(dim=(2, 3)) / total).mean()


def scale_attention(model: DAN, factor: float) -> None:
    """Make the heads' maps `factor` times as strong: where embeddings start small, no head owns a channel yet."""
    with torch.no_grad():
        for head in model.heads:
            for branch in (head.sa.conv_3x3, head.sa.conv_1x3, head.sa.conv_3x1):
                branch.get_submodule("1").get_parameter("weight").mul_(factor)
