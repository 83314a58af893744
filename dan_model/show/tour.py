"""The tour: ten cards that follow one face from its pixels to the decision, each with this face's own numbers.

A card says one thing, asks for one action, and says what follows from it. What the visitor does is noticed in the
browser (`ui/assets/tour.js`), which fills the places in braces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ablate
from dan_model.show.sentences import signed
from dan_model.show.tiles import percent, whole_percent

SYMBOLS = {
    "▦": "pixels",
    "x": "features",
    "a": "spatial attention",
    "g": "channel attention",
    "v": "embeddings",
    "p": "shares",
    "S": "fused",
    "z": "logits",
    "ℓ": "log-probabilities",
}
"""The way from the face to the decision, in order; at the end of the tour each has been touched."""


@dataclass(frozen=True)
class TourCard:
    """One card.

    Attributes:
        name: Unique in the tour.
        title: A few words.
        symbols: Which of `SYMBOLS` it is about, as one text.
        text: What it says, with this face's numbers.
        task: What the visitor is asked to do.
        result: What follows. `{…}` are places for what the visitor chose and what the browser computed.
        head: The head that the task is about, from 0; -1 where it is about none.
        label: The class that the task is about, by index; -1 where it is about none.
    """

    name: str
    title: str
    symbols: str
    text: str
    task: str
    result: str
    head: int = -1
    label: int = -1


def tour_cards(explanation: Explanation) -> tuple[TourCard, ...]:
    """The cards for one face, in order; those about the fusion are left out where there is a single head."""
    single = len(explanation.heads.embeddings) == 1
    of_fusion = () if single else (_swap(), _equal(explanation), _off(explanation))
    second = () if single else (_second(explanation),)
    return (
        _guess(explanation), _cells(explanation), _gates(explanation), *of_fusion, _cover(explanation),
        _limits(explanation), *second, _another(single),
    )  # fmt: skip


def _guess(e: Explanation) -> TourCard:
    side = e.input_pixels.shape[0]
    return TourCard(
        "guess",
        "First, your own guess",
        "▦",
        f"The network gets this face as {side} × {side} pixels, and nothing else. Its prediction is hidden for now; "
        "if you have "
        "seen it already, take another example first.",
        "Which expression do you see? Choose one.",
        "You chose {guess}. The network's prediction stays hidden until you have also chosen where to look. A "
        "predicted "
        "expression is not a felt emotion.",
    )


def _cells(e: Explanation) -> TourCard:
    heads, rows, columns = e.heads.spatial.shape
    return TourCard(
        "cells",
        "Where would you look?",
        "xa",
        f"An image network, the backbone, turns the pixels into features x: {rows} × {columns} cells with many "
        "numbers each. "
        f"Each of the {heads} heads gives every cell a weight, its spatial attention a. Nobody says which cells a "
        "head should "
        "prefer; that was learned.",
        "Click on up to three cells that you would look at. Then reveal.",
        "{agreement} Bright cells weigh more. Each cell also sees its surroundings: more of the face than it covers.",
    )


def _gates(e: Explanation) -> TourCard:
    gates, head = e.heads.gates, e.most_needed_head
    low, high = (float(gates[head].quantile(q)) for q in (0.05, 0.95))
    channels = gates.shape[1]
    return TourCard(
        "gates",
        "What a head passes on",
        "gv",
        f"Each cell has {channels} features, called channels. A head averages each channel over the cells that it "
        "attends to. "
        "Channel attention g then works like a volume knob for each channel, between 0 and 1: in "
        f"Head {head + 1}, nine of ten lie from {low:.2f} to {high:.2f}. The result is the head's embedding v, "
        f"{channels} numbers.",
        f"Click on Head {head + 1} in the picture.",
        f"The figure shows all gates. From here on, only these {channels} numbers of a head count: the fusion does "
        "not see "
        "its map.",
        head,
    )


def _swap() -> TourCard:
    return TourCard(
        "swap",
        "Cross attention?",
        "v",
        "The paper calls spatial and channel attention together cross attention. But nothing here works as in a "
        "transformer: a head has no queries, "
        "keys or "
        "values, and no head reads another. All work side by side, and only the fusion compares them.",
        "Two heads exchange their embeddings. Will the prediction change? Decide, then choose two heads at “Swap”.",
        "{now} Nothing changes: the fusion treats all heads alike. What counts is how the embeddings differ, not which "
        "head each of them comes from.",
    )


def _equal(e: Explanation) -> TourCard:
    heads = len(e.heads.embeddings)
    consensus = e.fusion.consensus.softmax(dim=0)
    label = e.labels[int(consensus.argmax())]
    shares = torch.tensor([2.0, *(0.0 for _ in range(heads - 1))]).softmax(dim=0).tolist()
    example = f"v = {', '.join(['2', *('0' for _ in range(heads - 1))])} gives {', '.join(map(whole_percent, shares))}"
    return TourCard(
        "equal",
        "What if all heads agreed?",
        "pS",
        "In each channel the heads split 100 %: the larger a head's v, the larger its share p (a softmax: "
        f"{example}). The "
        "fusion adds up the logarithms, S = Σ ln p. So it only sees how much the heads differ.",
        "Which class wins if all heads are equal? Guess, then slide α to 0.",
        f"All heads equal: {label} ({percent(float(consensus.max()))}), for this face and for every other one. "
        "All that is specific to a face lies in the differences between its heads.",
    )


def _off(e: Explanation) -> TourCard:
    head, k = e.most_needed_head, e.target
    contributions = ", ".join(f"Head {h + 1} {signed(one)}" for h, one in enumerate(e.fusion.contributions))
    before, after = float(e.prediction.probabilities[k]), float(e.probabilities_with(ablate)[head])
    nat = " (one more multiplies the probability by 2.7)" if e.score.unit == "nats" else ""
    change = "stays at" if percent(before) == percent(after) else "goes from"
    numbers = percent(before) if percent(before) == percent(after) else f"{percent(before)} to {percent(after)}"
    return TourCard(
        "off",
        f"Does Head {head + 1} matter here?",
        "z",
        "A linear layer turns S into one score per class, the logits z, and the softmax makes them probabilities. A "
        "band shows "
        f"what a head contributes to {e.labels[k]}, in {e.score.unit}{nat}: {contributions}.",
        f"Will the prediction change without Head {head + 1}? Decide, then click on “off” under its map.",
        f"Without Head {head + 1}, {e.labels[k]} {change} {numbers}. {{now}} This is how to know that a head matters: "
        "take it away. (Even off, it takes part in the comparison, with zeros.) Try the others, too.",
        head,
    )


def _second(e: Explanation) -> TourCard:
    order = e.prediction.probabilities.argsort(descending=True).tolist()
    other, k = next(one for one in order if one != e.target), e.target
    own, equal = e.prediction.logits.double().log_softmax(dim=0), e.fusion.consensus.double().log_softmax(dim=0)
    added = own - equal
    return TourCard(
        "second",
        f"And why not {e.labels[other]}?",
        "ℓ",
        f"Contributions belong to one class, so far to {e.labels[k]}. They add up to its log-probability ℓ, the "
        "logarithm of "
        f"its probability: {signed(equal[k])} with equal heads, {signed(added[k])} from the heads, {signed(own[k])} "
        "in the end.",
        f"At “Explain the class”, choose {e.labels[other]}.",
        f"For {e.labels[other]}, equal heads give {signed(equal[other])}; the heads add {signed(added[other])}, which "
        "makes "
        f"{signed(own[other])}, {'below' if own[other] < own[k] else 'above'} the {signed(own[k])} of {e.labels[k]}. "
        "Where a "
        "class starts counts as much as what the heads add.",
        label=other,
    )


def _cover(e: Explanation) -> TourCard:
    part = "a part of the face: paint over the mouth" if e.regions is None else "“mouth”, or any other part"
    return TourCard(
        "cover",
        "Cover and compare",
        "▦xaℓ",
        "A map says where a head attends. What happens to the prediction when something is missing is another "
        "question, "
        "and you can try it.",
        f"What will the network predict without the mouth? Guess, then cover {part}.",
        "{now} Pixels, maps, embeddings and probabilities were computed again. If little changed, the covered part was "
        "hardly needed, with this fill, however bright its cells are.",
    )


def _limits(e: Explanation) -> TourCard:
    energy = None if e.reference is None else e.reference.map_energy
    same, task = "", "Open the tab Faithfulness."
    if energy is not None:
        head = int(energy.argmax())
        same = (
            f" Nor does it say that the head reacts to this face: {whole_percent(float(energy[head]))} of the map of "
            f"Head {head + 1} is the same for every reference face."
        )
        task = "Click on “average” below the maps. How much is different on this face?"
    return TourCard(
        "limits",
        "What a map does not prove",
        "a",
        f"A bright cell does not prove that the prediction depends on it.{same}",
        task,
        "So test a map: does it find what the prediction depends on better than random maps do? The tab Faithfulness "
        "measures "
        "it for this face. One kind of fusion map did worse than random maps on a hundred new faces, and looked just "
        "as "
        "convincing.",
    )


def _another(single: bool) -> TourCard:
    fused = "→ logits z" if single else "→ shares p → S = Σ ln p → logits z"
    return TourCard(
        "another",
        "The whole way",
        "▦xagvzℓ" if single else "▦xagvpSzℓ",
        "Pixels → features x → spatial attention a → channel attention g → embeddings v "
        f"{fused} → log-probabilities ℓ.",
        "Choose another face. Which of these change, and which head decides now?",
        "{now} Maps, gates, embeddings and shares are those of the new face; weights and baseline stay. The widest "
        "band "
        "belongs to the head that contributes most. Everything that you used stays where it is: go on by yourself.",
    )
