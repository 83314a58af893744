"""The report and the file to take along: complete, without a network, with the library's numbers."""

from __future__ import annotations

import io
import json
import re
import zipfile
from datetime import datetime, timedelta, timezone

import numpy as np
import pytest

from dan_model.show.citation import citation
from dan_model.show.figure_views import all_views
from dan_model.show.html_report import NOTICE, bundle, html_report
from dan_model.show.origin import definition_list
from dan_model.show.report import arrays, numbers
from dan_model.version import __version__


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut, attributions=("layer_grad_cam",), attended_vs_used=True)


@pytest.fixture(scope="module")
def report(explanation) -> str:
    return html_report(explanation, "user/<weights>", {"dataset": "<script>"})


def test_the_report_shows_every_view_and_map_with_weights_and_notice(explanation, report):
    for view in all_views(explanation):
        assert f"<h3>{view.title}</h3>".replace("'", "&#x27;") in report
    assert report.count("<figure>") == 7  # the face, four heads, the fusion, Grad-CAM
    assert NOTICE in report.replace("&#x27;", "'")
    assert "user/&lt;weights&gt;" in report
    assert citation() in report
    assert "<script>" not in report


def test_the_report_needs_no_other_file_and_no_network(report):
    addresses = re.findall(r'(?:src|href)="([^"]{1,40})', report)
    assert addresses
    assert all(address.startswith(("data:image/png;base64,", "data:image/jpeg;base64,", "#")) for address in addresses)
    assert "url(http" not in report


def test_the_bundle_has_the_librarys_arrays_and_numbers(explanation):
    source = {"dataset": "faces", "validation": {"accuracy": 0.5}}
    with zipfile.ZipFile(io.BytesIO(bundle(explanation, "user/weights", source, fingerprint="0123abcd"))) as file:
        assert sorted(file.namelist()) == ["arrays.npz", "numbers.json", "panel.png", "panel.svg", "report.html"]
        found = json.loads(file.read("numbers.json"))
        came_from = found.pop("provenance")
        assert found == json.loads(json.dumps(numbers(explanation)))
        made = datetime.fromisoformat(came_from.pop("date"))
        assert made.utcoffset() == timedelta(0)
        assert abs(datetime.now(timezone.utc) - made) < timedelta(minutes=10)
        assert came_from == {
            "software": {"name": "DAN Explorer", "version": __version__},
            "weights": {"name": "user/weights", "fingerprint": "0123abcd", "provenance": source},
            "notice": NOTICE,
        }
        assert "0123abcd" in file.read("report.html").decode()
        with np.load(io.BytesIO(file.read("arrays.npz")), allow_pickle=False) as found:
            for name, values in arrays(explanation).items():
                np.testing.assert_array_equal(found[name], values)
        assert file.read("panel.png").startswith(b"\x89PNG")
        assert b"<svg" in file.read("panel.svg")


def test_where_weights_come_from_is_a_list_of_names_and_values_that_wraps(report):
    listed = definition_list({"recipe": "a <long> text", "validation": {"count": 3}, "mean": [0.5, 0.25], "by": None})
    assert listed == (
        '<dl class="dan-origin"><dt>recipe</dt><dd>a &lt;long&gt; text</dd><dt>validation</dt>'
        '<dd><dl class="dan-origin"><dt>count</dt><dd>3</dd></dl></dd><dt>mean</dt><dd>0.5, 0.25</dd>'
        "<dt>by</dt><dd>–</dd></dl>"
    )
    assert "<dt>dataset</dt><dd>&lt;script&gt;</dd>" in report
    assert "overflow-wrap: anywhere" in report
