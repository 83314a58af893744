"""Every loader on generated images in the exact published layout, and on layouts that are wrong."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from dan_model.checkpoints import load_checkpoint
from dan_model.cli import app
from dan_model.config import PreprocessConfig
from dan_model.errors import DatasetError
from dan_model.faces import Face
from dan_model.learn.batches import Pixels, evaluation_order, training_order
from dan_model.learn.datasets import (
    AFFECTNET_LABELS,
    FERPLUS_LABELS,
    RAFDB_LABELS,
    VOTES,
    FaceSet,
    load_faces,
)
from dan_model.preprocess import to_input, to_tensor
from tests.conftest import EXAMPLES


def image(path: Path, shade: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", (48, 48), shade).save(path)


VOTED = {  # neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, not a face
    "a.png": [8, 1, 1, 0, 0, 0, 0, 0, 0, 0],  # the single votes count as mistakes: all of what is left is neutral
    "b.png": [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # no class has more than half
    "c.png": [0, 0, 0, 0, 2, 0, 3, 0, 5, 0],  # half unknown: votes keep it, the majority does not
    "d.png": [0, 0, 0, 2, 0, 0, 0, 0, 0, 8],  # not a face
    "e.png": [0, 0, 0, 3, 0, 0, 7, 0, 0, 0],
}


@pytest.fixture
def ferplus(tmp_path) -> Path:
    for folder in ("FER2013Train", "FER2013Valid"):
        rows = []
        for name, votes in VOTED.items():
            image(tmp_path / folder / name)
            rows.append(f'{name},"(0, 0, 48, 48)",{",".join(map(str, votes))}')
        (tmp_path / folder / "label.csv").write_text("\n".join(rows) + "\n")
    return tmp_path


def test_ferplus_by_majority(ferplus):
    faces = load_faces("ferplus", ferplus, "valid")
    assert [path.name for path in faces.paths] == ["a.png", "e.png"]
    assert [FERPLUS_LABELS[k] for k in faces.classes] == ["neutral", "fear"]
    assert faces.targets.sum(dim=1).tolist() == [1, 1]


def test_ferplus_by_votes(ferplus):
    faces = load_faces("ferplus", ferplus, "train", VOTES)
    assert [path.name for path in faces.paths] == ["a.png", "b.png", "c.png", "e.png"]
    expected = torch.zeros(4, 8)
    expected[0, 0] = 1
    expected[1, :3] = torch.tensor([0.4, 0.4, 0.2])
    expected[2, 4], expected[2, 6] = 0.4, 0.6
    expected[3, 3], expected[3, 6] = 0.3, 0.7
    torch.testing.assert_close(faces.targets, expected)


def test_joined_sets_keep_every_image_its_target(ferplus, tmp_path):
    votes, other = load_faces("ferplus", ferplus, "train", VOTES), load_faces("ferplus", ferplus, "valid")
    turned = other.in_order_of(other.labels[::-1])
    both = votes.joined(turned)
    assert both.name == "FER+ train and FER+ valid"
    assert votes.joined(votes).name == "FER+ train"
    assert both.paths == votes.paths + other.paths
    assert both.labels == votes.labels
    torch.testing.assert_close(both.targets, torch.cat([votes.targets, other.targets]))
    image(tmp_path / "mine" / "train" / "anger" / "a.png")
    with pytest.raises(DatasetError, match=r"FER\+ train and mine train have different classes"):
        votes.joined(load_faces("folder", tmp_path / "mine", "train"))


def test_ferplus_half_copied_or_of_another_kind(ferplus):
    (ferplus / "FER2013Train" / "c.png").unlink()
    assert len(load_faces("ferplus", ferplus, "train")) == 2  # without a majority it is not needed
    with pytest.raises(DatasetError, match=r"c\.png is missing.*3 of 4 files are there"):
        load_faces("ferplus", ferplus, "train", VOTES)
    with pytest.raises(DatasetError, match=r"FER2013Test.label\.csv is missing"):
        load_faces("ferplus", ferplus, "test")
    nine = ",".join("123456789")
    for text in ("a.png,box,1,2\n", f"a.png,box,{nine}\n" * 10):  # ninety votes are not nine rows of ten
        (ferplus / "FER2013Valid" / "label.csv").write_text(text)
        with pytest.raises(DatasetError, match="something else than ten votes"):
            load_faces("ferplus", ferplus, "valid")
    (ferplus / "FER2013Valid" / "label.csv").write_text("")
    with pytest.raises(DatasetError, match=r"FER\+ valid is empty"):
        load_faces("ferplus", ferplus, "valid")
    with pytest.raises(DatasetError, match="'loudest'"):
        load_faces("ferplus", ferplus, "train", "loudest")


@pytest.fixture
def rafdb(tmp_path) -> Path:
    lines = []
    for k, name in enumerate(["train_00001", "train_00002", "test_0001"]):
        image(tmp_path / "Image" / "aligned" / f"{name}_aligned.jpg")
        lines.append(f"{name}.jpg {k + 4}")
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_rafdb(rafdb):
    train, test = load_faces("rafdb", rafdb, "train"), load_faces("rafdb", rafdb, "valid")
    assert [RAFDB_LABELS[k] for k in train.classes] == ["happiness", "sadness"]
    assert [path.name for path in test.paths] == ["test_0001_aligned.jpg"]
    assert [RAFDB_LABELS[k] for k in test.classes] == ["anger"]


def test_rafdb_incomplete(rafdb):
    (rafdb / "Image" / "aligned" / "train_00002_aligned.jpg").unlink()
    with pytest.raises(DatasetError, match=r"train_00002_aligned\.jpg is missing.*1 of 2 files"):
        load_faces("rafdb", rafdb, "train")
    table = rafdb / "EmoLabel" / "list_patition_label.txt"
    table.write_text("train_00001.jpg 9\n")
    with pytest.raises(DatasetError, match="from 1 to 7"):
        load_faces("rafdb", rafdb, "train")
    table.unlink()
    with pytest.raises(DatasetError, match=r"list_patition_label\.txt is missing"):
        load_faces("rafdb", rafdb, "train")


def test_affectnet_in_class_folders(tmp_path):
    for split in ("train", "val"):
        for k in range(8):
            image(tmp_path / split / str(k) / "x.jpg")
    eight, seven = (load_faces(f"affectnet{n}", tmp_path, "valid") for n in (8, 7))
    assert eight.labels == AFFECTNET_LABELS
    assert eight.classes.tolist() == list(range(8))
    assert (len(seven), seven.labels[-1]) == (7, "anger")
    (tmp_path / "train" / "3" / "x.jpg").unlink()
    with pytest.raises(DatasetError, match="3 holds no images; 7 of 8 class folders do"):
        load_faces("affectnet8", tmp_path, "train")
    with pytest.raises(DatasetError, match="not public"):
        load_faces("affectnet8", tmp_path, "test")


def test_affectnet_as_it_comes(tmp_path):
    for number, k in (("10", 6), ("11", 7), ("12", 0)):
        image(tmp_path / "train_set" / "images" / f"{number}.jpg")
        (tmp_path / "train_set" / "annotations").mkdir(exist_ok=True)
        np.save(tmp_path / "train_set" / "annotations" / f"{number}_exp.npy", np.array(str(k)))
    eight, seven = (load_faces(f"affectnet{n}", tmp_path, "train") for n in (8, 7))
    assert [AFFECTNET_LABELS[k] for k in eight.classes] == ["anger", "contempt", "neutral"]
    assert [path.name for path in seven.paths] == ["10.jpg", "12.jpg"]
    (tmp_path / "train_set" / "images" / "11.jpg").unlink()
    with pytest.raises(DatasetError, match=r"11\.jpg is missing.*2 of 3"):
        load_faces("affectnet8", tmp_path, "train")


def test_sfew(tmp_path):
    for name in ("Angry", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise"):
        image(tmp_path / "Train" / name / "a.png")
    faces = load_faces("sfew", tmp_path, "train")
    assert faces.labels == RAFDB_LABELS
    angry = next(i for i, path in enumerate(faces.paths) if path.parent.name == "Angry")
    assert faces.labels[faces.classes[angry]] == "anger"
    with pytest.raises(DatasetError, match="Val is no folder"):
        load_faces("sfew", tmp_path, "valid")
    (tmp_path / "Train" / "Sad" / "a.png").unlink()
    with pytest.raises(DatasetError, match="Sad holds no images; 6 of 7"):
        load_faces("sfew", tmp_path, "train")


def test_two_folders_of_one_class_are_refused(tmp_path):
    for name in ("Angry", "anger"):
        image(tmp_path / "val" / name / "a.png")
    with pytest.raises(DatasetError, match="two folders of one class: Angry, anger"):
        load_faces("folder", tmp_path, "valid")


def test_any_folder_and_its_order(tmp_path):
    for name in ("Happy", "calm"):
        image(tmp_path / "val" / name / "a.png")
    faces = load_faces("folder", tmp_path, "valid")
    assert set(faces.labels) == {"happiness", "calm"}
    turned = faces.in_order_of(["happiness", "calm"])
    happy = next(i for i, path in enumerate(turned.paths) if path.parent.name == "Happy")
    assert turned.targets[happy].tolist() == [1, 0]
    with pytest.raises(DatasetError, match=r"only the network has fear; only .* has calm"):
        faces.in_order_of(["happiness", "fear"])


def test_what_is_not_there_is_refused(tmp_path):
    for dataset, split, message in (
        ("imagenet", "train", "no dataset 'imagenet'"),
        ("rafdb", "dev", "no split 'dev'"),
        ("folder", "train", "train is no folder"),
    ):
        with pytest.raises(DatasetError, match=message):
            load_faces(dataset, tmp_path, split)
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        load_faces("rafdb", tmp_path / "nowhere", "train")


def test_images_are_decoded_as_an_upload_is(tmp_path):
    """The same pixels whether kept or decoded one by one, and the same input as the page makes of the same crop."""
    generator = np.random.default_rng(0)
    paths = []
    for n in range(5):
        paths.append(tmp_path / f"{n}.png")
        Image.fromarray(generator.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(paths[-1])
    faces = FaceSet("some", ("a", "b"), tuple(paths), torch.eye(2)[[0, 1, 0, 1, 0]])
    config = PreprocessConfig(detail_size=40, grayscale=True, image_size=64)
    kept, lazy = Pixels(faces, config), Pixels(faces, config, memory=0)
    assert kept.kept is not None
    assert lazy.kept is None
    groups = [[3, 1], [0, 4]]
    for (one, targets), (other, others) in zip(kept.batches(groups), lazy.batches(groups), strict=True):
        assert torch.equal(one, other)
        assert torch.equal(targets, others)
    pixels = np.asarray(Image.open(paths[3]))
    first = next(kept.batches(groups))[0][:1]
    torch.testing.assert_close(to_input(first, config), to_tensor(pixels, config))
    paths[2].write_bytes(b"nothing")
    with pytest.raises(DatasetError, match=r"2\.png cannot be read"):
        Pixels(faces, config)


def some_faces(counts: list[int]) -> FaceSet:
    classes = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    targets = torch.nn.functional.one_hot(classes, len(counts)).float()
    return FaceSet("some", tuple("abc"[: len(counts)]), tuple(Path(str(i)) for i in range(len(classes))), targets)


def test_an_epoch_shows_every_image_once_and_processes_share_it():
    faces = some_faces([60, 40])
    whole = training_order(faces, 0, 20, seed=1, epoch=0)
    assert sorted(i for batch in whole for i in batch) == list(range(100))
    assert whole == training_order(faces, 0, 20, seed=1, epoch=0)
    assert whole != training_order(faces, 0, 20, seed=1, epoch=1)
    parts = [training_order(faces, 0, 20, 1, 0, part, 2) for part in (0, 1)]
    for batch, one, other in zip(whole, *parts, strict=True):
        assert sorted(batch) == sorted([*one, *other])
    with pytest.raises(DatasetError, match="100 images, too few for a batch of 128"):
        training_order(faces, 0, 128, 0, 0)


def test_rare_classes_are_drawn_more_often():
    faces = some_faces([9000, 1000])
    for sampling, part in ((1.0, 0.5), (0.5, 0.25)):  # 1000^(1-s) against 9000^(1-s): 1 to 1, and 1 to 3
        drawn = [i for batch in training_order(faces, sampling, 100, 0, 0) for i in batch]
        assert sum(i >= 9000 for i in drawn) / len(drawn) == pytest.approx(part, abs=0.02)


def test_evaluation_takes_every_image_once_over_any_number_of_processes():
    for parts in (1, 2, 3, 7):
        orders = [evaluation_order(20, 4, part, parts) for part in range(parts)]
        assert sorted(i for order in orders for batch in order for i in batch) == list(range(20))
        assert max(len(batch) for order in orders for batch in order) <= 4


@pytest.fixture
def align(ferplus, tmp_path):
    """Runs `align` on the training faces of ferplus; gives its result and where the copy is."""
    copy = tmp_path.with_name(f"{tmp_path.name}-aligned")

    def run(out: Path = copy):
        command = ["align", "--dataset", "ferplus", "--root", str(ferplus), "--out", str(out)]
        return CliRunner().invoke(app, command), out / "FER2013Train"

    return run


def test_an_aligned_copy_keeps_the_layout_and_turns_the_faces_upright(ferplus, align, detector):
    folder = ferplus / "FER2013Train"
    portrait = Image.open(EXAMPLES / "astronaut.jpg").convert("L")
    portrait.rotate(20, resample=Image.Resampling.BICUBIC).save(folder / "a.png")
    told, copy = align()
    assert told.exit_code == 0, told.stderr
    assert "1 of 4 images aligned" in told.stdout
    assert (copy / "label.csv").read_text() == (folder / "label.csv").read_text()
    assert sorted(path.name for path in copy.glob("*.png")) == ["a.png", "b.png", "c.png", "e.png"]
    assert (copy / "b.png").read_bytes() == (folder / "b.png").read_bytes()
    (face,) = detector(np.asarray(Image.open(copy / "a.png").convert("RGB")))
    found = face.landmarks / Image.open(copy / "a.png").size[0]
    template = load_checkpoint().model.config.preprocess.landmark_template
    np.testing.assert_allclose(found, template.points, atol=0.05)
    assert "0 of 4 images aligned" in align()[0].stdout


def test_landmarks_on_one_point_leave_a_face_as_it_is(ferplus, align, monkeypatch):
    nowhere = Face(np.array([10.0, 10.0, 11.0, 11.0]), 0.9, np.full((5, 2), 10.0))
    monkeypatch.setattr("dan_model.cli_learning.FaceDetector", lambda: lambda photo: [nowhere])
    told, copy = align()
    assert told.exit_code == 0, told.stderr
    assert "0 of 4 images aligned" in told.stdout
    assert (copy / "a.png").read_bytes() == (ferplus / "FER2013Train" / "a.png").read_bytes()


def test_an_image_that_cannot_be_read_does_not_stop_align(ferplus, align):
    (ferplus / "FER2013Train" / "a.png").write_text("no image")
    told, copy = align()
    assert told.exit_code == 1
    assert "a.png is not an image" in told.stderr
    assert sorted(path.name for path in copy.glob("*.png")) == ["b.png", "c.png", "e.png"]


def test_a_copy_inside_of_what_is_copied_is_refused(ferplus, align):
    told, _ = align(ferplus / "aligned")
    assert told.exit_code == 2
    assert "Give a folder outside" in told.stderr


def test_classes_without_a_face_have_no_average(ferplus, tmp_path, monkeypatch):
    monkeypatch.setattr("dan_model.cli_learning.FaceDetector", lambda: lambda photo: [])
    out = tmp_path / "averages"
    told = CliRunner().invoke(app, ["averages", "--dataset", "ferplus", "--root", str(ferplus), "--out", str(out)])
    assert told.exit_code == 0, told.stderr
    assert "neutral: no face was found in 1 images" in told.stdout
    assert not list(out.iterdir())


@pytest.mark.parametrize("workers", [0, 1])
def test_an_image_that_cannot_be_decoded_is_named(ferplus, workers):
    faces = load_faces("ferplus", ferplus, "train")
    faces.paths[1].write_text("no image")
    pixels = Pixels(faces, PreprocessConfig(detail_size=48), memory=0)
    with pytest.raises(DatasetError) as told:
        list(pixels.batches([[0, 1]], workers))
    assert str(told.value).startswith(f"{faces.paths[1]} cannot be read as an image")
    assert str(told.value).endswith("Copy it again.")


def test_processes_that_would_get_less_than_two_images_are_refused(ferplus):
    with pytest.raises(DatasetError, match="batch of 4 is too small for 3 processes"):
        training_order(load_faces("ferplus", ferplus, "train"), 0, 4, 0, 0, part=0, parts=3)
