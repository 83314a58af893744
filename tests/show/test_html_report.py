"""The report and the file to take along: complete, without a network, with the library's numbers."""

from __future__ import annotations

import io
import json
import re
import zipfile

import numpy as np
import pytest

from dan_model.show.figure_views import all_views
from dan_model.show.html_report import NOTICE, bundle, html_report
from dan_model.show.report import arrays, numbers


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
    assert "<script>" not in report


def test_the_report_needs_no_other_file_and_no_network(report):
    addresses = re.findall(r'(?:src|href)="([^"]{1,40})', report)
    assert addresses
    assert all(address.startswith(("data:image/png;base64,", "data:image/jpeg;base64,", "#")) for address in addresses)
    assert "url(http" not in report


def test_the_bundle_has_the_librarys_arrays_and_numbers(explanation):
    with zipfile.ZipFile(io.BytesIO(bundle(explanation, "weights", {}))) as file:
        assert sorted(file.namelist()) == ["arrays.npz", "numbers.json", "panel.png", "panel.svg", "report.html"]
        assert json.loads(file.read("numbers.json")) == json.loads(json.dumps(numbers(explanation)))
        with np.load(io.BytesIO(file.read("arrays.npz")), allow_pickle=False) as found:
            for name, values in arrays(explanation).items():
                np.testing.assert_array_equal(found[name], values)
        assert file.read("panel.png").startswith(b"\x89PNG")
        assert b"<svg" in file.read("panel.svg")
