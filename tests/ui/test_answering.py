"""What events send to the browser is what Gradio would send, also where outputs stay as they are."""

from __future__ import annotations

import asyncio

import gradio as gr
import pytest
from gradio.blocks import Blocks
from gradio.state_holder import SessionState

from dan_model.ui.answering import AnsweringBlocks


@pytest.fixture
def blocks():
    with AnsweringBlocks() as blocks:
        outputs = [gr.HTML("before"), gr.Radio(["1", "2"]), gr.Image()]
        gr.Button().click(lambda: None, None, outputs)
        gr.Button().click(lambda: None, None, outputs[0])
    return blocks


def sent(blocks, method, predictions, event):
    values = asyncio.run(method(blocks, blocks.fns[event], predictions, SessionState(blocks)))
    # Gradio repeats the mark of an update as a property of `gr.HTML`.
    return [{k: v for k, v in one.items() if v != gr.skip()} if isinstance(one, dict) else one for one in values]


@pytest.mark.parametrize(
    "predictions",
    [
        [gr.skip(), gr.skip(), gr.skip()],
        ["after", gr.skip(), gr.skip()],
        (gr.skip(), gr.Radio(["3"], value="3", visible=False), None),
        ["", "2", gr.skip()],
        gr.skip(),
    ],
)
def test_what_is_sent_is_what_gradio_would_send(blocks, predictions):
    ours, theirs = (sent(blocks, one.postprocess_data, predictions, 0) for one in (AnsweringBlocks, Blocks))
    assert ours == theirs
    assert len(ours) == 3


def test_a_single_output_is_sent_as_gradio_would(blocks):
    for prediction in ("after", gr.skip(), gr.HTML(visible=False)):
        ours, theirs = (sent(blocks, one.postprocess_data, prediction, 1) for one in (AnsweringBlocks, Blocks))
        assert ours == theirs


def test_components_that_stay_as_they_are_are_not_built_anew(blocks, monkeypatch):
    built = []
    monkeypatch.setattr(gr.Radio, "__init__", lambda *arguments, **settings: built.append(arguments))
    sent(blocks, AnsweringBlocks.postprocess_data, ["after", gr.skip(), gr.skip()], 0)
    assert built == []
