from __future__ import annotations

import pytest

from dan_model.errors import ArgumentError
from dan_model.explain.attributions import BASELINES, METHODS, AttributionRequest, parse_requests


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("magic", "no attribution method 'magic'"),
        ("saliency@black", "Saliency has no baseline"),
        ("occlusion@green", "no baseline 'green'"),
        ("occlusion:size=3", "Occlusion has no setting 'size'"),
        ("occlusion:window=4", r"window must lie in \[8, 112\], got 4"),
        ("occlusion:window=wide", "window must be a whole number, got 'wide'"),
        ("occlusion:window=8", "stride is larger than the window"),
        ("smooth_grad:noise=2", r"noise must lie in \[0, 1\], got 2"),
        ("occlusion:window=" + "9" * 400, r"window must lie in \[8, 112\]"),
        ("integrated_gradients:steps=480,most=7", "most is less than steps"),
    ],
)
def test_invalid_requests_are_refused_with_the_reason(text, message):
    with pytest.raises(ArgumentError, match=message):
        AttributionRequest.parse(text)


def test_requests_parse_the_text_that_they_print():
    for name, method in METHODS.items():
        assert AttributionRequest.parse(name).text == name
        if method.baselines:
            for baseline in BASELINES:  # also the one that is the default for these weights: it is asked for by name
                assert AttributionRequest.parse(f"{name}@{baseline}").text == f"{name}@{baseline}"
    text = "occlusion@mean:window=16,stride=8"
    assert AttributionRequest.parse(text).text == text
    assert AttributionRequest.parse("occlusion:stride=32").text == "occlusion"


def test_all_methods_or_none_can_be_requested_by_one_word():
    assert [request.method for request in parse_requests(["all"])] == list(METHODS)
    assert parse_requests(["none"]) == []
    assert [request.text for request in parse_requests(["saliency", "none", "all"])] == [
        "saliency", *(name for name in METHODS if name != "saliency"),
    ]  # fmt: skip
