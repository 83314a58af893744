"""Which attributions a command can compute with the weights it was given: said before the first image."""

from __future__ import annotations

from collections.abc import Sequence

from dan_model.errors import ArgumentError
from dan_model.explain import Explainer
from dan_model.explain.attributions import MEAN, METHODS, AttributionRequest, parse_requests


def available_requests(
    explainer: Explainer, texts: Sequence[str], whole_image: bool = False, fillings: Sequence[str] = ()
) -> list[AttributionRequest]:
    """Read the requests of a command; "all" stands for every method that these weights and faces allow.

    Args:
        explainer: On the weights.
        texts: The requests, as `--method` gives them.
        whole_image: Whether images are taken as one face, in which the regions are not known.
        fillings: Names of baselines that are needed besides those of the requests.

    Raises:
        ArgumentError: A request cannot be read, or cannot be computed for any face.
    """
    template = explainer.model.config.preprocess.landmark_template
    regions_known = template is not None and not whole_image
    every = [name for name, method in METHODS.items() if regions_known or not method.regions]
    named = parse_requests([name for name in texts if name != "all"])
    for request in named:
        if METHODS[request.method].regions and not regions_known:
            if template is not None:
                raise ArgumentError(
                    f"--method {request.text} needs a face that was found.", "Leave out --whole-image, or this method."
                )
            raise ArgumentError(
                f"--method {request.text}: these weights have no landmark template, so that the regions of a face are "
                "not known.",
                "Name methods without regions.",
            )
    reference = explainer.reference
    if (reference is None or reference.mean_face is None) and MEAN in (*(one.baseline for one in named), *fillings):
        raise ArgumentError(
            "These weights have no mean face, which the baseline mean is.",
            "Choose another, or measure it: `reference`.",
        )
    return parse_requests([*(every if "all" in texts else ()), *(request.text for request in named)])
