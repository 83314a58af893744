"""Every loader on generated images in the exact published layout, and on layouts that are wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dan_model.errors import DatasetError
from dan_model.learn.datasets import load_faces
from dan_model.learn.face_set import FaceSet
from dan_model.learn.layouts.affectnet import AFFECTNET_LABELS
from dan_model.learn.layouts.ferplus import FERPLUS_LABELS, VOTES
from dan_model.learn.layouts.rafdb import RAFDB_LABELS
from tests.fixtures.drawn_faces import write_grey_image


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
    write_grey_image(tmp_path / "mine" / "train" / "anger" / "a.png")
    with pytest.raises(DatasetError, match=r"FER\+ train and mine train have different classes"):
        votes.joined(load_faces("folder", tmp_path / "mine", "train"))


def test_incomplete_or_malformed_ferplus_is_refused(ferplus):
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
        write_grey_image(tmp_path / "Image" / "aligned" / f"{name}_aligned.jpg")
        lines.append(f"{name}.jpg {k + 4}")
    (tmp_path / "EmoLabel").mkdir()
    (tmp_path / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_rafdb(rafdb):
    train, test = load_faces("rafdb", rafdb, "train"), load_faces("rafdb", rafdb, "valid")
    assert [RAFDB_LABELS[k] for k in train.classes] == ["happiness", "sadness"]
    assert [path.name for path in test.paths] == ["test_0001_aligned.jpg"]
    assert [RAFDB_LABELS[k] for k in test.classes] == ["anger"]


def test_incomplete_rafdb_is_refused(rafdb):
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
            write_grey_image(tmp_path / split / str(k) / "x.jpg")
    eight, seven = (load_faces(f"affectnet{n}", tmp_path, "valid") for n in (8, 7))
    assert eight.labels == AFFECTNET_LABELS
    assert eight.classes.tolist() == list(range(8))
    assert (len(seven), seven.labels[-1]) == (7, "anger")
    (tmp_path / "train" / "3" / "x.jpg").unlink()
    with pytest.raises(DatasetError, match="3 holds no images; 7 of 8 class folders do"):
        load_faces("affectnet8", tmp_path, "train")
    with pytest.raises(DatasetError, match="not public"):
        load_faces("affectnet8", tmp_path, "test")


def test_affectnet_in_its_original_layout(tmp_path):
    for number, k in (("10", 6), ("11", 7), ("12", 0)):
        write_grey_image(tmp_path / "train_set" / "images" / f"{number}.jpg")
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
        write_grey_image(tmp_path / "Train" / name / "a.png")
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
        write_grey_image(tmp_path / "val" / name / "a.png")
    with pytest.raises(DatasetError, match="two folders of one class: Angry, anger"):
        load_faces("folder", tmp_path, "valid")


def test_any_folder_is_a_data_set_and_its_classes_can_be_reordered(tmp_path):
    for name in ("Happy", "calm"):
        write_grey_image(tmp_path / "val" / name / "a.png")
    faces = load_faces("folder", tmp_path, "valid")
    assert set(faces.labels) == {"happiness", "calm"}
    turned = faces.in_order_of(["happiness", "calm"])
    happy = next(i for i, path in enumerate(turned.paths) if path.parent.name == "Happy")
    assert turned.targets[happy].tolist() == [1, 0]
    with pytest.raises(DatasetError, match=r"only the network has fear; only .* has calm"):
        faces.in_order_of(["happiness", "fear"])


def test_unknown_data_sets_splits_and_folders_are_refused(tmp_path):
    for dataset, split, message in (
        ("imagenet", "train", "no dataset 'imagenet'"),
        ("rafdb", "dev", "no split 'dev'"),
        ("folder", "train", "train is no folder"),
    ):
        with pytest.raises(DatasetError, match=message):
            load_faces(dataset, tmp_path, split)
    with pytest.raises(DatasetError, match="nowhere is no folder"):
        load_faces("rafdb", tmp_path / "nowhere", "train")


def test_some_classes_of_a_set_keep_their_images_and_the_rest_is_left_out():
    targets = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.2, 0.2, 0.6]])
    faces = FaceSet("some", ("a", "b", "c"), (Path("0"), Path("1"), Path("2")), targets)
    found = faces.of_classes(("c", "a"))
    assert (found.labels, found.paths) == (("c", "a"), (Path("0"), Path("2")))
    torch.testing.assert_close(found.targets, torch.tensor([[0.0, 1.0], [0.75, 0.25]]))
    with pytest.raises(DatasetError, match="no image of c"):
        replace(faces, paths=faces.paths[:2], targets=targets[:2]).of_classes(("c",))


def test_rafdb_in_class_folders_is_read_also_one_folder_higher(tmp_path):
    for split, count in (("train", 2), ("test", 1)):
        for k in range(1, 8):
            for n in range(count):
                write_grey_image(tmp_path / "DATASET" / split / str(k) / f"{split}_{k}_{n}_aligned.jpg")
    write_grey_image(tmp_path / "DATASET" / "train" / "1" / "._train_1_0_aligned.jpg")
    for root in (tmp_path, tmp_path / "DATASET"):
        faces = load_faces("rafdb", root, "train")
        assert faces.labels[0] == "surprise"
        assert faces.classes.tolist() == [k for k in range(7) for _ in range(2)]
        assert len(load_faces("rafdb", root, "valid")) == 7


def test_byte_order_marks_lose_no_line(ferplus):
    table = ferplus / "FER2013Train" / "label.csv"
    before = load_faces("ferplus", ferplus, "train").paths
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes())
    assert load_faces("ferplus", ferplus, "train").paths == before


@pytest.mark.parametrize(
    "value", [np.str_("3"), np.array(["3"]), np.array(3.0), np.array([[3]]), np.int64(3)], ids=repr
)
def test_affectnets_annotations_are_numbers_in_any_dress(tmp_path, value):
    for split in ("train_set", "val_set"):
        write_grey_image(tmp_path / split / "images" / "7.jpg")
        folder = tmp_path / split / "annotations"
        folder.mkdir()
        np.save(folder / "7_exp.npy", value)
        (folder / "._7_exp.npy").write_bytes(b"companion")
    assert load_faces("affectnet7", tmp_path, "train").classes.tolist() == [3]
    np.save(tmp_path / "train_set" / "annotations" / "7_exp.npy", np.array([]))
    with pytest.raises(DatasetError, match=r"7_exp\.npy holds no class"):
        load_faces("affectnet7", tmp_path, "train")


def test_hidden_folders_are_no_classes_and_companions_no_images(tmp_path):
    for label in ("happy", "sad"):
        write_grey_image(tmp_path / "train" / label / "a.png")
        (tmp_path / "train" / label / "._a.png").write_bytes(b"companion")
    write_grey_image(tmp_path / "train" / ".ipynb_checkpoints" / "a.png")
    faces = load_faces("folder", tmp_path, "train")
    assert faces.labels == ("happiness", "sadness")
    assert len(faces) == 2
