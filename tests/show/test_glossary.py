"""The glossary: every word has two sentences, and is found where it stands, each once."""

from __future__ import annotations

import re

from dan_model.show.glossary import definitions, glossary, marked


def keys(html):
    return re.findall('data-term="([^"]+)"', html)


def test_every_word_has_one_or_two_sentences_and_a_key_of_its_own():
    terms = glossary()
    assert len({term.key for term in terms}) == len(terms) > 30
    for term in terms:
        assert term.meaning.endswith(".")
        assert 1 <= len(re.findall(r"[.:](?= [A-Z“]|$)", term.meaning)) <= 3
        assert f'id="dan-term-{term.key}"' in definitions()


def test_words_are_marked_once_in_either_number_and_never_inside_other_words():
    html = marked("Nats are units; a nat is one. Donating, logits, Logit")
    assert keys(html) == ["nat", "logit"]
    assert re.sub("<[^>]+>", "", html) == "Nats are units; a nat is one. Donating, logits, Logit"


def test_the_longest_word_wins_and_text_is_escaped():
    html = marked("the baseline (all heads equal) <b> & the head's map")
    assert keys(html) == ["baseline-all-heads-equal", "spatial-attention"]
    assert "&lt;b&gt; &amp;" in html


def test_no_more_words_are_marked_than_asked_for():
    text = "Shares, logits, nats, evidence and residuals"
    assert keys(marked(text)) == ["share", "logit", "nat"]
    assert keys(marked(text, limit=1)) == ["share"]


def test_every_word_of_the_page_is_in_the_reference_glossary(pytestconfig):
    reference = (pytestconfig.rootpath / "docs" / "reference" / "glossary.md").read_text(encoding="utf-8").lower()
    assert [term.name for term in glossary() if term.name.split(" (")[0].lower() not in reference] == []
