"""Datasets as they are passed around: each is read as what it is, or refused with what was expected and found."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dan_model.config import PreprocessConfig
from dan_model.errors import DatasetError
from dan_model.learn.batches import Pixels
from dan_model.learn.datasets import load_faces
from dan_model.learn.layouts.affectnet import AFFECTNET_LABELS
from dan_model.learn.layouts.fer2013 import FER2013_LABELS
from dan_model.learn.layouts.rafdb import RAFDB_LABELS
from dan_model.learn.sources import pixels_of
from tests.fixtures.command_line import run_command
from tests.fixtures.drawn_faces import write_grey_image

BOM = b"\xef\xbb\xbf"
NAMES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # FER-2013's, by number


@pytest.fixture
def rafdb(tmp_path) -> Path:
    """As published, in a folder of its own: 7 training images, of the classes 7 to 1, and two test images."""
    root = tmp_path / "RAF-DB"
    lines = []
    for k in range(1, 8):
        write_grey_image(root / "Image" / "aligned" / f"train_{k:05}_aligned.jpg", shade=30 * k)
        lines.append(f"train_{k:05}.jpg {8 - k}")
    for k in (1, 2):
        write_grey_image(root / "Image" / "aligned" / f"test_{k:04}_aligned.jpg")
        lines.append(f"test_{k:04}.jpg {k}")
    (root / "EmoLabel").mkdir()
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    return root


def same_images(one, other) -> bool:
    """Whether two sets have the same labels, files and targets in order."""
    names = [[path.name for path in faces.files] for faces in (one, other)]
    return one.labels == other.labels and names[0] == names[1] and torch.equal(one.targets, other.targets)


@pytest.mark.parametrize(("prefix", "encoding"), [(BOM, "utf-8"), (b"", "utf-8"), (b"\xff\xfe", "utf-16-le")], ids=str)
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_rafdbs_list_loses_no_line_to_its_encoding(rafdb, prefix, encoding, newline):
    plain = load_faces("rafdb", rafdb, "train")
    assert plain.classes.tolist() == [6, 5, 4, 3, 2, 1, 0]
    table = rafdb / "EmoLabel" / "list_patition_label.txt"
    text = table.read_text().replace("\n", newline)
    table.write_bytes(prefix + text.encode(encoding))
    assert same_images(load_faces("rafdb", rafdb, "train"), plain)


def test_a_list_that_is_no_text_is_refused(rafdb):
    (rafdb / "EmoLabel" / "list_patition_label.txt").write_bytes(b"train_\xff.jpg 3")
    with pytest.raises(DatasetError, match="is not a text in UTF-8"):
        load_faces("rafdb", rafdb, "train")


@pytest.mark.parametrize(
    "line", ["train_{k:05}_aligned.jpg {c}", "train_{k:05}.jpg\t{c}", "train_{k:05}.jpg  {c} ", "train_{k:05}.png {c}"]
)
def test_rafdbs_names_are_those_of_the_aligned_images_in_any_spelling(rafdb, line):
    plain = load_faces("rafdb", rafdb, "train")
    lines = [line.format(k=k, c=8 - k) for k in range(1, 8)]
    (rafdb / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    assert same_images(load_faces("rafdb", rafdb, "train"), plain)


def test_rafdb_is_found_one_folder_higher_and_where_an_archive_doubled_its_folder(rafdb):
    plain = load_faces("rafdb", rafdb, "train")
    assert same_images(load_faces("rafdb", rafdb.parent, "train"), plain)
    aligned = rafdb / "Image" / "aligned"
    aligned.rename(rafdb / "Image" / "inner")
    aligned.mkdir()
    (rafdb / "Image" / "inner").rename(aligned / "aligned")
    assert same_images(load_faces("rafdb", rafdb, "train"), plain)
    shutil.copytree(rafdb, rafdb.parent / "copy")
    with pytest.raises(DatasetError, match=r"holds several such datasets: RAF-DB, copy"):
        load_faces("rafdb", rafdb.parent, "train")


@pytest.mark.parametrize(
    "table", [b"", b"image,label\n", BOM + b"image,label\n"], ids=["no CSV", "CSV", "CSV with BOM"]
)
def test_rafdb_in_class_folders_or_with_a_list_is_that_of_its_numbers(tmp_path, table):
    root = tmp_path / "DATASET"
    rows = []
    for split in ("train", "test"):
        for k in range(1, 8):
            write_grey_image(root / split / str(k) / f"{split}_{k}_aligned.jpg")
            rows.append((split, f"{split}_{k}_aligned.jpg", k))
    if table:
        for split in ("train", "test"):
            lines = "\n".join(f"{name},{k}" for part, name, k in rows if part == split)
            (root / f"{split}_labels.csv").write_bytes(table + lines.encode())
    for given in (root, tmp_path):
        for split in ("train", "valid", "test"):
            faces = load_faces("rafdb", given, split)
            assert faces.labels == RAFDB_LABELS
            assert [(path.name[-13], k) for path, k in zip(faces.files, faces.classes.tolist(), strict=True)] == [
                (str(k + 1), k) for k in range(7)
            ]
    if table:  # all images in one folder: the list has the classes
        in_folders = load_faces("rafdb", root, "train")
        for path in in_folders.files:
            path.rename(path.parent.parent / path.name)
            path.parent.rmdir()
        assert same_images(load_faces("rafdb", root, "train"), in_folders)
        (root / "train_labels.csv").write_text("image,label\ntrain_1_aligned.jpg,happy\n")
        with pytest.raises(DatasetError, match=r"says 'train_1_aligned\.jpg,happy'\. Labels run from 1 to 7"):
            load_faces("rafdb", root, "train")
        (root / "train_labels.csv").write_text("a,b\ntrain_1_aligned.jpg,1\n")
        with pytest.raises(DatasetError, match=r"has no column image or .*; its first line is 'a,b'"):
            load_faces("rafdb", root, "train")


def test_what_is_not_rafdb_is_refused_with_what_was_expected_and_found(tmp_path):
    write_grey_image(tmp_path / "train" / "happy" / "a.png")
    with pytest.raises(DatasetError, match=r"list_patition_label\.txt is missing .* train/1 to 7; .* holds train/"):
        load_faces("rafdb", tmp_path, "train")
    write_grey_image(tmp_path / "train" / "1" / "a.png")
    with pytest.raises(
        DatasetError, match=r"2 holds no images; 1 of 7 class folders do; .* holds 1/, happy/\. .*1 to 7"
    ):
        load_faces("rafdb", tmp_path, "train")


@pytest.fixture
def fer_folders(tmp_path) -> Path:
    """FER-2013 as train and test: 30 images of each class in train, 2 in test."""
    for k, name in enumerate(NAMES):
        for split, count in (("train", 30), ("test", 2)):
            for n in range(count):
                write_grey_image(tmp_path / "archive" / split / name / f"{split}_{n}.png", shade=k + 7 * n)
    return tmp_path / "archive"


@pytest.mark.parametrize("dataset", ["fer2013", "folder"])
def test_without_a_validation_part_a_tenth_of_train_serves_and_never_the_test_part(fer_folders, dataset):
    train, valid, test = (load_faces(dataset, fer_folders, split) for split in ("train", "valid", "test"))
    assert train.labels == valid.labels == test.labels
    assert set(train.labels) == set(FER2013_LABELS)
    every = set((fer_folders / "train").rglob("*.png"))
    assert set(train.files) | set(valid.files) == every
    assert not set(train.files) & set(valid.files)
    assert set(test.files) == set((fer_folders / "test").rglob("*.png"))
    assert 8 <= len(valid) <= 35  # a tenth of 210, give or take three standard deviations
    for faces in (train, valid):
        named = [path.parent.name for path in faces.files]
        expected = dict(zip(NAMES, FER2013_LABELS, strict=True))
        assert [faces.labels[k] for k in faces.classes] == [expected[name] for name in named]
        assert f"{len(valid)} of its 210 training images" in faces.notes[-1]
    assert valid.name.endswith("valid (held out of train)")
    # The same images in every run, whatever other files come or go.
    again = load_faces(dataset, fer_folders, "valid")
    assert again.files == valid.files
    gone = train.files[0]
    gone.unlink()
    assert load_faces(dataset, fer_folders, "valid").files == valid.files
    assert load_faces(dataset, fer_folders.parent, "valid").files == valid.files  # one folder higher
    # With a folder for validation, nothing is held out.
    for name in NAMES:
        write_grey_image(fer_folders / "val" / name / "a.png")
    assert len(load_faces(dataset, fer_folders, "train")) == 209
    assert len(load_faces(dataset, fer_folders, "valid")) == 7


def test_an_aligned_copy_holds_out_what_the_original_does(fer_folders, tmp_path):
    """A copy of everything, and one of the training part only, as `align` makes it."""
    train, valid = (load_faces("folder", fer_folders, split) for split in ("train", "valid"))
    shutil.copytree(fer_folders, tmp_path / "everything")
    for path in train.files:
        copy = tmp_path / "part" / path.relative_to(fer_folders)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for name in ("everything", "part"):
        also = load_faces("folder", tmp_path / name, "train", whole=not train.held_out)
        assert [path.name for path in also.files] == [path.name for path in train.files]
    for label in NAMES:
        write_grey_image(fer_folders / "valid" / label / "a.png")
    whole = load_faces("folder", fer_folders, "train")
    also = load_faces("folder", tmp_path / "everything", "train", whole=not whole.held_out)
    assert len(whole) == len(also) == len(train) + len(valid)


def test_class_folders_by_number_are_fer2013s_and_unpacked_usages_are_its_parts(tmp_path):
    for folder, count in (("Training", 3), ("PublicTest", 2), ("PrivateTest", 1)):
        for k in range(7):
            for n in range(count):
                write_grey_image(tmp_path / folder / str(k) / f"{n}.png")
    for split, count in (("train", 3), ("valid", 2), ("test", 1)):
        faces = load_faces("fer2013", tmp_path, split)
        assert faces.labels == FER2013_LABELS
        assert faces.classes.tolist() == [k for k in range(7) for _ in range(count)]


def test_too_few_images_are_not_divided(tmp_path):
    for name in ("happy", "sad"):
        write_grey_image(tmp_path / "train" / name / "a.png")
    assert len(load_faces("folder", tmp_path, "train")) == 2
    with pytest.raises(DatasetError, match="no validation part, and 2 training images are too few"):
        load_faces("folder", tmp_path, "valid")


def fer_rows(usages: list[str]) -> tuple[list[np.ndarray], list[str]]:
    """Images of 48 × 48, and the rows of fer2013.csv: classes 0 to 6 in turn."""
    generator = np.random.default_rng(0)
    images = [generator.integers(0, 256, (48, 48), dtype=np.uint8) for _ in usages]
    rows = [
        f"{n % 7},{' '.join(map(str, image.ravel().tolist()))},{usage}"
        for n, (image, usage) in enumerate(zip(images, usages, strict=True))
    ]
    return images, rows


@pytest.mark.parametrize(
    ("name", "header", "prefix"),
    [
        ("fer2013.csv", "emotion,pixels,Usage", b""),
        ("fer2013.csv", "emotion,pixels,Usage", BOM),
        ("icml_face_data.csv", "emotion, Usage, pixels", b""),
    ],
)
def test_fer2013_as_a_table_has_the_pixels_of_its_lines(tmp_path, name, header, prefix):
    images, rows = fer_rows(["Training"] * 9 + ["PublicTest"] * 3 + ["PrivateTest"] * 2)
    if "Usage, pixels" in header:
        rows = [",".join(row.split(",")[i] for i in (0, 2, 1)) for row in rows]
    (tmp_path / "fer2013").mkdir()
    (tmp_path / "fer2013" / name).write_bytes(prefix + "\n".join([header, *rows]).encode())
    start = 0
    for split, count in (("train", 9), ("valid", 3), ("test", 2)):
        for root in (tmp_path, tmp_path / "fer2013"):
            faces = load_faces("fer2013", root, split)
            assert faces.labels == FER2013_LABELS
            assert faces.classes.tolist() == [n % 7 for n in range(start, start + count)]
            for n, source in enumerate(faces.paths, start):
                np.testing.assert_array_equal(pixels_of(source), np.repeat(images[n][..., None], 3, axis=2))
                assert str(source).endswith(f"{name}, line {n + 2}")
        start += count


def test_a_table_trains_and_measures_as_files_of_the_same_pixels_do(tmp_path):
    images, rows = fer_rows(["Training"] * 14)
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
    for n, image in enumerate(images):
        path = tmp_path / "files" / "train" / NAMES[n % 7] / f"{n:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    config = PreprocessConfig(detail_size=48, grayscale=True)
    table, files = (
        Pixels(load_faces("fer2013", root, "train", whole=True), config) for root in (tmp_path, tmp_path / "files")
    )
    order = torch.tensor([int(path.stem) for path in files.faces.files])
    assert torch.equal(table.decoded[order], files.decoded)
    assert torch.equal(table.faces.targets[order], files.faces.targets)
    refused = run_command("align", "--dataset", "fer2013", "--root", tmp_path, "--out", tmp_path.parent / "aligned")
    assert refused.exit_code == 2
    assert "no files of their own" in refused.stderr


def test_a_table_without_rows_for_validation_holds_some_out(tmp_path):
    _, rows = fer_rows(["Training"] * 140 + ["PrivateTest"] * 7)
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels,Usage", *rows]))
    train, valid, test = (load_faces("fer2013", tmp_path, split) for split in ("train", "valid", "test"))
    lines = [[int(str(source).rpartition(" ")[2]) for source in faces.paths] for faces in (train, valid, test)]
    assert sorted(lines[0] + lines[1]) == list(range(2, 142))
    assert lines[2] == list(range(142, 149))
    assert 3 <= len(valid) <= 25  # a tenth of 140
    assert valid.classes.tolist() == [(line - 2) % 7 for line in lines[1]]
    assert f"{len(valid)} of its 140 training images" in valid.notes[-1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", r"has no column emotion; its first line is 'a,b'"),
        ("", "has no column emotion; its first line is ''"),
        ("emotion,pixels,Usage\n3,1 2 3,Training\n", "line 2 holds 3 grey levels; expected 48 × 48"),
        ("emotion,pixels,Usage\n3,1 2 x,Training\n", "line 2: .*'x'.*; expected grey levels from 0 to 255"),
        ("emotion,pixels,Usage\n3,1 2 256,Training\n", "line 2: .*; expected grey levels from 0 to 255"),
        ("emotion,pixels,Usage\n7," + "1 " * 2304 + ",Training\n", "line 2 says emotion '7'; expected a number from 0"),
        ("emotion,pixels,Usage\n3," + "1 " * 2304 + ",train\n", "line 2 says 'train'; expected Training, PublicTest"),
        ("emotion,pixels,Usage\n3," + "1 " * 2304 + "\n", "line 2 says '2 columns'; expected Training"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_fer2013s_table_is_said_with_its_line(tmp_path, text, message):
    (tmp_path / "fer2013.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_faces("fer2013", tmp_path, "train")


def test_a_folder_without_fer2013_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "other.csv").write_text("")
    with pytest.raises(DatasetError, match=r"expected as fer2013\.csv or .* train and test; .* holds other\.csv"):
        load_faces("fer2013", tmp_path, "train")


def write_annotation(root: Path, value: object) -> Path:
    write_grey_image(root / "val_set" / "images" / "7.jpg")
    path = root / "val_set" / "annotations" / "7_exp.npy"
    path.parent.mkdir(exist_ok=True)
    np.save(path, value)
    return path


@pytest.mark.parametrize(
    "value", ["3", b"3", 3, 3.0, np.uint8(3), ["3"], [3], [[3.0]], np.array(["3"], dtype="S1")], ids=repr
)
def test_affectnets_annotations_are_one_number_in_any_dress(tmp_path, value):
    write_annotation(tmp_path, value)
    faces = load_faces("affectnet8", tmp_path, "valid")
    assert [faces.labels[k] for k in faces.classes] == ["surprise"]
    assert [path.name for path in faces.files] == ["7.jpg"]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (np.array(3, dtype=object), "something else"), (np.array([None]), "something else"), ([], "0 values"),
        ([3, 4], "2 values"), ("", "something else"), ("happy", "something else"), (3.5, "3.5"), (np.nan, "something"),
        (-1, "-1"), (11, "11"), (True, "something else"),
    ],
    ids=repr,
)  # fmt: skip
def test_annotations_that_are_no_class_are_refused_with_what_they_hold(tmp_path, value, found):
    path = write_annotation(tmp_path, value)
    with pytest.raises(DatasetError) as refused:
        load_faces("affectnet8", tmp_path, "valid")
    assert str(refused.value).startswith(f"{path} holds no class: expected a number from 0 to 10, found {found}")


@pytest.mark.parametrize(("content", "found"), [(b"", "nothing"), (b"3\n", "something else")])
def test_annotations_that_are_no_arrays_are_refused(tmp_path, content, found):
    write_annotation(tmp_path, 3).write_bytes(content)
    with pytest.raises(DatasetError, match=f"from 0 to 10, found {found}"):
        load_faces("affectnet7", tmp_path, "valid")


def test_images_of_other_classes_are_counted(tmp_path):
    write_annotation(tmp_path, 3)
    for n, k in ((8, 7), (9, 10)):
        np.save(tmp_path / "val_set" / "annotations" / f"{n}_exp.npy", k)
    seven = load_faces("affectnet7", tmp_path, "valid")
    assert len(seven) == 1
    assert seven.notes == (
        "AffectNet-7 valid: 2 images of other classes (contempt, none, uncertain, no face) are left out.",
    )


def picture(path: Path) -> None:
    """A dark picture with a bright square at (20, 10) of 40 × 30 pixels."""
    pixels = np.full((80, 100, 3), 20, np.uint8)
    pixels[10:40, 20:60] = 200
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
@pytest.mark.parametrize("prefix", [b"", BOM], ids=["", "BOM"])
def test_affectnets_own_lists_give_the_faces_in_their_boxes(tmp_path, header, prefix):
    columns = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = []
    for n, k in enumerate((6, 8, 1)):
        picture(tmp_path / "Manually_Annotated_Images" / "12" / f"{n}.png")
        rows.append(f"12/{n}.png,20,10,40,30,1.5;2.5,{k},0.1,-0.2")
    folder = tmp_path / "Manually_Annotated_file_lists"
    folder.mkdir()
    (folder / "validation.csv").write_bytes(prefix + "\n".join([columns] * header + rows).encode())
    faces = load_faces("affectnet8", tmp_path, "valid")
    assert [faces.labels[k] for k in faces.classes] == ["anger", "happiness"]
    assert [Path(str(source)).name for source in faces.paths] == ["0.png", "2.png"]
    assert pixels_of(faces.paths[0]).shape == (30, 40, 3)
    assert (pixels_of(faces.paths[0]) == 200).all()
    assert "1 images of other classes" in faces.notes[0]
    (tmp_path / "Manually_Annotated_Images" / "12" / "2.png").unlink()
    with pytest.raises(DatasetError, match=r"2\.png is missing .*1 of 2 files are there"):
        load_faces("affectnet8", tmp_path, "valid")


def test_lists_of_names_and_classes_are_read_and_a_box_outside_its_picture_is_left_out(tmp_path):
    for n in range(2):
        picture(tmp_path / "train" / f"{n}.png")
    (tmp_path / "train.csv").write_text("pth,label\n0.png,Surprised\n1.png,0\n")
    faces = load_faces("affectnet7", tmp_path, "train")
    assert [faces.labels[k] for k in faces.classes] == ["surprise", "neutral"]
    assert pixels_of(faces.paths[1]).shape == (80, 100, 3)
    (tmp_path / "train.csv").write_text("path,face_x,face_y,face_width,face_height,label\n0.png,200,200,40,40,3\n")
    (outside,) = load_faces("affectnet7", tmp_path, "train").paths
    with pytest.raises(ValueError, match=r"face box \(200, 200, 40, 40\) is not in 0\.png"):
        pixels_of(outside)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n0.png,1\n", r"has no column image or .*; its first line is 'a,b'"),
        ("pth,label\n", "lists no images"),
        ("pth,label\n0.png,great\n", r"says '0\.png,great' \('great' is none of neutral, .* from 0 to 10\)"),
        ("pth,label\n5.png,1\n", r"lists '5\.png', which is neither in .* nor below it in Manually_Annotated_Images"),
        ("pth,label\n0.png,1\n1.png\n", r"says '1\.png'"),
    ],
)
def test_what_is_wrong_in_a_list_is_said(tmp_path, text, message):
    picture(tmp_path / "train" / "0.png")
    (tmp_path / "train.csv").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load_faces("affectnet8", tmp_path, "train")


def test_what_is_not_affectnet_is_refused_with_what_was_expected_and_found(tmp_path):
    write_grey_image(tmp_path / "anger" / "a.png")
    with pytest.raises(DatasetError, match=r"train/0 to 7, train_set/annotations or training\.csv; .* holds anger/"):
        load_faces("affectnet8", tmp_path, "train")
    write_grey_image(tmp_path / "train" / "anger" / "a.png")
    with pytest.raises(DatasetError, match=r"0 holds no images; 0 of 8 .* holds anger/\. .*by number: 0 neutral"):
        load_faces("affectnet8", tmp_path, "train")
    for k in range(8):
        write_grey_image(tmp_path / "inner" / "val" / str(k) / "a.png")
    assert load_faces("affectnet8", tmp_path / "inner", "valid").labels == AFFECTNET_LABELS
