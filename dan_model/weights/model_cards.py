"""Model cards: the README.md of a checkpoint, written from its configuration, with metadata as the Hub expects it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

_SECTIONS = {
    "dataset": "Data", "recipe": "Recipe", "hardware": "Hardware and time", "source": "Source", "licence": "Licence",
}  # fmt: skip
"""Entries of the provenance that get a paragraph each, with its title."""

_NOT_IN_SUMMARY = ("labels", "per_class", "recall", "confusion")
"""Entries of the validation that are tables, or only needed for them."""


def model_card(config: ModelConfig, name: str, licence: str = "other") -> str:
    """Write the README.md of a checkpoint.

    Args:
        config: Labels and provenance. These entries of the provenance are included if they exist: `dataset`, `recipe`,
            `hardware`, `source`, `licence`, and `validation` with `protocol`, `count`, `accuracy` and so on, with
            either `recall` by class or, as `train` measures, `per_class` and `confusion`.
        name: The name of the model.
        licence: The Hub's identifier of the licence.

    Returns:
        Markdown with a YAML header.
    """
    provenance = config.provenance
    dataset = str(provenance.get("dataset", "unknown data"))
    measured = provenance.get("validation")
    measured = measured if isinstance(measured, Mapping) else {}
    # The YAML header that the Hub reads.
    header = ModelCardData(
        license=licence,
        library_name="dan-explorer",
        pipeline_tag="image-classification",
        tags=[*TAGS, "pytorch_model_hub_mixin"],
        datasets=[_slug(dataset)] if "dataset" in provenance else None,
        model_name=name,
        eval_results=_eval_results(measured, dataset),
    )
    # The text below it.
    parts = [
        f"---\n{header.to_yaml()}\n---",
        f"# {name}",
        "The *Distract Your Attention* network ([arXiv:2109.07270](https://arxiv.org/abs/2109.07270)) with "
        f"{config.num_heads} heads. Classes in index order: {', '.join(config.labels)}.",
        *(f"**{title}.** {_as_text(provenance[key])}" for key, title in _SECTIONS.items() if key in provenance),
        _validation(measured),
        LIMITS,
    ]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


def _slug(dataset: str) -> str:
    """The first word of a data set's name in the Hub's spelling: "FER+ training split …" -> "ferplus"."""
    return dataset.split()[0].strip(",").lower().replace("+", "plus")


def _eval_results(measured: Mapping[str, Any], dataset: str) -> list[EvalResult] | None:
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


def _validation(measured: Mapping[str, Any]) -> str:
    """The metrics on the validation set: a summary, a table by class, and the confusion matrix."""
    if not measured:
        return "**Figures.** None were measured for this card."
    summary = [
        f"{key.replace('_', ' ')} {_as_text(value)}" for key, value in measured.items() if key not in _NOT_IN_SUMMARY
    ]
    parts = [f"**Validation.** {'; '.join(summary)}."]
    by_class = measured.get("per_class") or {k: {"recall": v} for k, v in measured.get("recall", {}).items()}
    if by_class:
        names = list(next(iter(by_class.values())))
        parts.append(_table(["class", *names], [[label, *values.values()] for label, values in by_class.items()]))
    if measured.get("confusion"):
        rows = [[label, *row] for label, row in zip(by_class, measured["confusion"], strict=True)]
        parts.append("Images by true class (rows) and predicted class (columns):")
        parts.append(_table(["true \\ predicted", *by_class], rows))
        parts.append(_failures(list(by_class), measured["confusion"]))
    return "\n\n".join(parts)


def _failures(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """The two classes with the lowest recall, and the class that each is most often mistaken for."""
    recalls = {k: row[k] / sum(row) for k, row in enumerate(confusion) if sum(row)}
    lowest = []
    for k in sorted(recalls, key=lambda k: recalls[k])[:2]:
        mistakes = {other: count for other, count in enumerate(confusion[k]) if other != k and count}
        mistaken = f", most often taken for {labels[max(mistakes, key=lambda o: mistakes[o])]}" if mistakes else ""
        lowest.append(f"{labels[k]} ({recalls[k]:.2f} of {sum(confusion[k])} found{mistaken})")
    return f"**Where it fails.** Recognised least: {'; '.join(lowest)}."


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([_as_text(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _as_text(value: Any) -> str:
    """A value of the provenance as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_as_text(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(_as_text(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
