"""Camera frames: the answer is the library's, junk is refused, and viewers take turns."""

from __future__ import annotations

import base64
import io
import threading

import numpy as np
import pytest
from PIL import Image

from dan_model.explain.fusion import ablate, consensus_logits, tug_of_war
from dan_model.ui.live_frames import (
    LEVELS,
    MAX_FRAME,
    MAX_VIEWERS,
    START,
    VIEWER_SECONDS,
    FrameRequest,
    Turns,
    answer_frame,
)
from tests.fixtures.examples import EXAMPLES


def sent_frame(name: str = "astronaut.jpg", size: tuple[int, int] = (320, 240)) -> tuple[str, np.ndarray]:
    """A frame as the browser sends it, and its pixels after the JPEG."""
    buffer = io.BytesIO()
    Image.open(EXAMPLES / name).convert("RGB").resize(size).save(buffer, "JPEG", quality=80)
    pixels = np.asarray(Image.open(io.BytesIO(buffer.getvalue())))
    return START + base64.b64encode(buffer.getvalue()).decode(), pixels


def test_an_answer_equals_the_explanation_of_the_same_pixels(explainer):
    frame, pixels = sent_frame()
    e = explainer.explain(pixels)
    answer = answer_frame(explainer, FrameRequest.parse({"frame": frame}, 4))
    assert answer["probabilities"] == pytest.approx(e.prediction.probabilities.tolist(), abs=6e-5)
    assert answer["contributions"] == pytest.approx(e.fusion.contributions.tolist(), abs=0.006)
    levels = (e.heads.spatial / e.heads.spatial.max() * LEVELS).flatten(start_dim=1)
    assert np.abs(np.array(answer["cells"]) - levels.numpy()).max() <= 0.5
    assert answer["won"] == pytest.approx(tug_of_war(e.fusion, e.heads.embeddings).won.tolist(), abs=0.0006)
    # The corners of the crop lie where the crop's own transform puts them.
    to_frame = np.array(answer["to_frame"]).reshape(2, 3) * [[320], [240]]
    assert np.abs(to_frame - e.crop.to_photo).max() < 0.01
    # Heads that are off are zero; following the face gives nearly the same.
    off = answer_frame(explainer, FrameRequest.parse({"frame": frame, "off": [0]}, 4))
    without = e.fusion.classifier.logits(ablate(e.heads.embeddings, 0)).softmax(dim=0)
    assert off["probabilities"] == pytest.approx(without.tolist(), abs=6e-5)
    assert off["target"] == int(without.argmax())
    # What the heads contribute, all of them together, is what the class has gained since the consensus.
    consensus = consensus_logits(e.heads.embeddings, e.fusion.classifier).log_softmax(dim=0)
    gained = without.log() - consensus
    assert sum(off["contributions"]) == pytest.approx(float(gained[off["target"]]), abs=0.03)
    assert off["contributions"] != pytest.approx(answer["contributions"], abs=0.1)
    followed = answer_frame(explainer, FrameRequest.parse({"frame": frame, "last": answer["face"]}, 4))
    assert followed["face"] == pytest.approx(answer["face"], abs=0.03)


def test_a_click_chooses_a_face_and_without_a_face_nothing_is_guessed(explainer):
    frame, pixels = sent_frame("two_faces.jpg", (480, 240))
    faces = explainer.faces(pixels)
    for face in faces:
        centre = ((face.box[:2] + face.box[2:]) / 2 / (480, 240)).tolist()
        answer = answer_frame(explainer, FrameRequest.parse({"frame": frame, "chosen": centre}, 4))
        assert answer["face"] == pytest.approx((face.box / (480, 240, 480, 240)).tolist(), abs=0.001)
        again = answer_frame(explainer, FrameRequest.parse({"frame": frame, "last": answer["face"]}, 4))
        assert again["face"] == pytest.approx(answer["face"], abs=0.03)  # followed, though it may be the smaller one
    empty = FrameRequest.parse({"frame": sent_frame("no_face.jpg")[0], "last": [0.1, 0.1, 0.3, 0.3]}, 4)
    assert answer_frame(explainer, empty) == {"face": None}


@pytest.mark.parametrize(
    "sent",
    [
        {}, {"frame": 7}, {"frame": "http://a/b.jpg"}, {"frame": START + "!!"}, {"frame": START + "AAAA"},
        {"frame": START + "A" * MAX_FRAME}, {"frame": sent_frame()[0], "off": [4]},
        {"frame": sent_frame()[0], "off": "0"}, {"frame": sent_frame()[0], "off": [True]},
        {"frame": sent_frame(size=(1000, 40))[0]},
    ],
)  # fmt: skip
def test_junk_is_no_frame(sent):
    assert FrameRequest.parse(sent, 4) is None


@pytest.mark.parametrize("last", ["0000", [1, 2, 3], [1, 2, 3, None], [1, 2, 3, float("nan")], {"a": 1}])
def test_a_last_place_that_is_none_searches_the_whole_frame(last):
    assert FrameRequest.parse({"frame": sent_frame()[0], "last": last}, 4).last is None


def test_viewers_take_turns_in_their_order_one_frame_each():
    turns, order, ready = Turns(), [], threading.Barrier(3)

    def watch(name: str, before: threading.Event, after: threading.Event) -> None:
        ready.wait()
        before.wait()
        after_timer = threading.Timer(0.1, after.set)  # the next viewer comes while this one waits
        after_timer.start()
        with turns.turn(name) as refusal:
            order.append((name, refusal))

    events = [threading.Event() for _ in range(3)]
    with turns.turn("zero") as refusal:
        assert refusal is None
        with turns.turn("zero") as second:
            assert second == "twice"
        threads = [threading.Thread(target=watch, args=(n, events[i], events[i + 1])) for i, n in enumerate("ab")]
        for thread in threads:
            thread.start()
        ready.wait()
        events[0].set()
        events[2].wait()
        assert order == []
    for thread in threads:
        thread.join()
    assert order == [("a", None), ("b", None)]
    assert turns.viewers() == 3


def test_places_are_bounded_and_free_again_after_a_while():
    now = [0.0]
    turns = Turns(clock=lambda: now[0])
    for i in range(MAX_VIEWERS):
        with turns.turn(f"viewer {i}") as refusal:
            assert refusal is None
    with turns.turn("one more") as refusal:
        assert refusal == "full"
    now[0] += VIEWER_SECONDS + 1
    with turns.turn("one more") as refusal:
        assert refusal is None


def test_a_frame_that_waits_too_long_is_dropped(monkeypatch):
    monkeypatch.setattr("dan_model.ui.live_frames.PATIENCE", 0.05)
    turns = Turns()
    with turns.turn("first"), turns.turn("second") as refusal:
        assert refusal == "busy"
    with turns.turn("second") as refusal:
        assert refusal is None
