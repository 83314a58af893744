"""Model cards, by the Hub's metadata conventions, from what a checkpoint says about itself."""

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


def model_card(config: ModelConfig, name: str, licence: str = "other") -> str:
    """The README.md of a checkpoint.

    Args:
        config: Labels and provenance; of the latter `dataset`, `recipe`, `hardware`, `source`, `licence` and
            `validation` (with `protocol`, `count`, `accuracy` and so on; by class `recall` alone or, as `train`
            measures, `per_class` and `confusion`) are told where they are there.
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
        *(f"**{title}.** {_words(provenance[key])}" for key, title in _TOLD.items() if key in provenance),
        _figures(measured),
        LIMITS,
    ]
    return "\n\n".join(part for part in parts if part).rstrip() + "\n"


_TOLD = {
    "dataset": "Data", "recipe": "Recipe", "hardware": "Hardware and time", "source": "Source", "licence": "Licence",
}  # fmt: skip


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
    told = [f"{key.replace('_', ' ')} {_words(value)}" for key, value in measured.items() if key not in _TABLES]
    parts = [f"**Validation.** {'; '.join(told)}."]
    by_class = measured.get("per_class") or {k: {"recall": v} for k, v in measured.get("recall", {}).items()}
    if by_class:
        names = list(next(iter(by_class.values())))
        parts.append(_table(["class", *names], [[label, *of.values()] for label, of in by_class.items()]))
    if measured.get("confusion"):
        rows = [[label, *row] for label, row in zip(by_class, measured["confusion"], strict=True)]
        parts += ["Images by true class (rows) and answer (columns):", _table(["true \\ read", *by_class], rows)]
        parts.append(_failures(list(by_class), measured["confusion"]))
    return "\n\n".join(parts)


_TABLES = ("labels", "per_class", "recall", "confusion")


def _failures(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    """For which classes it fails most, and what it takes them for."""
    found = {k: row[k] / sum(row) for k, row in enumerate(confusion) if sum(row)}
    told = []
    for k in sorted(found, key=lambda k: found[k])[:2]:
        others = {other: count for other, count in enumerate(confusion[k]) if other != k and count}
        taken = f", most often taken for {labels[max(others, key=lambda o: others[o])]}" if others else ""
        told.append(f"{labels[k]} ({found[k]:.2f} of {sum(confusion[k])} found{taken})")
    return f"**Where it fails.** Recognised least: {'; '.join(told)}."


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([_words(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _words(value: Any) -> str:
    """A value of the provenance as text."""
    if isinstance(value, Mapping):
        return ", ".join(f"{name.replace('_', ' ')} {_words(part)}" for name, part in value.items())
    if isinstance(value, (list, tuple)):
        return "; ".join(_words(part) for part in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
