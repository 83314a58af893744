"""Every method: what it answers and promises, and what can be set. The page, the CLI, the API read this."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from dan_model.errors import ArgumentError, DeviceMemoryError
from dan_model.explain.attributions import gradients, layers, perturbations
from dan_model.explain.attributions.answer import Answer, Attribution
from dan_model.explain.attributions.question import BASELINES, Effort, Question


@dataclass(frozen=True)
class Setting:
    """A number that can be chosen for a method, between bounds; whole where its default is."""

    name: str
    default: float
    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class Method:
    """An attribution method as people choose it.

    Attributes:
        title: Short name.
        question: What it answers, in one line.
        unit: What the numbers of its map are.
        promise: What its values should add up to, or None.
        compute: Called with the question, the baseline where `baselines`, and every setting by name.
        settings: What can be chosen.
        baselines: Whether it compares with a baseline.
        tolerance: How far from its promise it may end, as a part of what is explained.
        signed: Whether its sign says for or against; False: only its size counts, as with a bare gradient.
        regions: Whether it needs to know where the parts of the face are.
        fine: Whether its map differs from pixel to pixel.
    """

    title: str
    question: str
    unit: str
    promise: str | None
    compute: Callable[..., Answer]
    settings: tuple[Setting, ...] = ()
    baselines: bool = False
    tolerance: float | None = None
    signed: bool = True
    regions: bool = False
    fine: bool = False


SUMS = "sums to score − the baseline's score"
SAMPLES = Setting("samples", 24, 1, 500, "noisy copies")
NOISE = "standard deviation, in parts of the input's range"

METHODS: Mapping[str, Method] = {
    "layer_grad_cam": Method(
        "Grad-CAM",
        "Which cells of the last backbone layer raise the score, by the score's gradient there?",
        "gradient × activation per cell",
        None,
        layers.layer_grad_cam,
    ),
    "head_grad_cam": Method(
        "Head Grad-CAM",
        "Which cells that a head attends raise the score? Of every head, and their sum.",
        "gradient × activation per cell",
        None,
        layers.head_grad_cam,
    ),
    "saliency": Method(
        "Saliency",
        "Where would a small change of a pixel move the score most?",
        "logit per unit of input",
        None,
        gradients.saliency,
        signed=False,
        fine=True,
    ),
    "input_x_gradient": Method(
        "Input × gradient",
        "What does each pixel add, if the score were linear around this face?",
        "logit per pixel",
        None,
        gradients.input_x_gradient,
        fine=True,
    ),
    "guided_grad_cam": Method(
        "Guided Grad-CAM",
        "Which fine detail lies where Grad-CAM is high? It shows edges whatever the network: see the sanity check.",
        "guided gradient × Grad-CAM",
        None,
        layers.guided_grad_cam,
        signed=False,
        fine=True,
    ),
    "deep_lift": Method(
        "DeepLift",
        "How much of the score's difference from the baseline does each pixel account for, layer by layer?",
        "logit per pixel",
        f"{SUMS}; on DAN's products of activations it does not, and says by how much",
        gradients.deep_lift,
        baselines=True,
        tolerance=0.01,
        fine=True,
    ),
    "integrated_gradients": Method(
        "Integrated gradients",
        "How much of the score does each pixel account for, from the baseline to this face?",
        "logit per pixel",
        SUMS,
        gradients.integrated_gradients,
        (
            Setting("steps", 48, gradients.NODES, 1000, "points on the path to begin with, in whole pieces of 8"),
            Setting("most", 480, gradients.NODES, 10_000, "points in all, while the residual is above 1 %"),
        ),
        baselines=True,
        tolerance=gradients.PATH_TOLERANCE,
        fine=True,
    ),
    "smooth_grad": Method(
        "SmoothGrad",
        "As saliency, on average over noisy copies of the face.",
        "logit per unit of input",
        None,
        gradients.smooth_grad,
        (SAMPLES, Setting("noise", 0.05, 0.0, 1.0, NOISE)),
        signed=False,
        fine=True,
    ),
    "gradient_shap": Method(
        "GradientShap",
        "As integrated gradients, at random points of the path, with noise where wanted.",
        "logit per pixel",
        f"{SUMS}, on average over draws",
        gradients.gradient_shap,
        (SAMPLES, Setting("noise", 0.0, 0.0, 1.0, NOISE)),
        baselines=True,
        tolerance=0.1,
        fine=True,
    ),
    "occlusion": Method(
        "Occlusion",
        "How much does the score fall when a square of the baseline covers this place?",
        "mean fall of the logit",
        None,
        perturbations.occlusion,
        (
            Setting("window", 32, 8, 112, "side of the square in pixels; 32 is one cell of the head maps"),
            Setting("stride", 16, 4, 112, "steps in pixels, at most the window"),
        ),
        baselines=True,
    ),
    "region_ablation": Method(
        "Region ablation",
        "How much does the score fall when brows, eyes, mouth … show the baseline?",
        "logit per region",
        None,
        perturbations.region_ablation,
        baselines=True,
        regions=True,
    ),
    "region_shapley": Method(
        "Region Shapley",
        "What does each part of the face add, on average over the orders in which parts appear?",
        "logit per region",
        SUMS,
        perturbations.region_shapley,
        (Setting("samples", 24, 1, 1000, "orders of the regions"),),
        baselines=True,
        regions=True,
        tolerance=0.001,
    ),
}
"""The methods by name."""

DEFAULT_METHODS = ("layer_grad_cam", "integrated_gradients", "occlusion")
DEFAULT_BASELINE = BASELINES[0]


@dataclass(frozen=True)
class Request:
    """A method with its baseline and settings. As text: method, method@baseline, method@baseline:name=value,name=value.

    Attributes:
        method: Name in `METHODS`.
        baseline: Name in `BASELINES`; None for methods that need none.
        settings: Every setting's name and value, in the method's order.
    """

    method: str
    baseline: str | None
    settings: tuple[tuple[str, float], ...]

    @classmethod
    def parse(cls, text: str) -> Request:
        """Read a request; what it leaves out has its default.

        Raises:
            ArgumentError: There is no such method, baseline or setting, or a value is out of bounds.
        """
        head, _, tail = str(text).partition(":")
        name, _, baseline = head.partition("@")
        if name not in METHODS:
            raise ArgumentError(f"There is no attribution method {name!r}.", f"Choose from: {', '.join(METHODS)}.")
        method = METHODS[name]
        if baseline and not method.baselines:
            raise ArgumentError(f"{text}: {method.title} has no baseline.", f"Ask for {name} alone.")
        if baseline and baseline not in BASELINES:
            raise ArgumentError(f"There is no baseline {baseline!r}.", f"Choose from: {', '.join(BASELINES)}.")
        given = dict(part.partition("=")[::2] for part in tail.split(",") if part)
        settings = tuple((spec.name, _value(text, spec, given.pop(spec.name, None))) for spec in method.settings)
        if given:
            known = ", ".join(spec.name for spec in method.settings) or "none"
            raise ArgumentError(f"{text}: {method.title} has no setting {next(iter(given))!r}.", f"It has: {known}.")
        chosen = dict(settings)
        if name == "integrated_gradients" and chosen["most"] < chosen["steps"]:
            raise ArgumentError(f"{text}: most is less than steps.", "The path begins with that many points.")
        if name == "occlusion" and chosen["stride"] > chosen["window"]:
            raise ArgumentError(f"{text}: the stride is larger than the window.", "Some pixels would never be covered.")
        return cls(name, (baseline or DEFAULT_BASELINE) if method.baselines else None, settings)

    @property
    def text(self) -> str:
        """The shortest text that `parse` reads as this."""
        baseline = "" if self.baseline in (None, DEFAULT_BASELINE) else f"@{self.baseline}"
        defaults = {spec.name: spec.default for spec in METHODS[self.method].settings}
        changed = ",".join(f"{name}={value:g}" for name, value in self.settings if value != defaults[name])
        return f"{self.method}{baseline}{':' if changed else ''}{changed}"

    @property
    def title(self) -> str:
        """For people."""
        baseline = "" if self.baseline in (None, DEFAULT_BASELINE) else f", {self.baseline} baseline"
        return f"{METHODS[self.method].title}{baseline}"


def attribute(question: Question, request: Request | str) -> Attribution:
    """Answer a question by one method. Model and input stay as they are, also after an exception.

    Raises:
        ArgumentError: There is no such method, or it does not apply to this face or these weights.
        DeviceMemoryError: There is no room for a single pass.
        Stopped: The question's `proceed` said no.
    """
    asked = Request.parse(request) if isinstance(request, str) else request
    method, effort, start = METHODS[asked.method], question.effort, time.perf_counter()
    before = Effort(effort.forwards, effort.backwards)
    settings = dict(asked.settings)
    if asked.baseline is not None:
        settings["baseline"] = question.baseline(asked.baseline)  # type: ignore[assignment]
    try:
        answer = method.compute(question, **settings)
    except torch.cuda.OutOfMemoryError as error:
        raise DeviceMemoryError(f"There is no memory for {method.title}.", "Take another device.") from error
    return Attribution(
        **vars(answer),
        method=asked.method,
        request=asked.text,
        score=question.score,
        baseline=asked.baseline,
        tolerance=method.tolerance,
        forwards=effort.forwards - before.forwards,
        backwards=effort.backwards - before.backwards,
        seconds=time.perf_counter() - start,
        device=str(question.x.device),
    )


def parse_all(names: Sequence[str]) -> list[Request]:
    """Requests from text, each once; "all" stands for every method, "none" for no further one.

    Raises:
        ArgumentError: As `Request.parse`.
    """
    groups = {"all": tuple(METHODS), "none": ()}
    return list(dict.fromkeys(Request.parse(each) for name in names for each in groups.get(name, (name,))))


def _value(text: str, spec: Setting, given: str | None) -> float:
    if given is None:
        return spec.default
    whole = isinstance(spec.default, int)
    try:
        value = int(given) if whole else float(given)
    except ValueError as error:
        kind = "a whole number" if whole else "a number"
        raise ArgumentError(f"{text}: {spec.name} must be {kind}, got {given!r}.", f"It is: {spec.meaning}.") from error
    if not spec.low <= value <= spec.high:
        raise ArgumentError(
            f"{text}: {spec.name} must lie in [{spec.low:g}, {spec.high:g}], got {given}.", f"It is: {spec.meaning}."
        )
    return value
