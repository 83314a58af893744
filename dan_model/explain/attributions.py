"""What Captum's attribution methods say about one class score (DESIGN view 12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock

import torch.nn.functional as F
from captum.attr import IntegratedGradients, LayerGradCam, Occlusion
from torch import Tensor

from dan_model.errors import ArgumentError, Stopped
from dan_model.network import DAN, frozen
from dan_model.preprocess import black

INTERNAL_BATCH = 8  # images per pass; larger ones are no faster on a CPU and need more memory
PATH_STEPS = 50  # points on the path of integrated gradients
WINDOW, STRIDE = 32, 16  # occlusion's square and its steps, in pixels of the input; 32 is one cell of the head maps


@dataclass(frozen=True, eq=False)
class Attribution:
    """One method's answer for one class, on the CPU.

    Attributes:
        method: Name in `METHODS`.
        target: The class index that was explained.
        map: (224, 224), signed: positive speaks for the class. In the method's own unit (`METHODS`), per input
            pixel (channels summed); where `cells` is given, these drawn out smoothly.
        cells: The native resolution of a layer's map, (7, 7); None for methods that work on pixels.
        explained: For methods that promise completeness: logit - baseline logit, which the map should sum to.
        residual: For the same: the map's sum - `explained`.
    """

    method: str
    target: int
    map: Tensor
    cells: Tensor | None = None
    explained: float | None = None
    residual: float | None = None


@dataclass(frozen=True, eq=False)
class Question:
    """Why this score for this face? Several questions may be asked of one network at a time; passes take turns.

    Attributes:
        model: The network.
        x: One normalised face, (1, 3, 224, 224), on the model's device.
        target: Class index.
        lock: Held during each pass; methods that hang hooks on the model hold it throughout.
        proceed: Asked before each pass; when it says no, the answer ends with `Stopped`.
    """

    model: DAN
    x: Tensor
    target: int
    lock: RLock
    proceed: Callable[[], bool]

    def forward(self, x: Tensor) -> Tensor:
        """Logits (B, K); gradients flow to x and to nothing else."""
        if not self.proceed():
            raise Stopped
        with self.lock, frozen(self.model):
            return self.model(x)

    def baseline(self) -> Tensor:
        """A black face, (1, 3, 224, 224)."""
        return black(self.model.config.preprocess).to(self.x)


@dataclass(frozen=True)
class Method:
    """An attribution method as people choose it.

    Attributes:
        title: Short name.
        question: What it answers, in one line.
        unit: What the numbers of its map are.
        promise: What the map should add up to, or None.
    """

    title: str
    question: str
    unit: str
    promise: str | None
    compute: Callable[[Question], Attribution]


def attribute(question: Question, method: str) -> Attribution:
    """Answer a question by one method. Model and input stay as they are, also after an exception.

    Raises:
        ArgumentError: There is no such method.
        Stopped: The question's `proceed` said no.
    """
    check_methods([method])
    return METHODS[method].compute(question)


def check_methods(names: Sequence[str]) -> None:
    """Raise an ArgumentError that names the first unknown method."""
    for name in names:
        if name not in METHODS:
            raise ArgumentError(f"There is no attribution method {name!r}.", f"Choose from: {', '.join(METHODS)}.")


def _layer_grad_cam(question: Question) -> Attribution:
    model, x, target = question.model, question.x, question.target
    if not question.proceed():
        raise Stopped
    with question.lock, frozen(model):
        cells = LayerGradCam(model, model.features[-1]).attribute(x, target, relu_attributions=False)  # (1, 1, 7, 7)
    smooth = F.interpolate(cells, size=x.shape[2:], mode="bilinear", align_corners=False)
    return Attribution("layer_grad_cam", target, _plane(smooth), _plane(cells))


def _integrated_gradients(question: Question) -> Attribution:
    values, delta = IntegratedGradients(question.forward).attribute(
        question.x,
        question.baseline(),
        question.target,
        n_steps=PATH_STEPS,
        internal_batch_size=INTERNAL_BATCH,
        return_convergence_delta=True,
    )
    residual = float(delta)
    explained = float(values.double().sum()) - residual
    return Attribution("integrated_gradients", question.target, _plane(values), None, explained, residual)


def _occlusion(question: Question) -> Attribution:
    channels = question.x.shape[1]
    values = Occlusion(question.forward).attribute(
        question.x,
        sliding_window_shapes=(channels, WINDOW, WINDOW),
        strides=(channels, STRIDE, STRIDE),
        baselines=question.baseline(),
        target=question.target,
        perturbations_per_eval=INTERNAL_BATCH,
    )
    fall = values / channels  # the window covers all channels at once; Captum writes its effect into each
    return Attribution("occlusion", question.target, _plane(fall))


METHODS: Mapping[str, Method] = {
    "layer_grad_cam": Method(
        "Grad-CAM",
        "Which cells of the last backbone layer raise the score, by the score's gradient there?",
        "gradient × activation per cell",
        None,
        _layer_grad_cam,
    ),
    "integrated_gradients": Method(
        "Integrated gradients",
        "How much of the score does each pixel account for, from a black image to this face?",
        "logit per pixel",
        "sums to logit − logit of the black image",
        _integrated_gradients,
    ),
    "occlusion": Method(
        "Occlusion",
        f"How much does the score fall when a black {WINDOW}-pixel square covers this place?",
        "mean fall of the logit",
        None,
        _occlusion,
    ),
}
"""The methods by name, fastest first."""


def _plane(values: Tensor) -> Tensor:
    """(1, channels, h, w) -> (h, w) on the CPU, channels summed."""
    return values.detach().cpu()[0].sum(dim=0)
