"""All attribution methods by name: what each one asks, its unit, its completeness, and its settings.

The page, the command line and the HTTP API are built from this registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from dan_model.explain.attributions import gradients, layers, perturbations
from dan_model.explain.attributions.result import AttributionResult
from dan_model.texts import translate as _


@dataclass(frozen=True)
class Setting:
    """A number that can be chosen for a method, within bounds; a whole number where the default is one."""

    name: str
    default: float
    low: float
    high: float
    meaning: str


@dataclass(frozen=True)
class Method:
    """An attribution method.

    Attributes:
        title: Short name.
        asks: The question that its map answers, in one line.
        unit: The unit of its map; {unit} stands for that of the score.
        completeness: What its values should sum to, or None.
        compute: Called with the task, the baseline where `baselines`, and every setting by name; gives a result, or
            several, coarse before fine.
        settings: What can be chosen.
        baselines: Whether it compares the face with a baseline.
        tolerance: How large its residual may be, as a part of what is explained, where that is no setting.
        signed: Whether its sign says for or against. False: only its size counts, as with a plain gradient.
        regions: Whether it needs to know where the parts of the face are.
        fine: Whether its map differs from pixel to pixel.
        finer: Settings for a finer map, which costs more.
    """

    title: str
    asks: str
    unit: str
    completeness: str | None
    compute: Callable[..., AttributionResult | Iterator[AttributionResult]]
    settings: tuple[Setting, ...] = ()
    baselines: bool = False
    tolerance: float | None = None
    signed: bool = True
    regions: bool = False
    fine: bool = False
    finer: Mapping[str, float] = field(default_factory=dict)

    @property
    def promise(self) -> str:
        """What its values sum to, as a sentence."""
        if not self.completeness:
            return _("No completeness property.")
        return _("Completeness: {promise}.").format(promise=self.completeness)


SUMS = _("sums to score − the baseline's score")
SAMPLES = Setting("samples", 24, 1, 500, "noisy copies")
NOISE = "standard deviation, in parts of the input's range"

METHODS: Mapping[str, Method] = {
    "layer_grad_cam": Method(
        _("Grad-CAM"),
        _("Which cells of the last backbone layer raise the score, by the score's gradient there?"),
        _("gradient × activation per cell"),
        None,
        layers.layer_grad_cam,
    ),
    "head_grad_cam": Method(
        _("Head Grad-CAM"),
        _("Which cells that a head attends raise the score? Of every head, and their sum."),
        _("gradient × activation per cell"),
        None,
        layers.head_grad_cam,
    ),
    "saliency": Method(
        _("Saliency"),
        _("Where would a small change of a pixel move the score most?"),
        _("{unit} per unit of input"),
        None,
        gradients.saliency,
        signed=False,
        fine=True,
    ),
    "input_x_gradient": Method(
        _("Input × gradient"),
        _("What does each pixel add, if the score were linear around this face?"),
        _("{unit} per pixel"),
        None,
        gradients.input_x_gradient,
        fine=True,
    ),
    "guided_grad_cam": Method(
        _("Guided Grad-CAM"),
        _("Which fine detail lies where Grad-CAM is high? It shows edges whatever the network does."),
        _("guided gradient × Grad-CAM"),
        None,
        layers.guided_grad_cam,
        signed=False,
        fine=True,
    ),
    "deep_lift": Method(
        _("DeepLift"),
        _("How much of the score's difference from the baseline does each pixel account for, layer by layer?"),
        _("{unit} per pixel"),
        _("sums to score − the baseline's score; on DAN's products of activations it does not, and says by how much"),
        gradients.deep_lift,
        baselines=True,
        tolerance=0.01,
        fine=True,
    ),
    "integrated_gradients": Method(
        _("Integrated gradients"),
        _("How much of the score does each pixel account for, from the baseline to this face?"),
        _("{unit} per pixel"),
        SUMS,
        gradients.integrated_gradients,
        (
            Setting("steps", 14, gradients.NODES, 1000, "points on the path to begin with, in whole pieces of 7"),
            Setting("most", 14, gradients.NODES, 10_000, "points in all, while the residual is above the tolerance"),
            Setting("tolerance", 0.05, 0.0001, 1.0, "largest residual, as a part of what is explained"),
        ),
        baselines=True,
        finer={"steps": 48, "most": 480, "tolerance": 0.01},
        fine=True,
    ),
    "smooth_grad": Method(
        _("SmoothGrad"),
        _("As saliency, on average over noisy copies of the face."),
        _("{unit} per unit of input"),
        None,
        gradients.smooth_grad,
        (SAMPLES, Setting("noise", 0.05, 0.0, 1.0, NOISE)),
        signed=False,
        fine=True,
    ),
    "gradient_shap": Method(
        _("GradientShap"),
        _("As integrated gradients, at random points of the path, with noise where wanted."),
        _("{unit} per pixel"),
        _("sums to score − the baseline's score, on average over draws"),
        gradients.gradient_shap,
        (SAMPLES, Setting("noise", 0.0, 0.0, 1.0, NOISE)),
        baselines=True,
        tolerance=0.1,
        fine=True,
    ),
    "occlusion": Method(
        _("Occlusion"),
        _("How much does the score fall when a square of the baseline covers this place?"),
        _("mean fall, {unit}"),
        None,
        perturbations.occlusion,
        (
            Setting("window", 32, 8, 112, "side of the square in pixels; 32 is one cell of the head maps"),
            Setting("stride", 32, 4, 112, "steps in pixels, at most the window"),
        ),
        baselines=True,
        finer={"stride": 16},
    ),
    "region_ablation": Method(
        _("Region ablation"),
        _("How much does the score fall when brows, eyes, mouth … show the baseline?"),
        _("{unit} per region"),
        None,
        perturbations.region_ablation,
        baselines=True,
        regions=True,
    ),
    "region_shapley": Method(
        _("Region Shapley"),
        _("What does each part of the face add, on average over the orders in which parts appear?"),
        _("{unit} per region"),
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
