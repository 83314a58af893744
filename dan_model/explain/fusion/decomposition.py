"""The fusion of one face taken apart: shares, ledger, consensus and evidence."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dan_model.explain.fusion.classifier import Classifier
from dan_model.explain.fusion.evidence import spread_over_cells
from dan_model.explain.fusion.ledger import consensus_logits, integrate
from dan_model.explain.score import Score
from dan_model.network import DAN, Stages


@dataclass(frozen=True, eq=False)
class Fusion:
    """How the embeddings of the heads became a decision on one face, on the CPU; float64 except for the shares.

    `ledger`, `consensus` and `residual` have a value for every class: of its log-probability in nats, or of its logit
    where the score is a raw logit. `Score.pick` takes the explained score's own from them.

    Attributes:
        score: What is explained.
        classifier: Turns fused heads into logits; interventions on the embeddings need it.
        shares: p_hc, (H, C), sum to 1 over the heads.
        ledger: L_hk, (H, K): the contribution of head h to class k, measured from the consensus.
        consensus: (K,): the classes if all heads were equal; with two heads or more the same for every image.
        evidence: E_h, (H, 7, 7), signed: the contribution of each head to the score, spread over the cells.
        pull: (C,), signed: the contribution of each channel to the score, all heads together.
        unplaced: The part of the contributions, by absolute value and in [0, 1], whose channels are silent in every
            cell that the head sees; it is spread evenly.
        residual: (K,): face - consensus - Σ_h ledger: the error of rounding and quadrature.
    """

    score: Score
    classifier: Classifier
    shares: Tensor
    ledger: Tensor
    consensus: Tensor
    evidence: Tensor
    pull: Tensor
    unplaced: float
    residual: Tensor

    @property
    def contributions(self) -> Tensor:
        """The contribution of each head to the score, (H,); the sum is score - score of the consensus."""
        return self.score.pick(self.ledger)

    @property
    def map(self) -> Tensor:
        """The AFN fusion map, (7, 7): the evidence of all heads, or of the score's own head. Sums to contributions."""
        return self.evidence.sum(dim=0) if self.score.head is None else self.evidence[self.score.head]


def compute_fusion(model: DAN, stages: Stages, score: Score) -> Fusion:
    """Take the fusion of a single face (stages with B = 1) apart.

    Args:
        model: The network, in eval mode.
        stages: Of one face.
        score: What is explained. Of the contribution of one head the evidence of all heads is computed as well.
    """
    features, spatial, embeddings, logits = (
        tensor[0].detach().cpu().double()
        for tensor in (stages.features, stages.spatial, stages.embeddings, stages.logits)
    )
    classifier = Classifier.from_model(model)
    found = integrate(classifier, embeddings, score)
    consensus = score.of_classes(consensus_logits(embeddings, classifier))
    residual = score.of_classes(logits) - consensus - found.ledger.sum(dim=0)
    evidence, unplaced = spread_over_cells(found.terms, features, spatial)
    shares = stages.shares[0].detach().cpu()
    pull = found.terms.sum(dim=0)
    return Fusion(score, classifier, shares, found.ledger, consensus, evidence, pull, unplaced, residual)
