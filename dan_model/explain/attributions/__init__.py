"""Attributions: Captum's methods, applied to one score of one face.

Read in this order: `task` (what is explained, and the score as Captum calls it), `result` (what comes out),
`gradients`, `layers`, `perturbations` (the methods), `registry` (all methods by name), `requests` (a method with its
baseline and settings, read from text and run).
"""

from dan_model.explain.attributions.registry import DEFAULT_METHODS, METHODS, Method, Setting
from dan_model.explain.attributions.requests import (
    DEFAULT_BASELINE,
    AttributionRequest,
    attribute,
    attribute_each,
    attribute_in_stages,
    parse_requests,
)
from dan_model.explain.attributions.result import Attribution, AttributionResult
from dan_model.explain.attributions.task import BASELINES, MEAN, AttributionTask, Cost

__all__ = [
    "BASELINES",
    "DEFAULT_BASELINE",
    "DEFAULT_METHODS",
    "MEAN",
    "METHODS",
    "Attribution",
    "AttributionRequest",
    "AttributionResult",
    "AttributionTask",
    "Cost",
    "Method",
    "Setting",
    "attribute",
    "attribute_each",
    "attribute_in_stages",
    "parse_requests",
]
