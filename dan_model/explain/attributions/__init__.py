"""What Captum's attribution methods say about one score.

`question`: what is asked, and the score as Captum calls it. `gradients`, `layers`, `perturbations`: the methods.
`registry`: all of them by name, with what they answer and promise. `answer`: what comes out.
"""

from dan_model.explain.attributions.answer import Answer, Attribution
from dan_model.explain.attributions.question import BASELINES, MEAN, Question
from dan_model.explain.attributions.registry import (
    DEFAULT_BASELINE,
    DEFAULT_METHODS,
    METHODS,
    Method,
    Request,
    attribute,
    parse_all,
)

__all__ = [
    "BASELINES",
    "DEFAULT_BASELINE",
    "DEFAULT_METHODS",
    "MEAN",
    "METHODS",
    "Answer",
    "Attribution",
    "Method",
    "Question",
    "Request",
    "attribute",
    "parse_all",
]
