"""The worksheet and its solutions: what is committed is what the command writes, and what the page shows."""

from __future__ import annotations

from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.explain.cover import cover_region, explain_covered
from dan_model.explain.faithfulness import measurement
from dan_model.show.tiles import percent
from tests.fixtures.examples import EXAMPLES


def test_the_command_writes_what_is_committed(tmp_path, monkeypatch):
    monkeypatch.setattr(measurement, "Infidelity", lambda removal, generator: lambda values: 0.0)  # not in it
    result = CliRunner().invoke(app, ["worksheet", str(EXAMPLES), "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["solutions.md", "worksheet.html", "worksheet.md"]
    for name in names:
        assert (tmp_path / name).read_text(encoding="utf-8") == (EXAMPLES / "worksheet" / name).read_text(
            encoding="utf-8"
        )


def test_solutions_are_those_of_the_tab_cover_and_of_ablation(explainer):
    text = (EXAMPLES / "worksheet" / "solutions.md").read_text(encoding="utf-8")
    e = explainer.explain(EXAMPLES / "hopper.jpg")
    k = e.target
    for region in ("nose", "cheeks"):
        covered = explain_covered(explainer, e, cover_region(e.regions, region))
        assert f"| {region} | {percent(float(covered.prediction.probabilities[k]))} |" in text
    v = e.heads.embeddings.double()
    without = v.clone()
    without[0] = 0
    assert f"| {percent(float(e.fusion.classifier.logits(without).softmax(dim=0)[k]))} |" in text


def test_another_folder_without_the_examples_is_an_error_in_words(tmp_path):
    result = CliRunner().invoke(app, ["worksheet", str(tmp_path)])
    assert result.exit_code == 2
    assert "hopper.jpg" in result.output
