from __future__ import annotations

import json
import math

import pytest
import torch

from dan_model.checkpoints import load_checkpoint
from dan_model.explain.fusion import Classifier
from dan_model.explain.heads import read_heads, read_overlap
from dan_model.explain.interventions import for_each_head, mute, solo
from dan_model.learn.head_report import measure_heads
from dan_model.network import DAN
from dan_model.preprocess import to_input
from tests.test_reference import model, pixels  # noqa: F401


def test_figures_are_those_of_a_plain_loop(model, pixels):  # noqa: F811
    left = torch.zeros(224, 224)
    left[:, :112] = 1
    report = measure_heads(model, pixels, {"left": left, "right": 1 - left})
    classifier, classes = Classifier.of(model), pixels.faces.classes.tolist()
    cosines, correlations, entropies, lefts, right, muted, alone = [], [], [], [], [], torch.zeros(4), torch.zeros(4)
    for i, k in enumerate(classes):
        with torch.no_grad():
            stages = model.stages(to_input(pixels[i][0][None], pixels.config))
        heads = read_heads(stages)
        cosines.append(read_overlap(heads).mean_cosine)
        maps = heads.spatial.flatten(1).double()
        correlations.append(float((torch.corrcoef(maps).sum() - 4) / 12))
        parts = maps / maps.sum(dim=1, keepdim=True)
        entropies.append((-(parts * parts.clamp(min=1e-300).log()).sum(dim=1) / math.log(49)).tolist())
        middle = heads.spatial.double()
        lefts.append(((middle[:, :, :3].sum(dim=(1, 2)) + middle[:, :, 3].sum(dim=1) / 2) / maps.sum(dim=1)).tolist())
        right.append(int(stages.logits.argmax()) == k)
        muted += for_each_head(classifier, heads.embeddings, mute).argmax(dim=1) == k
        alone += for_each_head(classifier, heads.embeddings, solo).argmax(dim=1) == k
    count = len(classes)
    assert report.cosine == pytest.approx(sum(cosines) / count, rel=1e-4)
    assert report.correlation == pytest.approx(sum(correlations) / count, abs=1e-4)
    assert report.entropy == pytest.approx(torch.tensor(entropies).mean(dim=0).tolist(), rel=1e-4)
    assert [head["left"] for head in report.regions] == pytest.approx(
        torch.tensor(lefts).mean(dim=0).tolist(), rel=1e-4
    )
    assert [head["left"] + head["right"] for head in report.regions] == pytest.approx([1] * 4, rel=1e-4)
    assert report.accuracy == pytest.approx(sum(right) / count)
    by_class = {k: [hit for hit, own in zip(right, classes, strict=True) if own == k] for k in classes}
    recall = [sum(hits) / len(hits) for hits in by_class.values()]
    assert report.balanced_accuracy == pytest.approx(sum(recall) / len(recall))
    assert report.muted == pytest.approx((muted / count).tolist())
    assert report.alone == pytest.approx((alone / count).tolist())
    assert sum(report.won) == pytest.approx(1)


def test_a_single_head_has_no_overlap(pixels):  # noqa: F811
    labels = load_checkpoint().model.config.labels
    report = measure_heads(DAN(labels, 1, pixels.config), pixels)
    assert (report.cosine, report.correlation) == (None, None)
    assert report.won == pytest.approx([1])
    assert report.alone == [report.accuracy]
    json.dumps(report.to_dict(), allow_nan=False)
