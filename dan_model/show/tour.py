"""The tour: ten cards that follow one face from its pixels to the decision, each with this face's own numbers.

A card says one thing, asks for one action, and says what follows from it. What the visitor does is noticed in the
browser (`ui/assets/tour.js`), which fills the places in braces.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dan_model.explain.explanation import Explanation
from dan_model.explain.fusion import ablate
from dan_model.explain.reference import compare_maps
from dan_model.show.sentences import HARDLY_SELECT, signed
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
        f"The network gets this face as {side} × {side} pixels, and nothing else. Its prediction is hidden for now. "
        "You have seen it already? Then click another face in the row of examples first.",
        "Which expression do you see? Choose one.",
        "You chose {guess}. The network's prediction stays hidden until you press “Reveal”, on the next card. A "
        "predicted expression is not a felt emotion.",
    )


def _cells(e: Explanation) -> TourCard:
    heads, rows, columns = e.heads.spatial.shape
    return TourCard(
        "cells",
        "Where would you look?",
        "xa",
        f"An image network, the backbone, turns the pixels into features x: {rows} × {columns} cells with many "
        f"numbers each. Each of the {heads} heads gives every cell a weight, its spatial attention a. Nobody said "
        "which cells to prefer; the heads learned it in training.",
        "Click on up to three cells that you would look at. Then reveal.",
        "{agreement} The stronger its colour, the more a cell weighs. Each cell also sees its surroundings: more of "
        "the face than it covers.",
    )


def _gates(e: Explanation) -> TourCard:
    gates, head = e.heads.gates, e.most_needed_head
    low, high = (float(gates[head].quantile(q)) for q in (0.05, 0.95))
    channels, hardly = gates.shape[1], ", so it hardly chooses" if high - low < HARDLY_SELECT else ""
    return TourCard(
        "gates",
        "What a head passes on",
        "gv",
        f"Each cell has {channels} features, called channels. A head averages each channel over the cells that it "
        "attends to. Channel attention g then works like a volume knob for each channel, called its gate, between 0 "
        f"and 1: nine of ten gates of Head {head + 1} lie from {low:.2f} to {high:.2f}{hardly}. The result is the "
        f"head's embedding v, {channels} numbers.",
        f"Click on Head {head + 1} in the diagram at the top.",
        f"The figure shows all gates. From here on, only the {channels} numbers of a head's embedding count: the "
        "fusion does not see its map.",
        head,
    )


def _swap() -> TourCard:
    return TourCard(
        "swap",
        "Cross attention?",
        "v",
        "The paper on DAN (Wen et al., 2021) calls spatial and channel attention together cross attention. But "
        "nothing here works as in a transformer: a head has no queries, keys or values, and no head reads another. "
        "All work side by side, and only the fusion compares them.",
        "Two heads exchange their embeddings. Will the prediction change? Decide, then choose two heads at “Swap”.",
        "{now} Nothing has changed: the fusion treats all heads alike. What counts is how the embeddings differ, "
        "not which head each of them comes from.",
    )


def _equal(e: Explanation) -> TourCard:
    heads = len(e.heads.embeddings)
    consensus = e.fusion.consensus.softmax(dim=0)
    label = e.labels[int(consensus.argmax())]
    shares = torch.tensor([2.0, *(0.0 for _ in range(heads - 1))]).softmax(dim=0).tolist()
    example = f"v = {', '.join(['2', *('0' for _ in range(heads - 1))])} gives {', '.join(map(whole_percent, shares))}"
    return TourCard(
        "equal",
        "What if all heads were equal?",
        "pS",
        "In each channel, 100 % are divided among the heads: the larger a head's v, the larger its share p (a "
        f"softmax: {example}). The fusion adds up the logarithms of the shares, S = Σ ln p for each channel. If all "
        "heads hold the same number, the shares are equal, however large it is: the fusion sees only how much the "
        "heads differ.",
        "Which class wins if all heads are equal? Guess, then slide α to 0.",
        f"All heads equal: {label} ({percent(float(consensus.max()))}), for this face and for every other one. All "
        "that is specific to a face lies in the differences between its heads.",
    )


def _off(e: Explanation) -> TourCard:
    head, k = e.most_needed_head, e.target
    contributions = ", ".join(f"Head {h + 1} {signed(one)}" for h, one in enumerate(e.fusion.contributions))
    before, after = float(e.prediction.probabilities[k]), float(e.probabilities_with(ablate)[head])
    nat = " (one nat more multiplies the probability by 2.7)" if e.score.unit == "nats" else ""
    change = "stays at" if percent(before) == percent(after) else "goes from"
    numbers = percent(before) if percent(before) == percent(after) else f"{percent(before)} to {percent(after)}"
    return TourCard(
        "off",
        f"Does Head {head + 1} matter here?",
        "z",
        "A linear layer turns all these S into one score per class, the logits z, and the softmax makes them "
        f"probabilities. A band shows what a head contributes to {e.labels[k]}, in {e.score.unit}{nat}: "
        f"{contributions}.",
        f"Will the prediction change without Head {head + 1}? Decide, then click on “off” under its map.",
        f"Without Head {head + 1}, {e.labels[k]} {change} {numbers}. {{now}} This is how to know that a head "
        "matters: take it away. Off means that its embedding is zero; the fusion still compares these zeros. And "
        "what a head contributes, counted from equal heads, is another question: the two need not agree. Try the "
        "others, too.",
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
        f"So far all contributions were to {e.labels[k]}; every class has its own. They add up to its "
        f"log-probability ℓ, the logarithm of its probability: {signed(equal[k])} with equal heads, "
        f"{signed(added[k])} from the heads, {signed(own[k])} in the end.",
        f"At “Explain the class”, choose {e.labels[other]}.",
        f"For {e.labels[other]}, equal heads give {signed(equal[other])}; the heads add {signed(added[other])}, "
        f"which makes {signed(own[other])}, {'below' if own[other] < own[k] else 'above'} the {signed(own[k])} of "
        f"{e.labels[k]}. Where a class starts counts as much as what the heads add.",
        label=other,
    )


def _cover(e: Explanation) -> TourCard:
    part = "a part of the face: paint over the mouth" if e.regions is None else "“mouth”, or any other part"
    return TourCard(
        "cover",
        "Cover and compare",
        "▦xaℓ",
        "A map says where a head attends. What happens to the prediction when something is missing is another "
        "question, and you can try it.",
        f"What will the network predict without the mouth? Guess, then cover {part}.",
        "{now} Pixels, maps, embeddings and probabilities were computed again. If little changed, the covered part "
        "was hardly needed, even if its cells are bright. Another fill may give another result.",
    )


def _limits(e: Explanation) -> TourCard:
    energy = None if e.reference is None else e.reference.map_energy
    same, answer, task = "", "", "Open the tab Faithfulness."
    if energy is not None:
        head = int(energy.argmax())
        same = (
            f" Nor does it say that the head reacts to this face: {whole_percent(float(energy[head]))} of the map of "
            f"Head {head + 1} is the same for every reference face."
        )
        task = "Click on “average” below the maps. How much is different on this face?"
        answer = _difference(e)
    return TourCard(
        "limits",
        "What a map does not prove",
        "a",
        f"A bright cell does not prove that the prediction depends on it.{same}",
        task,
        f"{answer}So test a map: does it find the places that the prediction depends on better than a random map "
        "does? The tab Faithfulness measures it for this face. With earlier weights, the fusion map of a raw logit "
        "did worse than random maps on a hundred new faces, and looked just as convincing.",
    )


def _difference(e: Explanation) -> str:
    """How like its average each head's map is on this face; empty where the averages are not known."""
    found = None if e.reference is None else compare_maps(e.heads.spatial, e.reference)
    if found is None:
        return ""
    low, high = float(found.cosine.min()), float(found.cosine.max())
    between = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
    return f"The cosine between each head's map and its average is {between} on this face; 1 means the same shape. "


def _another(single: bool) -> TourCard:
    fused = "→ logits z" if single else "→ shares p → S = Σ ln p → logits z"
    return TourCard(
        "another",
        "The whole way",
        "▦xagvzℓ" if single else "▦xagvpSzℓ",
        f"Pixels → features x → spatial attention a → channel attention g → embeddings v {fused} → log-probabilities "
        "ℓ.",
        "Choose another face. Which of these change, and which head decides now?",
        "{now} Everything on this way changes; only the trained weights stay, and what equal heads would predict. "
        "The widest band belongs to the head that contributes most; the sentence below the diagram names the head "
        "whose removal changes most. All tools stay on the page: go on exploring.",
    )
