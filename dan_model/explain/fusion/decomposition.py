"""The fusion of one face taken apart: shares, ledger, consensus and evidence."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from dan_model.explain.fusion.classifier import Classifier
from dan_model.explain.fusion.evidence import spread_over_cells
from dan_model.explain.fusion.ledger import consensus_logits, fusion_shifts
from dan_model.network import DAN, Stages


@dataclass(frozen=True, eq=False)
class Fusion:
    """How the embeddings of the heads became logits on one face, on the CPU; float64 except for the shares.

    Attributes:
        classifier: Turns fused heads into logits; interventions on the embeddings need it.
        shares: p_hc, (H, C), sum to 1 over the heads.
        ledger: L_hk, (H, K), in logits: the contribution of head h to class k, measured from the consensus.
        consensus: (K,): the logits if all heads were equal; with two heads or more the same for every image.
        evidence: E_h, (H, 7, 7), in logits, signed: the contribution of each head to `target` (less that to
            `against`), spread over the cells.
        unplaced: The part of that contribution, by absolute value and in [0, 1], whose channels are silent in every
            cell that the head sees; it is spread evenly.
        residual: (K,): logits - consensus - Σ_h ledger: the error of rounding and quadrature.
        target: The class index that `evidence` is for.
        against: The class index whose evidence is subtracted, for "`target` rather than `against`"; or None.
    """

    classifier: Classifier
    shares: Tensor
    ledger: Tensor
    consensus: Tensor
    evidence: Tensor
    unplaced: float
    residual: Tensor
    target: int
    against: int | None = None

    @property
    def map(self) -> Tensor:
        """The AFN fusion map, (7, 7), in logits: the sum of the heads' evidence. Sums to logit - consensus."""
        return self.evidence.sum(dim=0)


def compute_fusion(model: DAN, stages: Stages, target: int, against: int | None = None) -> Fusion:
    """Take the fusion of a single face (stages with B = 1) apart, for one class or for one class rather than another.

    Args:
        model: The network, in eval mode.
        stages: Of one face.
        target: Class index.
        against: Another class index, or None.
    """
    features, spatial, embeddings, logits = (
        tensor[0].detach().cpu().double()
        for tensor in (stages.features, stages.spatial, stages.embeddings, stages.logits)
    )
    # The ledger: shifts of the fused channels, weighted by the classifier.
    classifier = Classifier.from_model(model)
    shifts = fusion_shifts(embeddings)  # (H, C)
    ledger = shifts @ classifier.weight.T  # (H, K)
    consensus = consensus_logits(embeddings, classifier)
    residual = logits - consensus - ledger.sum(dim=0)
    # The evidence: the same terms for the explained class, spread over the cells.
    weights = classifier.weight[target] if against is None else classifier.weight[target] - classifier.weight[against]
    evidence, unplaced = spread_over_cells(shifts * weights, features, spatial)
    shares = stages.shares[0].detach().cpu()
    return Fusion(classifier, shares, ledger, consensus, evidence, unplaced, residual, target, against)
