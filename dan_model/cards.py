"""Model cards, by the Hub's metadata conventions, from what a checkpoint says about itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from dan_model.config import ModelConfig

TAGS = ["facial-expression-recognition", "attention", "explainability"]
METRICS = {"accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "ece": "expected_calibration_error"}

LIMITS = """\
**Intended use.** Studying and teaching how attention and its fusion work in facial expression recognition; research
on expression recognition and on attributions.

**Out of scope.** Inferring what people feel: a predicted expression is not a felt emotion. Any use on people at work
or in education (prohibited in the EU by Art. 5(1)(f) of the AI Act), and any decision about a person.

**Biases.** Data sets of facial expressions are posed or gathered from the web, labelled by few people, and uneven
across age, gender, skin colour and culture; rare classes are recognised worst. Without figures by group, assume that
errors are uneven.
"""


def model_card(config: ModelConfig, name: str, licence: str = "other") -> str:
    """The README.md of a checkpoint.

    Args:
        config: Labels and provenance; of the latter `dataset`, `recipe`, `source`, `licence` and `validation` (with
            `protocol`, `count`, `accuracy` and so on, and `recall` by class) are told where they are there.
        name: What the model is called.
        licence: The Hub's identifier of the licence.

    Returns:
        Markdown with a YAML header.
    """
    provenance = config.provenance
    dataset = str(provenance.get("dataset", "unknown data"))
    measured = provenance.get("validation")
    measured = measured if isinstance(measured, Mapping) else {}
    header = ModelCardData(
        license=licence,
        library_name="dan-explorer",
        pipeline_tag="image-classification",
        tags=[*TAGS, "pytorch_model_hub_mixin"],
        datasets=[_slug(dataset)] if "dataset" in provenance else None,
        model_name=name,
        eval_results=_results(measured, dataset),
    )
    parts = [
        f"---\n{header.to_yaml()}\n---",
        f"# {name}",
        "The *Distract Your Attention* network ([arXiv:2109.07270](https://arxiv.org/abs/2109.07270)) with "
        f"{config.num_heads} heads. Classes in index order: {', '.join(config.labels)}.",
        *(f"**{title}.** {provenance[key]}" for key, title in _TOLD.items() if key in provenance),
        _figures(measured),
        LIMITS,
    ]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


_TOLD = {"dataset": "Data", "recipe": "Recipe", "source": "Source", "licence": "Licence"}


def _slug(dataset: str) -> str:
    """A data set's first word as the Hub writes names: "FER+ training split …" -> "ferplus"."""
    return dataset.split()[0].strip(",").lower().replace("+", "plus")


def _results(measured: Mapping[str, Any], dataset: str) -> list[EvalResult] | None:
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=_slug(dataset),
            dataset_name=dataset,
            dataset_split="validation",
            metric_type=metric,
            metric_value=measured[key],
        )
        for key, metric in METRICS.items()
        if isinstance(measured.get(key), (int, float))
    ]
    return results or None


def _figures(measured: Mapping[str, Any]) -> str:
    if not measured:
        return "**Figures.** None were measured for this card."
    told = [f"{key.replace('_', ' ')} {value}" for key, value in measured.items() if key != "recall"]
    lines = [f"**Validation.** {'; '.join(told)}."]
    recall = measured.get("recall")
    if isinstance(recall, Mapping) and recall:
        lines += ["", "| class | recall |", "|---|---|", *(f"| {label} | {value} |" for label, value in recall.items())]
    return "\n".join(lines)
