"""What is explained: a class's log-probability, a class rather than another, or a raw logit; of one head or of all.

The softmax does not notice one number added to all logits. The log-probability and the contrast of two classes do not
change with it either; a raw logit does, although the prediction stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dan_model.errors import ArgumentError
from dan_model.texts import head_name
from dan_model.texts import translate as _
from dan_model.texts import untranslated as N_

LOG_PROBABILITY, CONTRAST, LOGIT = "log-probability", "contrast", "logit"
SCORES = (LOG_PROBABILITY, CONTRAST, LOGIT)
"""The kinds of score. Log-probabilities and contrasts are in nats, raw logits in logits."""


@dataclass(frozen=True)
class Score:
    """One number that the network computes for a face.

    Attributes:
        target: Class index k.
        against: For a contrast, the class index j with which the target is compared; else None.
        head: Only the contribution of this head, its entry in the fusion ledger; None: all of the score.
        kind: One of `SCORES`: the log-probability ℓ_k = z_k - logsumexp(z), the contrast z_k - z_j = ℓ_k - ℓ_j, or the
            raw logit z_k. Left empty: a contrast where `against` is given, else the log-probability.
    """

    target: int
    against: int | None = None
    head: int | None = None
    kind: str = ""

    def __post_init__(self) -> None:
        if not self.kind:
            object.__setattr__(self, "kind", LOG_PROBABILITY if self.against is None else CONTRAST)

    def validate(self, classes: int, heads: int) -> None:
        """Check that a network with these numbers of classes and heads has this score.

        Raises:
            ArgumentError: It does not.
        """
        if self.kind not in SCORES:
            raise ArgumentError(f"There is no score {self.kind!r}.", f"Choose from: {', '.join(SCORES)}.")
        if self.kind == CONTRAST and self.against is None:
            raise ArgumentError("A contrast compares two classes.", "Name the class to compare with: against.")
        if self.kind != CONTRAST and self.against is not None:
            raise ArgumentError(f"A {self.kind} is not compared with a class.", "Choose contrast, or leave it out.")
        for index in (self.target, self.against):
            if index is not None and not 0 <= index < classes:
                raise ArgumentError(f"There is no class {index}.", f"Classes are numbered from 0 to {classes - 1}.")
        if self.against == self.target:
            raise ArgumentError("A class cannot be compared with itself.", "Choose two different classes.")
        if self.head is not None and not 0 <= self.head < heads:
            raise ArgumentError(f"There is no head {self.head + 1}.", f"Heads are numbered from 1 to {heads}.")
        if self.head is not None and heads == 1:
            raise ArgumentError("A network with a single head has no fusion ledger.", "Explain the class itself.")

    def describe(self, labels: Sequence[str]) -> str:
        """The score in words, for example "anger rather than fear"."""
        name = self.describe_classes(labels)
        if self.head is None:
            return name
        return _("the contribution of {head} to {score}").format(head=head_name(self.head), score=name)

    def describe_classes(self, labels: Sequence[str]) -> str:
        """The same without the head."""
        name = labels[self.target]
        if self.against is not None:
            return _("{label} rather than {other}").format(label=name, other=labels[self.against])
        return name if self.kind == LOG_PROBABILITY else _("the raw logit of {label}").format(label=name)

    @property
    def unit(self) -> str:
        """The unit of the score."""
        return N_("logits") if self.kind == LOGIT else N_("nats")

    @property
    def quantity(self) -> str:
        """What `of_classes` gives, in words."""
        return N_("logit") if self.kind == LOGIT else N_("log-probability")

    def of_classes(self, logits: Tensor) -> Tensor:
        """What every class has, (…, K), from the logits (…, K): its log-probability, or its logit for a raw logit."""
        return logits if self.kind == LOGIT else log_probabilities(logits)

    def pick(self, values: Tensor) -> Tensor:
        """The target's value of one for each class, (…, K) -> (…); for a contrast, less that of the other class."""
        chosen = values[..., self.target]
        return chosen if self.against is None else chosen - values[..., self.against]

    def of_logits(self, logits: Tensor) -> Tensor:
        """The score of all heads together, (…), from the logits (…, K)."""
        return self.pick(self.of_classes(logits))

    def slope(self, weight: Tensor, logits: Tensor) -> Tensor:
        """How fast the score changes with the fused channels S, (…, C), where the logits are (…, K).

        Args:
            weight: W' of the folded classifier, (K, C).
            logits: (…, K).
        """
        own = self.pick(weight.T)  # W'_k, or W'_k - W'_j
        return (
            own - logits.softmax(dim=-1) @ weight
            if self.kind == LOG_PROBABILITY
            else own.expand(*logits.shape[:-1], -1)
        )

    def curve_value(self, logits: Tensor) -> Tensor:
        """What deletion and insertion curves show, (…): the target's probability, or that among the two classes."""
        if self.against is not None:
            return torch.sigmoid(self.pick(logits))
        return logits.softmax(dim=-1)[..., self.target]

    @property
    def curve_unit(self) -> str:
        """The unit of the curves. The contribution of a head is no probability: its curves show the score itself."""
        return N_("probability") if self.head is None else self.unit


def log_probabilities(logits: Tensor) -> Tensor:
    """The log-probability of every class, (…, K), in nats, from the logits (…, K).

    As log_softmax, but not rounded to 0 where a class is all but certain: ℓ_k = -ln(1 + Σ_{j≠k} exp(z_j - z_k)).
    """
    itself = torch.eye(logits.shape[-1], dtype=torch.bool, device=logits.device)
    others = logits[..., None, :].masked_fill(itself, -torch.inf).logsumexp(dim=-1)  # of all classes but k, (…, K)
    return -F.softplus(others - logits)
