"""Measured reference statistics are those of a plain loop over the faces."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.config import PreprocessConfig
from dan_model.errors import CheckpointError
from dan_model.explain.fusion import compute_fusion
from dan_model.explain.heads import compute_heads, compute_overlap
from dan_model.explain.regions import Regions, draw_regions
from dan_model.explain.score import Score
from dan_model.learn import reference_statistics
from dan_model.learn.batches import Pixels
from dan_model.learn.reference_statistics import measure_reference
from dan_model.network import DAN
from dan_model.weights import load_checkpoint
from tests.fixtures.drawn_faces import MOUTHS, write_faces
from tests.fixtures.landmarks import FACE


def test_centres_and_mean_are_those_of_the_faces(reference, stages_one_by_one, twelve_faces):
    pooled = torch.stack([stages.features[0].mean(dim=(1, 2)) for stages in stages_one_by_one])
    torch.testing.assert_close(reference.mean, pooled.mean(dim=0), rtol=1e-4, atol=1e-5)
    for k in range(3):
        torch.testing.assert_close(reference.centres[k], pooled[k::3].mean(dim=0), rtol=1e-4, atol=1e-5)
    images = [np.asarray(Image.open(path), dtype=np.float64) / 255 for path in twelve_faces.faces.paths]
    np.testing.assert_allclose(reference.mean_face[0], np.mean(images, axis=0), atol=1e-6)
    assert reference.source == {"dataset": "drawn", "count": "12"}


def test_axes_are_the_directions_of_largest_variance(reference, stages_one_by_one):
    pooled = torch.stack([stages.features[0].mean(dim=(1, 2)) for stages in stages_one_by_one]).double()
    torch.testing.assert_close(reference.axes @ reference.axes.T, torch.eye(2), rtol=0, atol=1e-5)
    values = torch.linalg.eigvalsh(torch.cov(pooled.T)).flip(0)
    torch.testing.assert_close(reference.explained.double(), values[:2] / values.sum(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        reference.points, (pooled.float() - reference.mean) @ reference.axes.T, rtol=1e-3, atol=1e-4
    )
    assert reference.classes.tolist() == [0, 1, 2] * 4


def test_quantiles_are_those_of_the_single_faces(reference, three_class_model, stages_one_by_one):
    regions = Regions(draw_regions(FACE))
    heads = [compute_heads(stages) for stages in stages_one_by_one]
    expected = {
        "overlap": [compute_overlap(h).mean_cosine for h in heads],
        "iou": [compute_overlap(h).mean_iou for h in heads],
        "partition_loss": [compute_overlap(h).partition_loss for h in heads],
        "saturation": [float((h.embeddings.softmax(dim=0).amax(dim=0) > 0.95).double().mean()) for h in heads],
    }
    for name, values in expected.items():
        assert reference.quantiles[name][0] == pytest.approx(min(values), rel=1e-4)
        assert reference.quantiles[name][-1] == pytest.approx(max(values), rel=1e-4)
        assert reference.quantiles[name][50] == pytest.approx(np.median(values), rel=1e-4)
    shares = torch.stack([torch.stack([regions.shares(a) for a in h.spatial]) for h in heads])
    torch.testing.assert_close(
        reference.quantiles["regions"][50].double(), shares.quantile(0.5, dim=0), rtol=1e-4, atol=1e-6
    )


def test_mean_maps_their_energy_and_the_faces_of_each_head_are_those_of_a_plain_loop(
    reference, three_class_model, twelve_faces, stages_one_by_one, monkeypatch
):
    units = [s.spatial[0].double() / s.spatial[0].double().square().sum(dim=(1, 2), keepdim=True).sqrt()
             for s in stages_one_by_one]  # fmt: skip
    mean = sum(units) / 12
    torch.testing.assert_close(reference.mean_maps, mean.float(), rtol=1e-4, atol=1e-6)
    # What is left when the mean is taken off each map, of unit energy, is the rest of the energy.
    left = sum((u - mean).square().sum(dim=(1, 2)) for u in units) / 12
    torch.testing.assert_close(reference.map_energy, (1 - left).float(), rtol=1e-4, atol=1e-6)
    predicted_classes = [int(s.logits.argmax()) for s in stages_one_by_one]
    for k in range(3):
        chosen = [u for u, answer in zip(units, predicted_classes, strict=True) if answer == k]
        expected = sum(chosen) / len(chosen) if chosen else torch.zeros_like(mean)
        torch.testing.assert_close(reference.class_maps[k], expected.float(), rtol=1e-4, atol=1e-6)
    monkeypatch.setattr(reference_statistics, "HEAD_FACES", 2)
    few = measure_reference(three_class_model, twelve_faces, None)
    for h in range(4):
        moved = [
            float(compute_fusion(three_class_model, s, Score(answer)).contributions[h])
            for s, answer in zip(stages_one_by_one, predicted_classes, strict=True)
        ]
        best = sorted(range(12), key=lambda i: -moved[i])[:2]
        expected = sum(twelve_faces[i][0].double() / 255 for i in best) / 2
        torch.testing.assert_close(few.head_faces[h], expected.float(), rtol=1e-4, atol=1e-6)


def test_a_class_without_faces_is_refused(three_class_model, twelve_faces):
    few = replace(twelve_faces.faces, paths=twelve_faces.faces.paths[:2], targets=twelve_faces.faces.targets[:2])
    runs = []
    hook = three_class_model.register_forward_pre_hook(lambda *_: runs.append(1))
    backbone = three_class_model.features.register_forward_pre_hook(lambda *_: runs.append(1))
    with pytest.raises(CheckpointError, match=r"no faces of class 2"):
        measure_reference(three_class_model, Pixels(few, twelve_faces.config), None)
    hook.remove()
    backbone.remove()
    assert runs == []


def test_the_command_writes_the_statistics_into_the_folder(tmp_path):
    labelled = DAN(tuple(MOUTHS), 4, PreprocessConfig(detail_size=48, grayscale=True))
    labelled.save_pretrained(tmp_path / "weights")
    root: Path = write_faces(tmp_path / "drawn", train=2, valid=1)
    result = CliRunner().invoke(
        app, ["reference", "--dataset", "folder", "--root", str(root), "--weights", str(tmp_path / "weights")]
    )
    assert result.exit_code == 0, result.stderr
    assert load_checkpoint(tmp_path / "weights").reference is not None
