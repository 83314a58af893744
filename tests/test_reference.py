"""What is usual: measured values are those of a plain loop over the faces, and one face is placed among them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from dan_model.checkpoints import load_checkpoint
from dan_model.cli import app
from dan_model.config import PreprocessConfig
from dan_model.errors import CheckpointError
from dan_model.explain.channels import tug_of_war
from dan_model.explain.explainer import Explainer
from dan_model.explain.fusion import Classifier
from dan_model.explain.heads import read_heads, read_overlap
from dan_model.explain.reference import Reference, measure_reference, place
from dan_model.explain.regions import REGIONS, Regions, draw_regions
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import FaceSet
from dan_model.preprocess import to_input
from dan_model.show.sentences import unusual_regions_note
from dan_model.show.views import class_views, head_views
from tests.conftest import random_dan
from tests.drawn_faces import MOUTHS, draw_face, write_faces
from tests.test_regions import FACE


@pytest.fixture(scope="module")
def pixels(tmp_path_factory) -> Pixels:
    folder, generator = tmp_path_factory.mktemp("faces"), np.random.default_rng(0)
    paths, classes = [], []
    for n in range(12):
        paths.append(folder / f"{n}.png")
        draw_face(list(MOUTHS)[n % 3], generator).save(paths[-1])
        classes.append(n % 3)
    targets = torch.nn.functional.one_hot(torch.tensor(classes), 3).float()
    faces = FaceSet("drawn", ("class 0", "class 1", "class 2"), tuple(paths), targets)
    return Pixels(faces, PreprocessConfig(detail_size=48, grayscale=True))


@pytest.fixture(scope="module")
def model(pixels):
    random = random_dan(classes=3)
    object.__setattr__(random.config, "preprocess", pixels.config)
    return random


@pytest.fixture(scope="module")
def reference(model, pixels) -> Reference:
    return measure_reference(model, pixels, Regions(draw_regions(FACE)))


@pytest.fixture(scope="module")
def one_by_one(model, pixels):
    """The stages of every face, in a plain loop."""
    with torch.no_grad():
        return [model.stages(to_input(pixels[i][0][None], pixels.config)) for i in range(len(pixels))]


def test_centres_and_mean_are_those_of_the_faces(reference, one_by_one, pixels):
    pooled = torch.stack([stages.features[0].mean(dim=(1, 2)) for stages in one_by_one])
    torch.testing.assert_close(reference.mean, pooled.mean(dim=0), rtol=1e-4, atol=1e-5)
    for k in range(3):
        torch.testing.assert_close(reference.centres[k], pooled[k::3].mean(dim=0), rtol=1e-4, atol=1e-5)
    images = [np.asarray(Image.open(path), dtype=np.float64) / 255 for path in pixels.faces.paths]
    np.testing.assert_allclose(reference.mean_face[0], np.mean(images, axis=0), atol=1e-6)
    assert reference.told == {"dataset": "drawn", "count": "12"}


def test_axes_are_the_directions_of_largest_variance(reference, one_by_one):
    pooled = torch.stack([stages.features[0].mean(dim=(1, 2)) for stages in one_by_one]).double()
    torch.testing.assert_close(reference.axes @ reference.axes.T, torch.eye(2), rtol=0, atol=1e-5)
    values = torch.linalg.eigvalsh(torch.cov(pooled.T)).flip(0)
    torch.testing.assert_close(reference.explained.double(), values[:2] / values.sum(), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(
        reference.points, (pooled.float() - reference.mean) @ reference.axes.T, rtol=1e-3, atol=1e-4
    )
    assert reference.classes.tolist() == [0, 1, 2] * 4


def test_quantiles_are_those_of_the_single_views(reference, model, one_by_one):
    classifier, regions = Classifier.of(model), Regions(draw_regions(FACE))
    heads = [read_heads(stages) for stages in one_by_one]
    expected = {
        "overlap": [read_overlap(h).mean_cosine for h in heads],
        "iou": [read_overlap(h).mean_iou for h in heads],
        "partition_loss": [read_overlap(h).partition_loss for h in heads],
        "saturation": [tug_of_war(classifier, h.embeddings, 0).saturation for h in heads],
    }
    for name, values in expected.items():
        assert reference.quantiles[name][0] == pytest.approx(min(values), rel=1e-4)
        assert reference.quantiles[name][-1] == pytest.approx(max(values), rel=1e-4)
        assert reference.quantiles[name][50] == pytest.approx(np.median(values), rel=1e-4)
    shares = torch.stack([torch.stack([regions.shares(a) for a in h.spatial]) for h in heads])
    torch.testing.assert_close(
        reference.quantiles["regions"][50].double(), shares.quantile(0.5, dim=0), rtol=1e-4, atol=1e-6
    )


def test_percentiles_by_hand():
    reference = Reference(torch.zeros(2, 4), quantiles={"overlap": torch.linspace(0, 2, 101)})
    for value, percent in ((-1, 0), (0, 0), (0.5, 25), (0.51, 25.5), (2, 100), (3, 100)):
        assert reference.percentile("overlap", value) == pytest.approx(percent, abs=1e-4)
    assert reference.percentile("saturation", 0.5) is None
    table = torch.linspace(0, 1, 101)[:, None, None] * torch.tensor([[1.0, 2.0]])  # one head, two regions
    regions = Reference(torch.zeros(2, 4), quantiles={"regions": table})
    assert [regions.percentile("regions", 0.5, 0, r) for r in (0, 1)] == pytest.approx([50, 25], abs=1e-4)
    flat = Reference(torch.zeros(2, 4), quantiles={"overlap": torch.zeros(101)})
    assert flat.percentile("overlap", 0.0) == 50


def test_a_face_of_the_set_lies_where_it_was_measured(reference, one_by_one):
    for i in (0, 5):
        placed = place(one_by_one[i].features[0], reference)
        torch.testing.assert_close(placed.point, reference.points[i], rtol=1e-3, atol=1e-4)
        pooled = one_by_one[i].features[0].mean(dim=(1, 2))
        torch.testing.assert_close(placed.distances, (reference.centres - pooled).norm(dim=1), rtol=1e-4, atol=1e-5)


def test_it_is_read_as_it_was_written_and_refused_for_other_classes(reference, model, tmp_path):
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    again = Reference.load(path, model)
    for name in ("centres", "mean", "axes", "points", "classes", "mean_face"):
        assert torch.equal(getattr(again, name), getattr(reference, name))
    assert all(torch.equal(again.quantiles[name], values) for name, values in reference.quantiles.items())
    assert again.told == reference.told
    with pytest.raises(CheckpointError, match="other classes"):
        Reference.load(path, random_dan(classes=4))
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Reference.load(path, model)


def test_centres_alone_give_distances_and_no_plane(reference, model, detector, astronaut):
    e = Explainer(model, detector, Reference(reference.centres)).explain(astronaut)
    (view,) = class_views(e)
    assert "nearest to the centre of" in view.sentence
    without = Explainer(model, detector).explain(astronaut)
    assert "bring no reference statistics" in class_views(without)[0].sentence
    assert "bring no reference statistics" in head_views(without)[-2].note


def test_the_embedded_weights_bring_theirs(astronaut, detector):
    checkpoint = load_checkpoint()
    e = Explainer.of(checkpoint, torch.device("cpu"), detector).explain(astronaut)
    assert e.labels[int(e.place.distances.argmin())] == "happiness"
    assert int(e.reference.told["count"]) > 2000
    assert e.reference.mean_face.shape == (1, 48, 48)
    views = class_views(e)
    assert [view.name for view in views] == ["distances", "projection"]
    note = next(view.note for view in head_views(e) if view.name == "overlap")
    assert "reference faces: cosine higher than on" in note


def test_regions_that_are_looked_at_more_than_usual_are_named(explainer, astronaut):
    e = explainer.explain(astronaut)
    shares = torch.stack([e.regions.shares(a) for a in e.heads.spatial]).float()  # (H, R)
    usual = torch.linspace(0.5, 1.5, 101)[:, None, None] * shares
    usual[:, 1, 2] = shares[1, 2] / 2  # head 2 looks more at the third region than on any reference face
    usual[:, 3, 4] = shares[3, 4] + 1
    reference = replace(e.reference, quantiles={"regions": usual}, told={"count": "7"})
    note = unusual_regions_note(replace(e, reference=reference))
    less, more = f"Head 4 {REGIONS[4]} less than on 100 %", f"Head 2 {REGIONS[2]} more than on 100 %"
    assert note == f"Unusual, of 7 reference faces: {less}; {more} of them."
    plain = replace(e.reference, quantiles={"regions": torch.linspace(0.5, 1.5, 101)[:, None, None] * shares})
    assert unusual_regions_note(replace(e, reference=plain)).startswith("No share is unusual")
    assert unusual_regions_note(replace(e, reference=None)) == ""


def test_a_class_without_faces_is_refused(model, pixels):
    few = replace(pixels.faces, paths=pixels.faces.paths[:2], targets=pixels.faces.targets[:2])
    with pytest.raises(CheckpointError, match="no faces"):
        measure_reference(model, Pixels(few, pixels.config), None)


def test_the_command_writes_it_into_the_folder(tmp_path):
    model = random_dan(classes=3)
    labelled = type(model)(tuple(MOUTHS), 4, PreprocessConfig(detail_size=48, grayscale=True))
    labelled.save_pretrained(tmp_path / "weights")
    root: Path = write_faces(tmp_path / "drawn", train=2, valid=1)
    told = CliRunner().invoke(
        app, ["reference", "--dataset", "folder", "--root", str(root), "--weights", str(tmp_path / "weights")]
    )
    assert told.exit_code == 0, told.stderr
    assert load_checkpoint(tmp_path / "weights").reference is not None
