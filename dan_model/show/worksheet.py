"""The worksheet for a class, as Markdown and to print, and its solutions, computed from the examples.

The exercises are in `assets/worksheet.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from markdown_it import MarkdownIt
from torch import Tensor

from dan_model.explain.explanation import Explanation
from dan_model.explain.faithfulness import Faithfulness
from dan_model.explain.fusion import ablate, ablate_all_but, for_each_head, swap
from dan_model.explain.regions import REGIONS
from dan_model.show.html_report import ASSETS
from dan_model.show.tiles import percent, whole_percent

FACES = {"hopper.jpg": "Grace Hopper", "astronaut.jpg": "Eileen Collins", "mean_sadness.png": "average face of sadness"}
"""The examples that the exercises are about: file and name."""

COVERED = ("brows", "eyes", "nose", "mouth", "cheeks")  # in exercise 4, of the first face


def worksheet() -> str:
    """The exercises, as Markdown."""
    return (ASSETS / "worksheet.md").read_text(encoding="utf-8")


def printable(markdown: str) -> str:
    """A Markdown text as an HTML page to print."""
    title = markdown.partition("\n")[0].lstrip("# ")
    style = (ASSETS / "worksheet.css").read_text(encoding="utf-8")
    body = MarkdownIt().enable("table").render(markdown)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{style}</style></head><body>{body}</body></html>\n'
    )


def solutions(
    explanations: Sequence[Explanation], covered: Mapping[str, Explanation], measured: Faithfulness, weights: str
) -> str:
    """The solutions, as Markdown.

    Args:
        explanations: Of `FACES`, in this order.
        covered: The first face with each of the regions `COVERED` covered, by region.
        measured: The faithfulness of the maps of the first face.
        weights: The name of the weights.
    """
    first, second, _ = explanations
    return "\n\n".join(
        [
            "# Solutions of the worksheet",
            f"For teachers. Computed from the page's examples with {weights} by `python -m dan_model worksheet`: they "
            "change with the weights, and are the numbers that the page shows.",
            _heads(explanations), _ablation(first), _fusion(first, second), _covered(first, covered),
            _faithfulness(first, measured),
        ]
    ) + "\n"  # fmt: skip


def _heads(explanations: Sequence[Explanation]) -> str:
    predicted = _table(
        ["face", "the network's prediction"],
        [
            [name, _predicted(e.prediction.probabilities, e)]
            for name, e in zip(FACES.values(), explanations, strict=True)
        ],
    )
    e = explanations[0]
    assert e.regions is not None
    shares = [e.regions.shares(cells) for cells in e.heads.spatial]
    places = [f"{REGIONS[int(one.argmax())]} ({whole_percent(float(one.max()))})" for one in shares]
    return (
        f"## 1. What does a head do?\n\n{predicted}\n\n{_table(['', *_names(e)], [['Grace Hopper', *places]])}\n\n"
        "A head gives each of the 7 × 7 cells of the face a weight, averages the features with these weights, and "
        "passes "
        "on some channels more than others. Which head agrees with a student depends on the cells that were chosen. "
        "Common "
        "misreading: that a head *recognises* an expression. By itself it recognises nothing; it only weighs."
    )


def _ablation(e: Explanation) -> str:
    label, heads = e.labels[e.target], _names(e)
    off, only = (e.probabilities_with(change).tolist() for change in (ablate, ablate_all_but))
    after = for_each_head(e.fusion.classifier, e.heads.embeddings, ablate).softmax(dim=1)
    rows = [
        [f"probability of {label} with this head off", *map(percent, off)],
        ["predicted then", *(_predicted(p, e) for p in after)],
        [f"probability of {label} with only this head", *map(percent, only)],
    ]
    brightest = int(e.heads.spatial.flatten(1).max(dim=1).values.argmax())
    least = min(range(len(off)), key=lambda h: abs(off[h] - float(e.prediction.probabilities[e.target])))
    verdict = "the same head" if brightest == e.most_needed_head else "another head"
    return (
        f"## 2. Does every head matter?\n\n{_table(['', *heads], rows)}\n\n"
        f"Without changes: {_predicted(e.prediction.probabilities, e)}. The brightest cell is in the map of "
        f"Head {brightest + 1}; the probability changes most without Head {e.most_needed_head + 1}: here, {verdict}. "
        "It "
        f"changes least without Head {least + 1}. Brightness says how much a cell weighs within a head, not how much "
        "the "
        "head decides: that is only known by taking the head away."
    )


def _fusion(first: Explanation, second: Explanation) -> str:
    equal = first.fusion.consensus.softmax(dim=0)
    rows = []
    for name, e in zip(FACES.values(), (first, second), strict=False):
        swapped = e.fusion.classifier.logits(swap(e.heads.embeddings.double(), 0, 1)).softmax(dim=0)
        p = e.fusion.consensus.softmax(dim=0)
        rows.append([name, e.labels[int(p.argmax())], percent(float(p.max())), _predicted(swapped, e)])
    table = _table(["", "prediction at α = 0", "its probability", "prediction after a swap"], rows)
    return (
        f"## 3. What does the fusion see?\n\n{table}\n\nAt α = 0 all heads have the same embedding. Then each holds "
        "an equal "
        f"share p = 1/{len(first.heads.embeddings)} of every channel, S = Σ ln p is the same number in every channel "
        f"whatever the face, and so are the logits: {first.labels[int(equal.argmax())]} for everybody. The fusion "
        "sees only "
        "how much the heads *differ*. It treats all heads alike, so a swap leaves every share where it counts: in the "
        "sum."
    )


def _covered(e: Explanation, covered: Mapping[str, Explanation]) -> str:
    label, k = e.labels[e.target], e.target
    rows = [["nothing", percent(float(e.prediction.probabilities[k])), _predicted(e.prediction.probabilities, e)]]
    for region in COVERED:
        p = covered[region].prediction.probabilities
        rows.append([region, percent(float(p[k])), _predicted(p, e)])
    changes = {
        region: abs(float(covered[region].prediction.probabilities[k] - e.prediction.probabilities[k]))
        for region in COVERED
    }
    most = max(changes, key=lambda region: changes[region])
    return (
        f"## 4. What happens without it?\n\n{_table(['covered', f'probability of {label}', 'predicted'], rows)}\n\n"
        f"Covering the {most} changes most. A bright cell shows where a head attends; whether the prediction depends "
        "on it is "
        "only known by covering it. And a grey patch is itself something that the network never saw in training: try "
        "*blur* and *mean face* too."
    )


def _faithfulness(e: Explanation, measured: Faithfulness) -> str:
    heads = _names(e)
    of_heads = measured.maps[: len(heads)]
    energy = None if e.reference is None else e.reference.map_energy
    same = ["not known" for _ in heads] if energy is None else [whole_percent(one) for one in energy.tolist()]
    rows = [["the same for every face", *same]] + [
        [
            f"better than every random map? {curve}",
            *("yes" if measured.beats_random(one, curve) else "no" for one in of_heads),
        ]
        for curve in ("deletion", "insertion")
    ]
    return (
        f"## 5. Can you trust a map?\n\n{_table(['', *heads], rows)}\n\nThe patches are replaced by the "
        f"{measured.baseline} face. "
        "One face says little: over a hundred faces the heads' maps are better than random maps on most of them "
        "(docs/faithfulness.md). To the friend: the map says where the head attends, and most of it is the same for "
        "every "
        "face. Whether the network *used* the mouth is known after covering the mouth, or switching the head off."
    )


def _predicted(probabilities: Tensor, e: Explanation) -> str:
    return f"{e.labels[int(probabilities.argmax())]} ({percent(float(probabilities.max()))})"


def _names(e: Explanation) -> list[str]:
    return [f"Head {h + 1}" for h in range(len(e.heads.embeddings))]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
