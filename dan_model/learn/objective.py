"""The training objective: cross-entropy, the paper's losses, and further terms that a recipe may add."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dan_model.errors import ArgumentError
from dan_model.learn.moves import follows, move
from dan_model.learn.recipes import Recipe
from dan_model.losses import affinity_loss, partition_loss
from dan_model.network import CHANNELS, DAN, Stages


class Objective(nn.Module):
    """The network together with its losses, as one module: Accelerate wraps it for training in many processes.

    Args:
        model: The network.
        recipe: The weights of the terms.
        inside: The mask of the face in aligned crops, (S, S) in [0, 1], see `face_inside`; needed if the recipe has a
            weight for `outside`.

    Raises:
        ArgumentError: The recipe has a weight for `outside`, and there is no mask.
    """

    def __init__(self, model: DAN, recipe: Recipe, inside: Tensor | None = None) -> None:
        super().__init__()
        self.model = model
        self.recipe = recipe
        if recipe.outside and inside is None:
            raise ArgumentError("Without a landmark template nobody knows what is inside the face.", "Set outside=0.")
        self.register_buffer("inside", inside, persistent=False)  # moves to the network's device
        heads, classes = model.config.num_heads, len(model.config.labels)
        # Distributed training waits for the gradient of every parameter, so parameters that get none must not exist.
        self.centres = nn.Parameter(torch.randn(classes, CHANNELS), requires_grad=bool(recipe.affinity))
        self.alone = nn.ModuleList(
            nn.Sequential(nn.BatchNorm1d(CHANNELS), nn.Linear(CHANNELS, classes))
            for _ in range(heads if recipe.alone else 0)
        )

    def forward(self, x: Tensor, targets: Tensor, theta: Tensor | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """Run the network and compute the loss.

        Args:
            x: Normalised faces, (B, 3, S, S). Where the recipe has a weight for `follow`, its second half shows the
                faces of the first half, in the same order, before they were moved.
            targets: The part of each class in each image, (B, K), rows sum to 1.
            theta: How the faces were moved, (B, 2, 3), see `moves`. None: they were not moved.

        Returns:
            The loss, a scalar, and its terms by name before weighting, without gradients.
        """
        return self.from_stages(self.model.stages(x), targets, theta)

    def from_stages(
        self, stages: Stages, targets: Tensor, theta: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the loss from stages that the network has already computed; otherwise as `forward`."""
        recipe = self.recipe
        smooth = recipe.label_smoothing
        targets = targets * (1 - smooth) + smooth / targets.shape[1]
        spatial, embeddings = stages.spatial.float(), stages.embeddings.float()
        # The losses of the paper (section 3), and what compares the heads.
        terms = {"cross_entropy": F.cross_entropy(stages.logits.float(), targets)}
        terms["affinity"] = affinity_loss(stages.features.float().mean(dim=(2, 3)), targets, self.centres)
        if embeddings.shape[1] > 1:
            terms["partition"] = partition_loss(embeddings)
            terms["overlap"] = overlap_loss(spatial, recipe.overlap_margin)
            terms["balance"] = balance_loss(embeddings)
            if recipe.needed:
                terms["needed"] = needed_loss(self.model, embeddings, targets, recipe.needed_margin, recipe.needed_most)
            if recipe.fewer:
                terms["fewer"] = fewer_loss(self.model, embeddings, targets)
        # The terms that concern each head separately.
        if recipe.outside:
            assert isinstance(self.inside, Tensor)
            terms["outside"] = outside_loss(spatial, self.inside, theta)
        if recipe.alone:
            per_head = [classifier(v) for classifier, v in zip(self.alone, embeddings.unbind(dim=1), strict=True)]
            terms["alone"] = torch.stack([F.cross_entropy(logits, targets) for logits in per_head]).mean()
        # The terms that ask the maps to react to the face.
        if recipe.follow and theta is not None:
            (moved, still), how = spatial.chunk(2), theta.chunk(2)[0]
            terms["follow"] = (1 - follows(moved, still, how)).mean()
        if recipe.alike:
            halves = spatial.chunk(2) if recipe.follow else (spatial,)
            terms["alike"] = torch.stack([alike_loss(half, recipe.alike_margin) for half in halves]).mean()
        # Cross-entropy plus the weighted terms.
        loss = terms["cross_entropy"]
        for name, term in terms.items():
            weight = getattr(recipe, name, 0.0)
            if weight:
                loss = loss + weight * term
        return loss, {name: term.detach() for name, term in terms.items()}


def overlap_loss(spatial: Tensor, margin: float = 0.0) -> Tensor:
    """How far the cosine of two heads' maps (B, H, h, w) is above a margin, mean over images and pairs of heads."""
    unit = F.normalize(spatial.flatten(2), dim=2)  # (B, H, N)
    rows, columns = torch.triu_indices(unit.shape[1], unit.shape[1], offset=1)
    cosine = (unit[:, rows] * unit[:, columns]).sum(dim=2)
    return F.relu(cosine - margin).mean()


