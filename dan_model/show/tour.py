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
from dan_model.explain.score import LOGIT
from dan_model.show.sentences import HARDLY_SELECT, signed
from dan_model.show.tiles import percent, whole_percent
from dan_model.texts import head_name
from dan_model.texts import translate as _

SYMBOLS = {
    "▦": _("pixels"),
    "x": _("features"),
    "a": _("spatial attention"),
    "g": _("channel attention"),
    "v": _("embeddings"),
    "p": _("shares"),
    "S": _("fused"),
    "z": _("logits"),
    "ℓ": _("log-probabilities"),
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
        _("First, your own guess"),
        "▦",
        _(
            "The network gets this face as {side} × {side} pixels, and nothing else. Its prediction is hidden for now. "
            "You have seen it already? Then click another face in the row of examples first."
        ).format(side=side),
        _("Which expression do you see? Choose one."),
        _(
            "You chose {guess}. The network's prediction stays hidden until you press “Reveal”, on the next card. A "
            "predicted expression is not a felt emotion."
        ),
    )


def _cells(e: Explanation) -> TourCard:
    heads, rows, columns = e.heads.spatial.shape
    return TourCard(
        "cells",
        _("Where would you look?"),
        "xa",
        _(
            "An image network, the backbone, turns the pixels into features x: {rows} × {columns} cells with many "
            "numbers each. Each of the {heads} heads gives every cell a weight, its spatial attention a. Nobody said "
            "which cells to prefer; the heads learned it in training."
        ).format(rows=rows, columns=columns, heads=heads),
        _("Click on up to three cells that you would look at. Then reveal."),
        _(
            "{agreement} The stronger its colour, the more a cell weighs. Each cell also sees its surroundings: more "
            "of the face than it covers."
        ),
    )


def _gates(e: Explanation) -> TourCard:
    gates, head = e.heads.gates, e.most_needed_head
    low, high = (float(gates[head].quantile(q)) for q in (0.05, 0.95))
    range_ = _("nine of ten gates of {head} lie from {low} to {high}")
    if high - low < HARDLY_SELECT:
        range_ = _("nine of ten gates of {head} lie from {low} to {high}, so it hardly chooses")
    named = {"head": head_name(head), "channels": gates.shape[1]}
    return TourCard(
        "gates",
        _("What a head passes on"),
        "gv",
        _(
            "Each cell has {channels} features, called channels. A head averages each channel over the cells that it "
            "attends to. Channel attention g then works like a volume knob for each channel, called its gate, between "
            "0 and 1: {range}. The result is the head's embedding v, {channels} numbers."
        ).format(range=range_.format(low=f"{low:.2f}", high=f"{high:.2f}", **named), **named),
        _("Click on {head} in the diagram at the top.").format(**named),
        _(
            "The figure shows all gates. From here on, only the {channels} numbers of a head's embedding count: the "
            "fusion does not see its map."
        ).format(**named),
        head,
    )


def _swap() -> TourCard:
    return TourCard(
        "swap",
        _("Cross attention?"),
        "v",
        _(
            "The paper on DAN (Wen et al., 2021) calls spatial and channel attention together cross attention. But "
            "nothing here works as in a transformer: a head has no queries, keys or values, and no head reads another. "
            "All work side by side, and only the fusion compares them."
        ),
        _("Two heads exchange their embeddings. Will the prediction change? Decide, then choose two heads at “Swap”."),
        _(
            "{now} Nothing has changed: the fusion treats all heads alike. What counts is how the embeddings differ, "
            "not which head each of them comes from."
        ),
    )


def _equal(e: Explanation) -> TourCard:
    heads = len(e.heads.embeddings)
    consensus = e.fusion.consensus.softmax(dim=0)
    label = e.labels[int(consensus.argmax())]
    embeddings = [2, *[0] * (heads - 1)]
    shares = torch.tensor(embeddings, dtype=torch.float32).softmax(dim=0).tolist()
    example = _("v = {embeddings} gives {shares}").format(
        embeddings=", ".join(map(str, embeddings)), shares=", ".join(map(whole_percent, shares))
    )
    return TourCard(
        "equal",
        _("What if all heads were equal?"),
        "pS",
        _(
            "In each channel, 100 % are divided among the heads: the larger a head's v, the larger its share p (a "
            "softmax: {example}). The fusion adds up the logarithms of the shares, S = Σ ln p for each channel. If all "
            "heads hold the same number, the shares are equal, however large it is: the fusion sees only how much the "
            "heads differ."
        ).format(example=example),
        _("Which class wins if all heads are equal? Guess, then slide α to 0."),
        _(
            "All heads equal: {label} ({probability}), for this face and for every other one. All that is specific to "
            "a face lies in the differences between its heads."
        ).format(label=label, probability=percent(float(consensus.max()))),
    )


