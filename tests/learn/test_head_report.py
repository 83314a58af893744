from __future__ import annotations

import json
import math

import pytest
import torch

from dan_model.explain.fusion import Classifier, ablate, ablate_all_but, for_each_head
from dan_model.explain.heads import compute_heads, compute_overlap
from dan_model.faces import to_input
from dan_model.learn.head_report import measure_heads
from dan_model.network import DAN
from dan_model.weights import load_checkpoint


def test_the_report_equals_a_plain_loop_over_the_faces(three_class_model, twelve_faces):
    left = torch.zeros(224, 224)
    left[:, :112] = 1
    report = measure_heads(three_class_model, twelve_faces, {"left": left, "right": 1 - left})
    classifier, classes = Classifier.from_model(three_class_model), twelve_faces.faces.classes.tolist()
    cosines, correlations, entropies, lefts, right, ablated, alone = [], [], [], [], [], torch.zeros(4), torch.zeros(4)
    won = [0, 0, 0, 0]
    for i, k in enumerate(classes):
        with torch.no_grad():
            stages = three_class_model.stages(to_input(twelve_faces[i][0][None], twelve_faces.config))
        heads = compute_heads(stages)
        cosines.append(compute_overlap(heads).mean_cosine)
        maps = heads.spatial.flatten(1).double()
        correlations.append(float((torch.corrcoef(maps).sum() - 4) / 12))
        parts = maps / maps.sum(dim=1, keepdim=True)
        entropies.append((-(parts * parts.clamp(min=1e-300).log()).sum(dim=1) / math.log(49)).tolist())
        middle = heads.spatial.double()
        lefts.append(((middle[:, :, :3].sum(dim=(1, 2)) + middle[:, :, 3].sum(dim=1) / 2) / maps.sum(dim=1)).tolist())
        right.append(int(stages.logits.argmax()) == k)
        ablated += for_each_head(classifier, heads.embeddings, ablate).argmax(dim=1) == k
        alone += for_each_head(classifier, heads.embeddings, ablate_all_but).argmax(dim=1) == k
        for values in heads.embeddings.T.tolist():  # of one channel; equal ones win nothing
            if values.count(max(values)) == 1:
                won[values.index(max(values))] += 1
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
    assert report.ablated == pytest.approx((ablated / count).tolist())
    assert report.alone == pytest.approx((alone / count).tolist())
    assert report.won == pytest.approx([wins / (512 * count) for wins in won])
    assert sum(report.won) < 0.99  # random weights leave channels silent in every head


def test_a_single_head_has_no_overlap(twelve_faces):
    labels = load_checkpoint().model.config.labels
    report = measure_heads(DAN(labels, 1, twelve_faces.config), twelve_faces)
    assert (report.cosine, report.correlation) == (None, None)
    assert report.won == pytest.approx([1])
    assert report.alone == [report.accuracy]
    json.dumps(report.to_dict(), allow_nan=False)