def balance_loss(embeddings: Tensor) -> Tensor:
    """KL(uniform ‖ r), where r_h is head h's part of the sum of all embeddings (B, H, C); 0 if all parts are equal.

    A head whose embeddings grow faster than the others' soon wins every channel. The shares are then saturated and pass
    no gradient that would reverse this. The parts r still do.
    """
    parts = embeddings.sum(dim=(0, 2)).clamp(min=1e-6)  # (H,)
    return -(parts / parts.sum() * len(parts)).log().mean()


def needed_loss(model: DAN, embeddings: Tensor, targets: Tensor, margin: float, most: float = 0.0) -> Tensor:
    """How far ablating a head raises the cross-entropy by less than a margin or more than a limit, mean over the heads.

    Without the limit, one head takes over the decision, and the others are not needed.

    Heads are ablated as in inference: the embedding is zero, and the last BatchNorm uses its running statistics. The
    statistics of the batch would compensate for the missing head.

    Args:
        model: The network; its fusion and classifier are used.
        embeddings: v, (B, H, C).
        targets: The part of each class in each image, (B, K), rows sum to 1.
        margin: The rise of the cross-entropy that ablating a head should cause at least, in nats.
        most: The rise that it should cause at most; 0: no limit.
    """
    heads = embeddings.shape[1]
    logits = _as_in_inference(model, ablate_each(embeddings).flatten(0, 1))  # (B · (1 + H), K)
    each = F.cross_entropy(logits, targets.repeat_interleave(heads + 1, dim=0), reduction="none")
    whole, without = each.unflatten(0, (-1, heads + 1)).mean(dim=0).split([1, heads])
    rise = without - whole
    return (F.relu(margin - rise) + (F.relu(rise - most) if most else 0)).mean()


def fewer_loss(model: DAN, embeddings: Tensor, targets: Tensor) -> Tensor:
    """The cross-entropy with some heads ablated, as in inference, so that no head leaves the decision to another.

    The images of a batch, whose order is random, take turns: each set of heads that is neither empty nor all of them.

    Args:
        model: The network; its fusion and classifier are used.
        embeddings: v, (B, H, C), of two heads or more.
        targets: The part of each class in each image, (B, K), rows sum to 1.
    """
    count, heads = embeddings.shape[:2]
    part = 1 + torch.arange(count, device=embeddings.device) % (
        2**heads - 2
    )  # its binary digits are the heads that stay
    staying = part[:, None] >> torch.arange(heads, device=embeddings.device) & 1  # (B, H)
    return F.cross_entropy(_as_in_inference(model, embeddings * staying[..., None]), targets)


def _as_in_inference(model: DAN, embeddings: Tensor) -> Tensor:
    """The logits (B, K) of embeddings v (B, H, C), where the last BatchNorm uses its running statistics."""
    norm = model.bn
    logits = model.fc(model.fuse(embeddings)[1]).float()
    return F.batch_norm(logits, norm.running_mean, norm.running_var, norm.weight, norm.bias, eps=norm.eps)


def ablate_each(embeddings: Tensor) -> Tensor:
    """The embeddings v (B, H, C) with no head ablated, then with each ablated in turn: (B, 1 + H, H, C)."""
    eye = torch.eye(embeddings.shape[1], device=embeddings.device)
    return embeddings[:, None] * torch.cat([torch.ones_like(eye[:1]), 1 - eye])[..., None]


def outside_loss(spatial: Tensor, inside: Tensor, theta: Tensor | None = None) -> Tensor:
    """The part of a map (B, H, h, w) outside the face's mask (S, S), mean over images and heads.

    With the moves theta (B, 2, 3) of the faces, the mask moves along: a map that stays in place then loses.
    """
    mask = inside[None, None].to(spatial.dtype)
    if theta is not None:
        mask = move(mask.expand(len(theta), -1, -1, -1), theta, inside.shape[-1], edge=False)
    cover = F.adaptive_avg_pool2d(mask, (spatial.shape[2], spatial.shape[3]))  # (1 or B, 1, h, w)
    total = spatial.sum(dim=(2, 3)).clamp(min=1e-6)
    return 1 - ((spatial * cover).sum(dim=(2, 3)) / total).mean()


def alike_loss(spatial: Tensor, margin: float) -> Tensor:
    """How far the energy of a head's maps (B, H, h, w) that their mean explains is above a margin, mean over heads."""
    energy = F.normalize(spatial.flatten(2), dim=2).mean(dim=0).square().sum(dim=1)  # (H,)
    return F.relu(energy - margin).mean()


def scale_attention(model: DAN, factor: float) -> None:
    """Multiply the attention maps by a factor, through the last normalisations of the spatial attention.

    With small maps the embeddings start small, and training begins with almost equal shares instead of saturated ones.
    """
    with torch.no_grad():
        for head in model.heads:
            for branch in (head.sa.conv_3x3, head.sa.conv_1x3, head.sa.conv_3x1):
                branch.get_submodule("1").get_parameter("weight").mul_(factor)