def _off(e: Explanation) -> TourCard:
    head, k = e.most_needed_head, e.target
    contributions = ", ".join(f"{head_name(h)} {signed(one)}" for h, one in enumerate(e.fusion.contributions))
    before, after = float(e.prediction.probabilities[k]), float(e.probabilities_with(ablate)[head])
    unit = _("nats (one nat more multiplies the probability by 2.7)") if e.score.kind != LOGIT else _(e.score.unit)
    change = _("Without {head}, {label} goes from {before} to {after}.")
    if percent(before) == percent(after):
        change = _("Without {head}, {label} stays at {before}.")
    named = {"head": head_name(head), "label": e.labels[k]}
    reason = _(
        "{change} {now} This is how to know that a head matters: take it away. Off means that its embedding is zero; "
        "the fusion still compares these zeros. And what a head contributes, counted from equal heads, is another "
        "question: the two need not agree. Try the others, too."
    )
    return TourCard(
        "off",
        _("Does {head} matter here?").format(**named),
        "z",
        _(
            "A linear layer turns all these S into one score per class, the logits z, and the softmax makes them "
            "probabilities. A band shows what a head contributes to {label}, in {unit}: {contributions}."
        ).format(unit=unit, contributions=contributions, **named),
        _("Will the prediction change without {head}? Decide, then click on “off” under its map.").format(**named),
        reason.format(change=change.format(before=percent(before), after=percent(after), **named), now="{now}"),
        head,
    )


def _second(e: Explanation) -> TourCard:
    order = e.prediction.probabilities.argsort(descending=True).tolist()
    other, k = next(one for one in order if one != e.target), e.target
    own, equal = e.prediction.logits.double().log_softmax(dim=0), e.fusion.consensus.double().log_softmax(dim=0)
    added, named = own - equal, {"label": e.labels[k], "other": e.labels[other], "end": signed(own[k])}
    result = _(
        "For {other}, equal heads give {equal}; the heads add {added}, which makes {sum}, above the {end} of {label}. "
        "Where a class starts counts as much as what the heads add."
    )
    if own[other] < own[k]:
        result = _(
            "For {other}, equal heads give {equal}; the heads add {added}, which makes {sum}, below the {end} of "
            "{label}. Where a class starts counts as much as what the heads add."
        )
    return TourCard(
        "second",
        _("And why not {other}?").format(**named),
        "ℓ",
        _(
            "So far all contributions were to {label}; every class has its own. They add up to its log-probability ℓ, "
            "the logarithm of its probability: {equal} with equal heads, {added} from the heads, {end} in the end."
        ).format(equal=signed(equal[k]), added=signed(added[k]), **named),
        _("At “Explain the class”, choose {other}.").format(**named),
        result.format(equal=signed(equal[other]), added=signed(added[other]), sum=signed(own[other]), **named),
        label=other,
    )


def _cover(e: Explanation) -> TourCard:
    task = _("What will the network predict without the mouth? Guess, then cover “mouth”, or any other part.")
    if e.regions is None:
        task = _(
            "What will the network predict without the mouth? Guess, then cover a part of the face: paint over the "
            "mouth."
        )
    return TourCard(
        "cover",
        _("Cover and compare"),
        "▦xaℓ",
        _(
            "A map says where a head attends. What happens to the prediction when something is missing is another "
            "question, and you can try it."
        ),
        task,
        _(
            "{now} Pixels, maps, embeddings and probabilities were computed again. If little changed, the covered part "
            "was hardly needed, even if its cells are bright. Another fill may give another result."
        ),
    )


def _limits(e: Explanation) -> TourCard:
    energy = None if e.reference is None else e.reference.map_energy
    text, answer = _("A bright cell does not prove that the prediction depends on it."), ""
    task = _("Open the tab Faithfulness.")
    if energy is not None:
        head = int(energy.argmax())
        same = _(
            "Nor does it say that the head reacts to this face: {share} of the map of {head} is the same for every "
            "reference face."
        ).format(share=whole_percent(float(energy[head])), head=head_name(head))
        text = f"{text} {same}"
        task = _("Click on “average” below the maps. How much is different on this face?")
        answer = _difference(e)
    test = _(
        "So test a map: does it find the places that the prediction depends on better than a random map does? The tab "
        "Faithfulness measures it for this face. With earlier weights, the fusion map of a raw logit did worse than "
        "random maps on a hundred new faces, and looked just as convincing."
    )
    return TourCard("limits", _("What a map does not prove"), "a", text, task, f"{answer}{test}")


def _difference(e: Explanation) -> str:
    """How like its average each head's map is on this face, and a space; empty where the averages are not known."""
    found = None if e.reference is None else compare_maps(e.heads.spatial, e.reference)
    if found is None:
        return ""
    low, high = float(found.cosine.min()), float(found.cosine.max())
    between = "{low}" if f"{low:.2f}" == f"{high:.2f}" else _("{low} to {high}")
    between = between.format(low=f"{low:.2f}", high=f"{high:.2f}")
    likeness = _("The cosine between each head's map and its average is {range} on this face; 1 means the same shape.")
    return likeness.format(range=between) + " "


def _another(single: bool) -> TourCard:
    way = _(
        "Pixels → features x → spatial attention a → channel attention g → embeddings v → shares p → S = Σ ln p → "
        "logits z → log-probabilities ℓ."
    )
    if single:
        way = _(
            "Pixels → features x → spatial attention a → channel attention g → embeddings v → logits z → "
            "log-probabilities ℓ."
        )
    return TourCard(
        "another",
        _("The whole way"),
        "▦xagvzℓ" if single else "▦xagvpSzℓ",
        way,
        _("Choose another face. Which of these change, and which head decides now?"),
        _(
            "{now} Everything on this way changes; only the trained weights stay, and what equal heads would predict. "
            "The widest band belongs to the head that contributes most; the sentence below the diagram names the head "
            "whose removal changes most. All tools stay on the page: go on exploring."
        ),
    )
