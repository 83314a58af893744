"""Reference statistics: percentiles, distances to the classes, the file, and the notes that use them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file

from dan_model.errors import CheckpointError
from dan_model.explain import Explainer
from dan_model.explain.reference import Reference, compare_maps, compute_class_distances
from dan_model.explain.regions import REGIONS
from dan_model.show.figure_views import class_views, head_views
from dan_model.show.sentences import unusual_regions_note, usual_maps_sentence
from dan_model.weights import load_checkpoint
from tests.fixtures.models import random_dan


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


def test_a_face_of_the_set_has_the_position_and_distances_measured_for_it(reference, stages_one_by_one):
    for i in (0, 5):
        placed = compute_class_distances(stages_one_by_one[i].features[0], reference)
        torch.testing.assert_close(placed.point, reference.points[i], rtol=1e-3, atol=1e-4)
        pooled = stages_one_by_one[i].features[0].mean(dim=(1, 2))
        torch.testing.assert_close(placed.distances, (reference.centres - pooled).norm(dim=1), rtol=1e-4, atol=1e-5)


def test_a_saved_reference_loads_unchanged_and_is_refused_for_other_classes(reference, three_class_model, tmp_path):
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    again = Reference.load(path, three_class_model)
    for name in ("centres", "mean", "axes", "points", "classes", "mean_face"):
        assert torch.equal(getattr(again, name), getattr(reference, name))
    assert all(torch.equal(again.quantiles[name], values) for name, values in reference.quantiles.items())
    assert again.source == reference.source
    with pytest.raises(CheckpointError, match="other classes"):
        Reference.load(path, random_dan(classes=4))
    path.write_bytes(b"nothing")
    with pytest.raises(CheckpointError, match="cannot be read"):
        Reference.load(path, three_class_model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.update(extra=torch.zeros(1)), "extra is unknown"),
        (lambda t: t.update({"quantiles.hair": torch.zeros(101)}), "quantiles.hair is unknown"),
        (lambda t: t.update(centres=torch.zeros(3, 5)), r"centres is \(3, 5\) instead of \(3, 512\)"),
        (lambda t: t.update(mean=torch.zeros(1, 512)), r"mean is \(1, 512\) instead of \(512\)"),
        (lambda t: t.update(axes=torch.zeros(3, 512)), r"axes is \(3, 512\) instead of \(2, 512\)"),
        (lambda t: t.update(classes=t["classes"].float()), "classes is of type F32"),
        (lambda t: t.update(classes=t["classes"] + 3), "classes are not all from 0 to 2"),
        (lambda t: t.update(classes=t["classes"][:-1].clone()), r"classes is \(11,\) instead of \(12\)"),
        (lambda t: t.update(mean=torch.zeros(512, dtype=torch.int32)), "mean is of type I32"),
        (lambda t: t.pop("axes"), "axes missing beside the others"),
        (lambda t: t.update({"quantiles.overlap": torch.zeros(100)}), r"overlap is \(100,\) instead of \(101\)"),
        (lambda t: t.update({"quantiles.overlap": torch.linspace(1, 0, 101)}), "quantiles.overlap fall"),
        (lambda t: t.update({"quantiles.regions": torch.zeros(101, 3, 8)}), r"regions is \(101, 3, 8\) instead of"),
        (lambda t: t.update(mean_face=torch.zeros(2, 9, 9)), r"mean_face is \(2, 9, 9\) instead of"),
        (lambda t: t.update(mean_face=torch.zeros(1, 9, 8)), r"mean_face is \(1, 9, 8\) instead of"),
        (lambda t: t.update(mean_maps=torch.zeros(2, 7, 7)), r"mean_maps is \(2, 7, 7\) instead of \(4, m, m\)"),
        (lambda t: t.update(map_energy=torch.full((4,), torch.nan)), "map_energy is not finite"),
        (lambda t: t.update(head_faces=torch.zeros(4, 0, 48, 48)), r"head_faces is \(4, 0, 48, 48\)"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_by_name_shape_and_type(
    reference, three_class_model, tmp_path, change, message
):
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)
    with pytest.raises(CheckpointError, match=message):
        Reference.load(path, three_class_model)


def test_other_float_types_are_read_as_float32(reference, three_class_model, tmp_path):
    path = tmp_path / "reference.safetensors"
    reference.save(path)
    tensors = load_file(path)
    save_file({name: t.double() if t.is_floating_point() else t.int() for name, t in tensors.items()}, path)
    again = Reference.load(path, three_class_model)
    assert torch.equal(again.centres, reference.centres)
    assert again.mean_face.dtype == torch.float32
    assert torch.equal(again.classes.long(), reference.classes)


@pytest.mark.parametrize("source", ["[1]", '{"count": 3}', "{", "[" * 100_000, "null"])
def test_a_source_that_is_no_object_of_texts_is_refused(reference, three_class_model, tmp_path, source):
    path = tmp_path / "reference.safetensors"
    save_file({"centres": reference.centres}, path, metadata={"source": source})
    with pytest.raises(CheckpointError, match="cannot be read"):
        Reference.load(path, three_class_model)
    save_file({"centres": reference.centres}, path, metadata={"source": json.dumps({"count": "3"})})
    assert Reference.load(path, three_class_model).source == {"count": "3"}


def test_centres_alone_give_distances_and_no_plane(reference, three_class_model, detector, astronaut):
    e = Explainer(three_class_model, detector, Reference(reference.centres)).explain(astronaut)
    (view,) = class_views(e)
    assert "nearest to the centre of" in view.sentence
    without = Explainer(three_class_model, detector).explain(astronaut)
    assert "bring no reference statistics" in class_views(without)[0].sentence
    assert "bring no reference statistics" in head_views(without)[-2].note


def test_the_embedded_weights_have_reference_statistics(astronaut, detector):
    checkpoint = load_checkpoint()
    e = Explainer.from_checkpoint(checkpoint, torch.device("cpu"), detector).explain(astronaut)
    assert e.labels[int(e.class_distances.distances.argmin())] == "happiness"
    assert int(e.reference.source["count"]) > 2000
    assert e.reference.mean_face.shape == (1, 48, 48)
    views = class_views(e)
    assert [view.name for view in views] == ["distances", "projection"]
    note = next(view.note for view in head_views(e) if view.name == "overlap")
    assert "reference faces: cosine higher than on" in note


def test_regions_with_unusual_attention_are_named(explainer, astronaut):
    e = explainer.explain(astronaut)
    shares = torch.stack([e.regions.shares(a) for a in e.heads.spatial]).float()  # (H, R)
    usual = torch.linspace(0.5, 1.5, 101)[:, None, None] * shares
    usual[:, 1, 2] = shares[1, 2] / 2  # head 2 looks more at the third region than on any reference face
    usual[:, 3, 4] = shares[3, 4] + 1
    reference = replace(e.reference, quantiles={"regions": usual}, source={"count": "7"})
    note = unusual_regions_note(replace(e, reference=reference))
    less, more = f"Head 4 {REGIONS[4]} less than on 100 %", f"Head 2 {REGIONS[2]} more than on 100 %"
    assert note == f"Unusual, of 7 reference faces: {less}; {more} of them."
    plain = replace(e.reference, quantiles={"regions": torch.linspace(0.5, 1.5, 101)[:, None, None] * shares})
    assert unusual_regions_note(replace(e, reference=plain)).startswith("No percentage is unusual")
    assert unusual_regions_note(replace(e, reference=None)) == ""


def test_a_map_is_compared_with_the_usual_one_at_unit_length():
    """Two heads on two cells: the first has its usual map at twice the size, the second attends to the other cell."""
    usual = torch.tensor([[[3.0, 4.0]], [[1.0, 0.0]]]) / 7
    reference = Reference(torch.zeros(2, 4), mean_maps=usual, map_energy=torch.tensor([0.9, 0.5]))
    found = compare_maps(torch.tensor([[[6.0, 8.0]], [[0.0, 5.0]]]), reference)
    torch.testing.assert_close(found.own, torch.tensor([[[0.6, 0.8]], [[0.0, 1.0]]]).double())
    torch.testing.assert_close(found.difference, torch.tensor([[[0.0, 0.0]], [[-1.0, 1.0]]]).double())
    assert found.cosine.tolist() == pytest.approx([1, 0])
    assert usual_maps_sentence(found, reference) == (
        "Part of a map that is the same for every face: Head 1 90\u00a0%, Head 2 50\u00a0%. On this face, "
        "Head 2 differs most from its average (cosine 0.00)."
    )
    alike = replace(found, cosine=torch.tensor([0.99, 0.95]))
    assert usual_maps_sentence(alike, reference).endswith(
        "On this face, all maps are nearly the average ones (cosine 0.95 or more)."
    )
    assert compare_maps(torch.ones(3, 1, 2), reference) is None
    assert compare_maps(torch.ones(2, 1, 2), Reference(torch.zeros(2, 4))) is None


def test_the_maps_of_the_embedded_weights_are_shown_beside_their_average(explainer, astronaut):
    e = explainer.explain(astronaut)
    (view,) = [view for view in head_views(e) if view.name == "usual-maps"]
    found = compare_maps(e.heads.spatial, e.reference)
    grid = view.figure.axes
    assert len(grid) == 4 * 4
    torch.testing.assert_close(torch.tensor(grid[4].images[0].get_array()), found.usual[0])
    torch.testing.assert_close(torch.tensor(grid[8 + 2].images[0].get_array()), found.difference[2])
    assert "2783 reference faces" in view.note
