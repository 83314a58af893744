from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch

from dan_model.explain import Explainer
from dan_model.show.flow import BANDS, THINNEST, band_path, band_widths, flow_picture
from dan_model.show.sentences import signed
from tests.fixtures.models import random_dan


@pytest.fixture(scope="module")
def explanation(explainer, astronaut):
    return explainer.explain(astronaut)


def test_bands_are_as_wide_as_the_contributions_are_large():
    assert band_widths([3.0, -1.0]) == [0.75 * BANDS, 0.25 * BANDS]
    assert band_widths([1.0, 0.0]) == [BANDS, THINNEST]
    assert band_widths([0.0, 0.0]) == [THINNEST, THINNEST]


def test_a_band_goes_from_its_head_to_its_place_at_the_fusion():
    assert band_path(True, 10, 1, 30, 5) == "M10.0,1.0C20.0,1.0,20.0,5.0,30.0,5.0"
    assert band_path(False, 10, 1, 30, 5) == "M1.0,10.0C1.0,20.0,5.0,20.0,5.0,30.0"


def test_the_picture_has_the_contributions_of_every_head_and_their_sum_in_both_layouts(explanation):
    drawn = flow_picture(explanation)
    shown = re.findall(r'class="dan-contribution" data-head="(\d)">([^<]+)<', drawn)
    expected = [(str(h), signed(one)) for h, one in enumerate(explanation.fusion.contributions)]
    assert shown == expected * 2
    assert drawn.count(f'<tspan class="dan-total">{signed(explanation.fusion.contributions.sum())}') == 2
    assert len(re.findall(r'class="dan-band[ "]', drawn)) == 8
    assert drawn.count('role="button"') == 2 * 7
    assert 'role="button"' not in flow_picture(explanation, links=False)


def test_a_contribution_against_the_class_is_dashed(explanation):
    fusion = explanation.fusion
    ledger = fusion.ledger.clone()
    ledger[1] = -1.0
    against = replace(explanation, fusion=replace(fusion, ledger=ledger))
    assert re.findall(r'dan-against" data-head="(\d)"', flow_picture(against)) == ["1", "1"]


def test_a_single_head_has_no_fusion(detector, astronaut):
    drawn = flow_picture(Explainer(random_dan(heads=1), detector).explain(astronaut))
    assert "no fusion" in drawn
    assert "dan-band" not in drawn


def test_labels_are_escaped(explanation):
    odd = replace(explanation.prediction, label="<i>", probabilities=torch.ones(8) / 8)
    assert "<i>" not in flow_picture(replace(explanation, prediction=odd))
