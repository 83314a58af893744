"""Does a map depend on what the network has learned? The parameter randomisation test.

*Sanity Checks for Saliency Maps*, Adebayo et al., NeurIPS 2018: the network is randomised from the top, layer by layer,
each time in addition to the layers before. A map that hardly changes shows the image, not the network.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn

from dan_model.errors import Stopped
from dan_model.explain.attributions import METHODS, AttributionTask
from dan_model.explain.correlation import rank_correlation
from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness.maps import MapName, in_patches, map_names, new_map, shown_map
from dan_model.explain.pass_order import PassLock
from dan_model.network import DAN
from dan_model.texts import untranslated as N_

INSENSITIVE = 0.5  # rank correlation with the true map, all weights random, above which a map is called insensitive
SAME_DETAIL = 0.6  # rank correlation of fine detail above which the detail is called the same
UPPER_LAYERS = 4  # classifier, both attentions, layer4
ENVELOPE, ENVELOPE_WIDTH = 8.0, 49  # pixels: deviation and width of the blur by which maps are divided for their detail
SEED = 0


@dataclass(frozen=True, eq=False)
class ParameterRandomisation:
    """The maps of networks with more and more random weights.

    Attributes:
        names: Which maps, as in the explanation.
        layers: The layers randomised so far, from the top; in the network of a step, all layers up to it are random.
        maps: By the key of a map: its patches with nothing random, then after each of `layers`, (1 + n, 14, 14).
        detail: By the key of a map: the rank correlation of its fine detail with that of the true map after each of
            `layers`, (n,): of the pixels' absolute values over their local mean, where both maps are not zero. NaN for
            maps without fine detail.
        pending: How many layers are still to come.
    """

    names: tuple[MapName, ...]
    layers: tuple[str, ...]
    maps: Mapping[str, Tensor]
    detail: Mapping[str, tuple[float, ...]]
    pending: int

    def similarity(self, key: str) -> list[float]:
        """Rank correlation of the patches with the true map for each step, first 1; NaN with a constant map."""
        true, *others = self.maps[key]
        return [1.0, *(rank_correlation(true.flatten(), other.flatten()) for other in others)]

    def insensitive(self, key: str) -> bool:
        """Whether the map stays similar although the whole network is random."""
        return not self.pending and self.similarity(key)[-1] > INSENSITIVE

    def detail_stays(self, key: str) -> str | None:
        """The last layer down to which all may be random while the fine detail of a map stays; None if it does not.

        Of the steps down to layer4, those count in which the map is not zero; the detail must stay in each of them.
        """
        upper = zip(self.layers[:UPPER_LAYERS], self.detail[key][:UPPER_LAYERS], strict=True)
        known = [(layer, value) for layer, value in upper if not math.isnan(value)]
        if len(self.layers) < UPPER_LAYERS or not known or min(value for _, value in known) <= SAME_DETAIL:
            return None
        return known[-1][0]

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        from dan_model.show.notebook import randomisation_html

        return randomisation_html(self)


def measure_randomisation(task: AttributionTask, explanation: Explanation) -> Iterator[ParameterRandomisation]:
    """Randomise a copy of the task's network step by step; see `Explainer.randomisation`."""
    # A copy of the network, for this test alone.
    names = tuple(map_names(explanation))
    with task.lock:  # not while another task has its hooks on it
        model = copy.deepcopy(task.model)
    layers = layers_from_the_top(model)
    own_task = replace(task, model=model, lock=PassLock())
    generator = torch.Generator().manual_seed(SEED)
    # The true maps.
    true = {name.key: shown_map(explanation, name) for name in names}
    steps = {name.key: [in_patches(true[name.key], name.signed)] for name in names}
    details: dict[str, list[float]] = {name.key: [] for name in names}
    done: list[str] = []

    def so_far() -> ParameterRandomisation:
        maps = {key: torch.stack(patches) for key, patches in steps.items()}
        detail = {key: tuple(values) for key, values in details.items()}
        return ParameterRandomisation(names, tuple(done), maps, detail, len(layers) - len(done))

    yield so_far()
    # Randomise one layer after another, and compute every map again.
    try:
        for layer, modules in layers.items():
            for module in modules:
                randomise(module, generator)
            fresh = replace(own_task)  # what a task has computed belongs to the weights before
            found = [new_map(fresh, name) for name in names]
            for name, values in zip(names, found, strict=True):
                steps[name.key].append(in_patches(values, name.signed))
                fine = name.request is not None and METHODS[name.request.method].fine
                details[name.key].append(detail_similarity(true[name.key], values) if fine else math.nan)
            done.append(layer)
            yield so_far()
    except Stopped:
        return


def detail_similarity(a: Tensor, b: Tensor) -> float:
    """Rank correlation of the fine detail of two maps, whatever their coarse shape; NaN for maps of cells."""
    both = (a != 0) & (b != 0)
    if a.shape[-1] < ENVELOPE_WIDTH or not both.any():
        return float("nan")
    return rank_correlation(_detail(a)[both], _detail(b)[both])


def _detail(values: Tensor) -> Tensor:
    """The absolute values of a map over their local mean."""
    size = values.abs().double()
    around = gaussian_filter(size.numpy(), ENVELOPE, mode="mirror", radius=ENVELOPE_WIDTH // 2)
    return size / torch.from_numpy(around).clamp(min=1e-12)


def layers_from_the_top(model: DAN) -> dict[str, list[nn.Module]]:
    """The parts of DAN from the classifier down to the pixels, by name."""
    return {
        N_("classifier"): [model.fc, model.bn],
        N_("channel attention"): [head.ca for head in model.heads],
        N_("spatial attention"): [head.sa for head in model.heads],
        "layer4": [model.features[7]],
        "layer3": [model.features[6]],
        "layer2": [model.features[5]],
        "layer1": [model.features[4]],
        N_("stem"): [model.features[0], model.features[1]],
    }


def randomise(module: nn.Module, generator: torch.Generator) -> None:
    """Draw all weights again: matrices and kernels from a normal distribution of the same width, vectors permuted."""
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.ndim > 1:
                drawn = torch.randn(parameter.shape, generator=generator).to(parameter)
                parameter.copy_(parameter.mean() + drawn * parameter.std())
            else:
                parameter.copy_(parameter[torch.randperm(len(parameter), generator=generator).to(parameter.device)])
