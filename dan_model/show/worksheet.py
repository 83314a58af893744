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
from dan_model.show.sentences import signed
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
            _heads(explanations), _ablation(first, second), _fusion(first, second), _covered(first, covered),
            _faithfulness(first, measured),
        ]
    ) + "\n"  # fmt: skip


def _heads(explanations: Sequence[Explanation]) -> str:
    named = zip(FACES.values(), explanations, strict=True)
    predicted = _table(
        ["face", "the network's prediction"], [[name, _predicted(e.prediction.probabilities, e)] for name, e in named]
    )
    e = explanations[0]
    assert e.regions is not None
    shares = [e.regions.shares(cells) for cells in e.heads.spatial]
    places = [f"{REGIONS[int(one.argmax())]} ({whole_percent(float(one.max()))})" for one in shares]
    return f"""## 1. What does a head do?

{predicted}

{_table(["", *_names(e)], [["Grace Hopper", *places]])}

A head gives each of the 7 × 7 cells of the face a weight, averages the features with these weights, and passes on
some channels (slightly) more than others. A cell can lie across several regions. Which head agrees with a student
depends on the cells that were chosen. Common misreading: that a head *recognises* an expression. By itself it only
weighs."""


def _ablation(e: Explanation, other: Explanation) -> str:
    label, heads = e.labels[e.target], _names(e)
    after = for_each_head(e.fusion.classifier, e.heads.embeddings, ablate).softmax(dim=1)  # (H, K)
    off, only = after[:, e.target].tolist(), e.probabilities_with(ablate_all_but).tolist()
    rows = [
        [f"probability of {label} with this head off", *map(percent, off)],
        ["predicted then", *(_predicted(p, e) for p in after)],
        [f"probability of {label} with only this head", *map(percent, only)],
    ]
    brightest = int(e.heads.spatial.flatten(1).max(dim=1).values.argmax())
    own = float(e.prediction.probabilities[e.target])
    least = min(range(len(off)), key=lambda h: abs(off[h] - own))
    widest, needed = int(other.fusion.contributions.abs().argmax()), other.most_needed_head
    without = float(other.probabilities_with(ablate)[needed])
    return f"""## 2. Does every head matter?

{_table(["", *heads], rows)}

Without changes: {_predicted(e.prediction.probabilities, e)}. The probability changes most without
Head {e.most_needed_head + 1} and least without Head {least + 1}; the brightest cell is in the map of Head
{brightest + 1}. But brightness is no proof: it says how much a cell weighs within a head, not how much the head
decides. That is only known by taking the head away. Nor is the widest band: a contribution is counted from equal
heads, which is another question. On Eileen Collins the widest band is that of Head {widest + 1}
({signed(other.fusion.contributions[widest])} nats), and the probability changes most without Head {needed + 1}
({percent(without)})."""


def _fusion(first: Explanation, second: Explanation) -> str:
    equal = first.fusion.consensus.softmax(dim=0)
    rows = []
    for name, e in zip(FACES.values(), (first, second), strict=False):
        swapped = e.fusion.classifier.logits(swap(e.heads.embeddings.double(), 0, 1)).softmax(dim=0)
        p = e.fusion.consensus.softmax(dim=0)
        rows.append([name, e.labels[int(p.argmax())], percent(float(p.max())), _predicted(swapped, e)])
    return f"""## 3. What does the fusion see?

{_table(["", "prediction at α = 0", "its probability", "prediction after a swap"], rows)}

At α = 0 all heads have the same embedding. Then each holds an equal share p = 1/{len(first.heads.embeddings)} of
every channel, S = Σ ln p is the same number in every channel whatever the face, and so are the logits:
{first.labels[int(equal.argmax())]} for everybody. The fusion sees only how much the heads *differ*. It treats all
heads alike: a swap reorders the shares, and their sum stays the same."""


def _covered(e: Explanation, covered: Mapping[str, Explanation]) -> str:
    label, k = e.labels[e.target], e.target
    own = e.prediction.probabilities[k]
    rows = [["nothing", percent(float(own)), _predicted(e.prediction.probabilities, e)]]
    for region in COVERED:
        p = covered[region].prediction.probabilities
        rows.append([region, percent(float(p[k])), _predicted(p, e)])
    most = max(COVERED, key=lambda region: abs(float(covered[region].prediction.probabilities[k] - own)))
    return f"""## 4. What happens without it?

{_table(["covered", f"probability of {label}", "predicted"], rows)}

Covering the {most} changes the probability most. Compare with exercise 1: the regions that the heads attend to
most are not simply those that change it most, and covering one may even raise it. A bright cell shows where a head
attends; whether the prediction depends on it is only known by covering it. Regions differ in size, and a grey
patch is itself something that the network never saw in training: try *blur* and *mean face* too."""


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
    return f"""## 5. Can you trust a map?

{_table(["", *heads], rows)}

Patches of pixels are replaced by the {measured.baseline} baseline; there are {len(measured.random)} random maps.
One face says little: over a hundred faces the heads' maps are better than random maps on most of them
(docs/faithfulness.md). The tab Heads asks something else: it replaces cells of the *features*, not pixels. To the
friend: the map says where the head attends, and most of it is the same for every face. Whether the network *used*
the mouth is known after covering the mouth, or switching the head off."""


def _predicted(probabilities: Tensor, e: Explanation) -> str:
    return f"{e.labels[int(probabilities.argmax())]} ({percent(float(probabilities.max()))})"


def _names(e: Explanation) -> list[str]:
    return [f"Head {h + 1}" for h in range(len(e.heads.embeddings))]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
