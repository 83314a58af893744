"""The cards of the tour: their numbers are this face's, worked out by another way, and every symbol is touched."""

from __future__ import annotations

import math
import re

import pytest

from dan_model.explain import Explainer
from dan_model.faces import whole_image
from dan_model.show.tiles import percent
from dan_model.show.tour import SYMBOLS, tour_cards
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan


@pytest.fixture(scope="module")
def explanation(explainer):
    return explainer.explain(EXAMPLES / "hopper.jpg", attributions=())


@pytest.fixture(scope="module")
def cards(explanation):
    return {card.name: card for card in tour_cards(explanation)}


def with_heads(heads, detector, astronaut):
    return Explainer(random_dan(3, heads, image_size=64), detector).explain(
        astronaut, face=whole_image(astronaut), attributions=()
    )


def test_ten_cards_touch_every_symbol_of_the_way(cards):
    assert len(cards) == 10
    assert set("".join(card.symbols for card in cards.values())) == set(SYMBOLS)


def test_the_card_about_equal_heads_says_what_any_face_would_give(cards, explainer):
    collins = explainer.explain(EXAMPLES / "astronaut.jpg", attributions=())
    v = collins.heads.embeddings.double()
    logits = collins.fusion.classifier.logits(v.mean(dim=0, keepdim=True).expand_as(v))
    p = logits.softmax(dim=0)
    assert f"{collins.labels[int(p.argmax())]} ({percent(float(p.max()))})" in cards["equal"].result


def test_the_card_about_a_head_says_what_happens_without_it(cards, explanation):
    card, e = cards["off"], explanation
    v = e.heads.embeddings.double()
    without = []
    for h in range(len(v)):
        zeroed = v.clone()
        zeroed[h] = 0
        without.append(float(e.fusion.classifier.logits(zeroed).softmax(dim=0)[e.target]))
    own = float(e.prediction.probabilities[e.target])
    head = max(range(len(v)), key=lambda h: abs(without[h] - own))
    assert card.head == head
    assert f"{percent(own)} to {percent(without[head])}" in card.result
    # The contributions in its text sum to what the card about the second class says that the heads add.
    parts = [float(x.replace("−", "-")) for x in re.findall(r"Head \d ([+−]\d+\.\d+)", card.text)]
    start, added, end = numbers_in(cards["second"].text)
    assert sum(parts) == pytest.approx(added, abs=0.03)
    assert end - start == pytest.approx(added, abs=0.02)


def numbers_in(text):
    return [float(x.replace("−", "-")) for x in re.findall(r"[+−]\d+\.\d+", text)]


def test_the_second_class_is_the_most_probable_other_one_and_its_sum_is_that_of_its_own_ledger(
    cards, explanation, explainer
):
    card, e = cards["second"], explanation
    order = e.prediction.logits.argsort(descending=True).tolist()
    assert (order[0], card.label) == (e.target, order[1])
    other = explainer.explain(EXAMPLES / "hopper.jpg", target=e.labels[card.label], attributions=())
    start, added, end, own = numbers_in(card.result)
    assert added == pytest.approx(float(other.fusion.contributions.sum()), abs=0.006)
    assert end == pytest.approx(math.log(float(e.prediction.probabilities[card.label])), abs=0.006)
    assert start + added == pytest.approx(end, abs=0.02)
    assert own == pytest.approx(math.log(float(e.prediction.probabilities[e.target])), abs=0.006)
    assert "below" in card.result


@pytest.mark.parametrize(("heads", "count"), [(1, 6), (2, 10), (9, 10)])
def test_cards_fit_any_number_of_heads(heads, count, detector, astronaut):
    cards = tour_cards(with_heads(heads, detector, astronaut))
    assert len(cards) == count
    shown = " ".join(card.text for card in cards)
    if heads > 1:  # e² against H − 1 ones
        assert f"{100 * math.exp(2) / (math.exp(2) + heads - 1):.0f}\u00a0%" in shown
    assert "paint over the mouth" in next(card for card in cards if card.name == "cover").task  # no landmarks
