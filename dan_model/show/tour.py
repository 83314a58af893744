"""The tour: ten cards that follow one face from its pixels to the decision, each with this face's own numbers.

A card says one thing, asks for one action, and says what follows from it. What the visitor does is noticed in the
browser (`ui/assets/tour.js`), which fills the places in braces.
"""

from __future__ import annotations

from dataclasses import dataclass

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ablate
from dan_model.explain.score import LOG_PROBABILITY
from dan_model.show.sentences import signed
from dan_model.show.tiles import percent, whole_percent

SYMBOLS = {
    "x": "pixels",
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
    of_fusion = () if single else (_swap(), _equal(explanation), _off(explanation), _second(explanation))
    return (
        _guess(explanation), _cells(explanation), _gates(explanation), *of_fusion, _cover(explanation),
        _limits(explanation), _another(single),
    )  # fmt: skip


def _guess(e: Explanation) -> TourCard:
    side = e.input_pixels.shape[0]
    prediction = e.prediction
    return TourCard(
        "guess",
        "First, your own guess",
        "x",
        f"The network gets this face as {side} × {side} pixels (x), and nothing else. Its prediction is hidden for "
        "now.",
        "Which expression do you see? Choose one.",
        f"You chose {{guess}}. The network predicts {prediction.label} "
        f"({percent(float(prediction.probabilities[prediction.index]))}). A predicted expression is not a felt "
        "emotion.",
    )


def _cells(e: Explanation) -> TourCard:
    heads, rows, columns = e.heads.spatial.shape
    return TourCard(
        "cells",
        "Where would you look?",
        "a",
        f"The backbone turns the pixels into {rows} × {columns} cells. Each of the {heads} heads gives every cell a "
        "weight: "
        "its spatial attention a. Nothing tells a head which cells to prefer; that was learned.",
        "Click on up to three cells that you would look at. Then reveal.",
        "{agreement} Bright cells weigh more. A cell's value depends on more of the face than the cell covers.",
    )


def _gates(e: Explanation) -> TourCard:
    gates, head = e.heads.gates, e.most_needed_head
    strong, weak = float(gates[head].max()), float(gates[head].min())
    channels = gates.shape[1]
    return TourCard(
        "gates",
        "What a head passes on",
        "gv",
        f"A head averages {channels} channels over the cells that it attends to. Then channel attention g, between 0 "
        f"and 1, decides how much of each channel passes: in Head {head + 1}, from {weak:.2f} to {strong:.2f}. The "
        f"result is its embedding v: {channels} numbers, never negative.",
        f"Click on Head {head + 1} in the picture.",
        "The tab Heads opens. Its figure “Channel attention” shows all gates. From here on, a head is its embedding v: "
        "the fusion does not see the map itself.",
        head,
    )


def _swap() -> TourCard:
    return TourCard(
        "swap",
        "Cross attention?",
        "v",
        "The paper calls this cross attention. But a head has no queries, keys or values, and no head reads another: "
        "all work side by side. Only the fusion compares them.",
        "Two heads exchange their embeddings. Will the prediction change? Decide, then choose two heads at “Swap”.",
        "{now} Nothing changes: the fusion treats all heads alike. What counts is how the embeddings differ, not which "
        "head each of them comes from.",
    )


def _equal(e: Explanation) -> TourCard:
    heads = len(e.heads.embeddings)
    consensus = e.fusion.consensus.softmax(dim=0)
    label = e.labels[int(consensus.argmax())]
    return TourCard(
        "equal",
        "What if all heads agreed?",
        "pS",
        "In each channel the heads share a whole: p is the softmax of v over the heads, so an equal share is "
        f"{percent(1 / heads)}. The fusion adds up the logarithms: S = Σ ln p. It only sees how much the heads differ.",
        "Which class wins if all heads are equal? Guess, then slide α to 0.",
        f"All heads equal: {label} ({percent(float(consensus.max()))}), for this face and for every other one. "
        "All that is specific to a face lies in the differences between its heads.",
    )


def _off(e: Explanation) -> TourCard:
    head, k = e.most_needed_head, e.target
    contributions = ", ".join(f"Head {h + 1} {signed(one)}" for h, one in enumerate(e.fusion.contributions))
    before, after = float(e.prediction.probabilities[k]), float(e.probabilities_with(ablate)[head])
    change = "stays at" if percent(before) == percent(after) else "goes from"
    numbers = percent(before) if percent(before) == percent(after) else f"{percent(before)} to {percent(after)}"
    return TourCard(
        "off",
        f"Does Head {head + 1} matter here?",
        "z",
        f"From S come the logits z, and the probabilities. The width of a band is a head's contribution to "
        f"{e.labels[k]}, in {e.score.unit}: {contributions}.",
        f"Will the prediction change without Head {head + 1}? Decide, then click on “off” under its map.",
        f"Without Head {head + 1}, {e.labels[k]} {change} {numbers}. {{now}} This is how to know that a head matters: "
        "take it away.",
        head,
    )


def _second(e: Explanation) -> TourCard:
    order = e.prediction.probabilities.argsort(descending=True).tolist()
    other, k = next(one for one in order if one != e.target), e.target
    head = int(e.fusion.contributions.abs().argmax())
    after, before = float(e.score.pick(e.prediction.logits.log_softmax(dim=0))), float(e.score.pick(e.fusion.consensus))
    # The sum is that of ln p; other scores have their own numbers.
    summed = (
        f" They add up: ℓ goes from {signed(before)} with equal heads to {signed(after)} here."
        if e.score.kind == LOG_PROBABILITY and e.score.head is None
        else ""
    )
    return TourCard(
        "second",
        f"And why not {e.labels[other]}?",
        "ℓ",
        f"A contribution always belongs to a class. So far they explained {e.labels[k]}: its log-probability ℓ, "
        f"the logarithm of its probability."
        f"{summed}",
        f"At “Explain the class”, choose {e.labels[other]}.",
        f"Head {head + 1} contributes {signed(e.fusion.ledger[head, other])} to {e.labels[other]} and "
        f"{signed(e.fusion.ledger[head, k])} to {e.labels[k]}, each counted from where equal heads leave that class. "
        "Ask about another class, and the same head has another contribution.",
        head,
        other,
    )


def _cover(e: Explanation) -> TourCard:
    part = "a part of the face: paint over the mouth" if e.regions is None else "“mouth”, or any other part"
    return TourCard(
        "cover",
        "Cover and compare",
        "xaℓ",
        "A map says where a head attends. What happens to the prediction when something is missing is another "
        "question, "
        "and you can try it.",
        f"What will the network predict without the mouth? Guess, then cover {part}.",
        "{now} Pixels, maps, embeddings and probabilities were computed again. If little changed, the covered part was "
        "not needed, however bright its cells are.",
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
        "So test a map: is it better than a random map at finding what the prediction depends on? The tab Faithfulness "
        "measures it for this face. On a hundred validation faces, the fusion map of the raw logit was worse than "
        "random "
        "maps, and looked just as convincing.",
    )


def _another(single: bool) -> TourCard:
    fused = "→ logits z" if single else "→ shares p → S = Σ ln p → logits z"
    return TourCard(
        "another",
        "The whole way",
        "xagvzℓ" if single else "xagvpSzℓ",
        f"Pixels x → spatial attention a → channel attention g → embeddings v {fused} → log-probabilities ℓ.",
        "Choose another face. Which of these change, and which head decides now?",
        "Now you can find out by yourself: everything that you used stays where it is.",
    )
