"""Results show themselves in a notebook, and the notebook of the examples runs."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import nbclient
import nbformat
import pytest
from PIL import Image

from dan_model.errors import ArgumentError
from dan_model.show.sentences import signed
from tests.fixtures.examples import EXAMPLES


@pytest.fixture(scope="module")
def explanation(explainer):
    return explainer.explain(EXAMPLES / "hopper.jpg", attributions=("layer_grad_cam",))


def test_an_explanation_shows_the_way_every_map_and_its_numbers_without_scripts(explanation):
    html = explanation._repr_html_()
    assert "<script" not in html
    assert re.findall('src="(?!data:)', html) == []  # nothing is fetched
    assert html.count("<figure>") == 4 + 1 + 1  # heads, fusion, the attribution
    for one in explanation.fusion.contributions:
        assert signed(one) in html
    colours = set(re.findall(r"[^-]color: ([^;]+)", re.search("<style>(.*?)</style>", html, re.DOTALL)[1]))
    assert not any(colour.startswith("#") for colour in colours)  # the notebook's own ink, light or dark


def test_faithfulness_and_randomisation_show_themselves(small_explainer, astronaut, few_controls, short_curves):
    explanation = small_explainer.explain(astronaut)
    first, *_, last = small_explainer.faithfulness(explanation, sensitivity=False)
    assert f"{first.pending} measurements are still to come" in first._repr_html_()
    assert "still to come" not in last._repr_html_()
    assert last._repr_html_().count("<section>") == 4
    *_, found = small_explainer.randomisation(explanation)
    assert "Parameter randomisation" in found._repr_html_()


def test_a_report_and_a_panel_are_saved_by_the_name_of_the_file(explanation, tmp_path):
    explanation.save(tmp_path / "face.html")
    report = (tmp_path / "face.html").read_text(encoding="utf-8")
    assert "Head 4" in report
    assert explanation.provenance["dataset"] in report
    explanation.save(str(tmp_path / "face.png"))
    with Image.open(tmp_path / "face.png") as picture:
        assert picture.size == tuple(int(inches * 100) for inches in explanation.plot().get_size_inches())
    explanation.save(tmp_path / "face.svg")
    assert ElementTree.parse(tmp_path / "face.svg").getroot().tag.endswith("svg")
    with pytest.raises(ArgumentError, match=r"face\.txt names no kind of file"):
        explanation.save(tmp_path / "face.txt")


def test_the_notebook_of_the_examples_runs(pytestconfig, monkeypatch, tiny_weights, explanation):
    """With the embedded weights on faces of 56 pixels, fewer controls and steps: the same code in less time."""
    monkeypatch.setenv("PYTHONPATH", str(pytestconfig.rootpath))
    notebook = nbformat.read(EXAMPLES / "tour.ipynb", as_version=4)
    assert all(not cell.get("outputs") for cell in notebook.cells)  # committed without
    first = next(cell for cell in notebook.cells if cell.cell_type == "code")
    assert first.source.count("from_pretrained()") == 1
    fewer = (
        "from dan_model.explain.faithfulness import controls, curves, metrics\n"
        "controls.RANDOM_MAPS, curves.STEPS, metrics.REMOVALS = 1, 4, 8\n"
    )
    first.source = fewer + first.source.replace("from_pretrained()", f"from_pretrained({str(tiny_weights)!r})")
    client = nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": EXAMPLES}})
    client.execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("text/html" in output.get("data", {}) for output in shown) == 2  # the explanation, its faithfulness
    assert any("image/png" in output.get("data", {}) for output in shown)  # the panel
    printed = "".join(output["text"] for output in shown if output["output_type"] == "stream")
    consensus = explanation.labels[int(explanation.fusion.consensus.argmax())]  # the same for every face
    assert f"all heads equal ('{consensus}'" in printed
