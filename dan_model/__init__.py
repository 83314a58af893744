"""DAN Explorer: see what DAN's attention heads look at, and how their fusion decides.

Read the files in the order in which data goes through them: `images`, `faces`, `preprocess`, `config`, `network`,
`checkpoints`, `explain.heads`, `explain.fusion`, `explain.channels`, `explain.interventions`, `explain.shapley`,
`explain.regions`, `explain.use`, `explain.score`, `explain.attributions`, `explain.maps`, `explain.faithfulness`,
`explain.sanity`, `explain.explainer`, `show`, `ui`; and for where the weights come from `learn.datasets`,
`learn.batches`, `learn.augment`, `learn.losses`, `learn.objective`, `learn.recipes`, `learn.training`,
`learn.evaluation`, `learn.head_report`.
"""

from dan_model.checkpoints import load_checkpoint
from dan_model.config import ModelConfig, PreprocessConfig
from dan_model.errors import DanError
from dan_model.explain.explainer import Explainer
from dan_model.explain.explanation import Explanation
from dan_model.network import DAN, Stages
from dan_model.version import __version__

__all__ = [
    "DAN",
    "DanError",
    "Explainer",
    "Explanation",
    "ModelConfig",
    "PreprocessConfig",
    "Stages",
    "__version__",
    "load_checkpoint",
]
