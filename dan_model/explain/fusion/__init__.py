"""How the attention fusion network turns the heads into a decision, and how that decision is taken apart.

Read in this order: `classifier` (what comes after the heads), `ledger` (what each head contributes to each class),
`evidence` (where on the face these contributions come from), `decomposition` (both, for one face), `channels` (the
same, channel by channel), `interventions` (what if a head had another output?), `shapley` (what is a head worth?).
"""

from dan_model.explain.fusion.channels import NO_WINNER, TugOfWar, channels_won, tug_of_war
from dan_model.explain.fusion.classifier import Classifier, fuse
from dan_model.explain.fusion.decomposition import Fusion, compute_fusion
from dan_model.explain.fusion.evidence import spread_over_cells
from dan_model.explain.fusion.interventions import (
    ConsensusPath,
    ablate,
    ablate_all_but,
    blend,
    consensus_path,
    copy,
    for_each_head,
    scale,
    swap,
    transplant,
)
from dan_model.explain.fusion.ledger import (
    PathIntegral,
    compute_curve_value,
    compute_score,
    consensus_logits,
    integrate,
)
from dan_model.explain.fusion.shapley import ABSENCES, MAX_HEADS, Shapley, shapley_values

__all__ = [
    "ABSENCES",
    "MAX_HEADS",
    "NO_WINNER",
    "Classifier",
    "ConsensusPath",
    "Fusion",
    "PathIntegral",
    "Shapley",
    "TugOfWar",
    "ablate",
    "ablate_all_but",
    "blend",
    "channels_won",
    "compute_curve_value",
    "compute_fusion",
    "compute_score",
    "consensus_logits",
    "consensus_path",
    "copy",
    "for_each_head",
    "fuse",
    "integrate",
    "scale",
    "shapley_values",
    "spread_over_cells",
    "swap",
    "transplant",
    "tug_of_war",
]
