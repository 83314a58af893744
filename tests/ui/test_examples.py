"""The page opens with an example that was explained in advance, and shows the others without a pass."""

from __future__ import annotations

import re
import shutil

import gradio as gr
import pytest

from dan_model.explain.attributions import DEFAULT_METHODS
from dan_model.show.tiles import percent
from dan_model.ui.examples import load_examples
from dan_model.ui.panels.examples import strip
from tests.fixtures.examples import EXAMPLES
from tests.ui.conftest import request_values


@pytest.fixture
def passes(explainer):
    """Counts the passes of the backbone."""
    seen = []
    hook = explainer.model.features[0].register_forward_hook(lambda *_: seen.append(1))
    yield seen
    hook.remove()


def shown(values: list, names: tuple[str, ...]) -> dict[str, object]:
    return dict(zip(names, values, strict=True))


def test_the_page_opens_explained_and_every_example_is_shown_without_a_pass(build_page, explainer, passes):
    page = build_page(examples=EXAMPLES)
    drawn = {block.elem_id: block.value for block in page.blocks.blocks.values() if isinstance(block, gr.HTML)}
    assert passes == []
    live = explainer.explain(EXAMPLES / "hopper.jpg")
    passes.clear()
    assert percent(float(live.prediction.probabilities[0])) in drawn["dan-probabilities"]
    assert drawn["dan-heads-row"].count('class="dan-tile"') == 5
    assert drawn["dan-attributions-row"].count('class="dan-tile"') == len(DEFAULT_METHODS)
    # A tab of the opened example is drawn when it comes into view, also without a pass.
    for name, view in (("dan-heads", "dan-view-regions"), ("dan-classes-tab", "dan-view-distances")):
        assert "dan-undrawn" in drawn[name]
        assert view in page.draw(name)
    assert passes == []
    # Another example.
    _, *results = page.choose_example(1, *DEFAULT_METHODS)
    assert "happiness" in results[0]["probabilities"]
    assert results[-1]["tiles"].count('class="dan-tile"') == len(DEFAULT_METHODS)
    assert passes == []
    # Another class of it is computed.
    list(page.handlers["on_explain"](page.visitor, *request_values()[:1], "anger", *request_values()[2:]))
    assert passes != []


def test_an_example_stays_when_another_model_is_loaded_and_a_removed_photo_does_not(build_page):
    """The event of the model loads the photo again; the upload is empty while an example is shown."""
    page = build_page(examples=EXAMPLES)
    list(page.choose_example(1))
    again = next(page.upload(None))
    assert again["face"].value == "1"
    list(page.upload("hopper.jpg"))
    removed = next(page.upload(None))
    assert removed["face"].value is None


def test_an_example_without_an_explanation_for_these_weights_is_loaded_as_a_photo(small_explainer):
    examples = load_examples(EXAMPLES, small_explainer)  # faces of another size
    assert [one.photo for one in examples] == [None] * len(examples)
    assert "read as" not in strip(examples)
    assert strip(examples).count("dan-example") == len(examples)


def test_a_folder_without_an_index_has_no_examples(explainer, tmp_path):
    shutil.copy(EXAMPLES / "hopper.jpg", tmp_path)
    assert load_examples(tmp_path, explainer) == []
    assert load_examples(None, explainer) == []


def test_averages_that_are_read_as_another_class_are_marked(explainer):
    text = strip(load_examples(EXAMPLES, explainer))
    other = set()
    for path in EXAMPLES.glob("mean_*.png"):
        predicted = explainer.explain(path, attributions=(), face="whole").prediction.label
        other |= {predicted} - {path.stem.removeprefix("mean_")}
    assert set(re.findall(r"read as (\w+)", text)) == other
    assert other
    assert text.index("Grace Hopper") < text.index("Average face of")


@pytest.mark.parametrize("index", [-1, 99, "0", [0, 1], None])
def test_an_example_that_does_not_exist_is_refused(build_page, index):
    page = build_page()
    with pytest.raises(gr.Error, match="no such example"):
        list(page.choose_example(index))
