"""A few images that cannot be read end no measurement: it is that of the others, and says what was left out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from dan_model.config import PreprocessConfig
from dan_model.errors import DatasetError
from dan_model.faces import Face
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.unreadable import NAMED, Unreadable
from dan_model.network import DAN
from tests.fixtures.command_line import run_command
from tests.fixtures.drawn_faces import write_faces

SMALL = PreprocessConfig(image_size=64, detail_size=48)


def spoil(path: Path) -> None:
    path.write_text("no image")


def cut_short(path: Path) -> None:
    """A JPEG of which more than a quarter of the rows are missing."""
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:2500])


@pytest.fixture
def twice(tmp_path) -> tuple[Path, Path]:
    """The same dataset: with files that cannot be read, are hidden or no images; and without them. Same folder name."""
    whole, spoiled = (write_faces(tmp_path / name / "faces", train=14, valid=7) for name in ("whole", "spoiled"))
    for split, label, n in (("train", "sadness", 3), ("train", "happiness", 0), ("valid", "neutral", 5)):
        (whole / split / label / f"{n}.png").unlink()
        (spoil if label == "sadness" else cut_short)(spoiled / split / label / f"{n}.png")
    for split in ("train", "valid"):
        folder = spoiled / split / "neutral"
        (folder / "._1.png").write_bytes(b"companion")
        (folder / "notes.pdf").write_bytes(b"%PDF-1.4")
        for hidden in (folder / ".ipynb_checkpoints", spoiled / split / ".ipynb_checkpoints"):
            hidden.mkdir()
            shutil.copy(folder / "1.png", hidden / "1-checkpoint.png")
    return whole, spoiled


@pytest.mark.parametrize("memory", [4e9, 0], ids=["in memory", "read again"])
def test_what_is_left_out_shifts_no_target(twice, memory):
    whole, spoiled = (Pixels(load_faces("folder", root, "train"), SMALL, memory) for root in twice)
    assert len(whole) == len(spoiled) == 40
    assert torch.equal(whole.faces.targets, spoiled.faces.targets)
    assert [p.relative_to(twice[0]) for p in whole.faces.paths] == [
        p.relative_to(twice[1]) for p in spoiled.faces.paths
    ]
    for one, other in zip(whole.batches([[0, 39, 20]]), spoiled.batches([[0, 39, 20]]), strict=True):
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    assert [Path(path).name for path in spoiled.unreadable] == ["0.png", "3.png"]
    assert (whole.notes, list(whole.unreadable)) == ((), [])
    pdf, unreadable = spoiled.notes
    assert pdf == f"{twice[1] / 'train'}: 1 file is no image and is left out."
    assert unreadable.startswith("2 of 42 images of faces train cannot be read: left out: ")
    assert "0.png is cut short" in unreadable
    assert "3.png is not an image" in unreadable


def test_one_in_twenty_may_be_unreadable_and_no_more(tmp_path):
    root = write_faces(tmp_path, train=20, valid=1)
    names = [root / "train" / "sadness" / f"{n}.png" for n in range(4)]
    for path in names[:3]:
        spoil(path)
    assert len(Pixels(load_faces("folder", root, "train"), SMALL)) == 57
    spoil(names[3])
    for memory in (4e9, 0):
        with pytest.raises(DatasetError) as refused:
            Pixels(load_faces("folder", root, "train"), SMALL, memory)
        assert str(refused.value).startswith(f"{names[0]} cannot be read as an image")
        assert "4 or more of 60 images" in str(refused.value)
        assert "at most 5% may be" in str(refused.value)


def test_a_note_names_some_and_counts_all(tmp_path):
    left_out = Unreadable("some", 1000)
    paths = [tmp_path / f"{n}.png" for n in range(13)]
    for path in paths:
        spoil(path)
    assert list(left_out.images(paths)) == []
    (note,) = left_out.notes
    assert note.startswith("13 of 1,000 images of some cannot be read: left out: ")
    assert [f"{n}.png is not" in note for n in range(13)] == [True] * NAMED + [False] * 3
    assert note.endswith("; and 3 more.")


@pytest.mark.usefixtures("light_network")
def test_an_evaluation_is_that_of_the_images_that_can_be_read(twice, tmp_path):
    DAN(load_faces("folder", twice[0], "valid").labels, 2, SMALL).save_pretrained(tmp_path / "weights")
    found = []
    for name, root in zip(("whole", "spoiled"), twice, strict=True):
        done = run_command(
            "evaluate", "--dataset", "folder", "--root", root, "--weights", tmp_path / "weights", "--device", "cpu",
            "--out", tmp_path / f"{name}.json", "--heads",
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        found.append((json.loads((tmp_path / f"{name}.json").read_text()), done.stderr))
    (whole, quiet), (spoiled, named) = found
    assert (spoiled.pop("images_unreadable"), whole.pop("images_unreadable")) == (1, 0)
    assert (spoiled.pop("unreadable"), whole.pop("unreadable")) == ([str(twice[1] / "valid" / "neutral" / "5.png")], [])
    assert whole == spoiled
    assert whole["count"] == 20
    assert "1 of 21 images of faces valid cannot be read" in named
    assert named.count("1 file is no image and is left out.") == 1
    assert "left out" not in quiet


@pytest.mark.usefixtures("light_network")
def test_reference_statistics_are_those_of_the_images_that_can_be_read(twice, tmp_path):
    model = DAN(load_faces("folder", twice[0], "valid").labels, 2, SMALL)
    for name, root in zip(("whole", "spoiled"), twice, strict=True):
        model.save_pretrained(tmp_path / name)
        done = run_command(
            "reference", "--dataset", "folder", "--root", root, "--weights", tmp_path / name, "--device", "cpu"
        )
        assert done.exit_code == 0, done.stderr
        assert "40 faces of faces train" in done.stdout
        assert ("2 of 42 images of faces train cannot be read" in done.stderr) == (name == "spoiled")
    one, other = (load_file(tmp_path / name / "reference.safetensors") for name in ("whole", "spoiled"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.usefixtures("light_network")
def test_a_training_is_that_of_the_images_that_can_be_read(twice, tmp_path):
    for name, root in zip(("whole", "spoiled"), twice, strict=True):
        done = run_command(
            "train", "--dataset", "folder", "--root", root, "--cpu", "--heads", 2, "--set", "phases=48:1",
            "--set", "batch_size=20", "--out", tmp_path / name,
        )  # fmt: skip
        assert done.exit_code == 0, done.stderr
        assert ("2 of 42 images of faces train cannot be read" in done.stderr) == (name == "spoiled")
    one, other = (load_file(tmp_path / name / "weights" / "model.safetensors") for name in ("whole", "spoiled"))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)
    metrics = json.loads((tmp_path / "spoiled" / "metrics.json").read_text())
    assert (metrics["images_unreadable"], metrics["count"]) == (1, 20)
    assert (metrics["training_images_unreadable"], metrics["training_images"]) == (2, 40)
    assert [Path(path).parent.name for path in metrics["training_unreadable"]] == ["happiness", "sadness"]
    # They are those of the weights beside them.
    weights, out = tmp_path / "spoiled" / "weights", tmp_path / "again.json"
    evaluate = ("evaluate", "--dataset", "folder", "--root", twice[1], "--weights", weights, "--device", "cpu")
    done = run_command(*evaluate, "--out", out)
    assert done.exit_code == 0, done.stderr
    measured = json.loads(out.read_text())
    assert measured["confusion"] == metrics["confusion"]
    assert measured["ece"] == pytest.approx(metrics["ece"], abs=1e-4)
    card = (tmp_path / "spoiled" / "weights" / "README.md").read_text()
    assert "faces train, 40 images (2 more are unreadable)" in card


def test_averages_and_templates_leave_them_out(twice, tmp_path, monkeypatch):
    points = np.array([[14.0, 19.0], [33.0, 19.0], [24.0, 29.0], [17.0, 36.0], [31.0, 36.0]])
    face = Face(np.array([4.0, 4.0, 44.0, 44.0]), 0.9, points)
    monkeypatch.setattr("dan_model.commands.datasets.FaceDetector", lambda: lambda photo: [face])
    for name, root in zip(("whole", "spoiled"), twice, strict=True):
        done = run_command("averages", "--dataset", "folder", "--root", root, "--out", tmp_path / name)
        assert done.exit_code == 0, done.stderr
        assert ("2 of 42 images of faces train cannot be read" in done.stderr) == (name == "spoiled")
        derived = run_command("template", root / "train")
        assert derived.exit_code == 0, derived.stderr
        assert json.loads(derived.stdout)["faces"] == 40
    assert "1 file is no image and is left out." in derived.stderr
    for label in ("happiness", "sadness", "neutral"):
        one, other = (np.asarray(Image.open(tmp_path / name / f"mean_{label}.png")) for name in ("whole", "spoiled"))
        np.testing.assert_array_equal(one, other)


def test_an_aligned_copy_has_every_file_so_that_both_can_be_trained_on(twice, tmp_path, monkeypatch):
    monkeypatch.setattr("dan_model.commands.datasets.FaceDetector", lambda: lambda photo: [])
    done = run_command("align", "--dataset", "folder", "--root", twice[1], "--out", tmp_path / "aligned")
    assert done.exit_code == 0, done.stderr
    assert "2 of 42 images cannot be read." in done.stderr
    copies, faces = (load_faces("folder", root, "train") for root in (tmp_path / "aligned", twice[1]))
    assert [path.name for path in copies.paths] == [path.name for path in faces.paths]
    both = Pixels(faces.joined(copies), SMALL)
    assert (len(both), len(both.unreadable)) == (80, 4)
    assert not list((tmp_path / "aligned").rglob("*checkpoint*"))
