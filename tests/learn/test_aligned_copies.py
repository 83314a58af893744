"""The commands that make data sets of faces: an aligned copy, and averages."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.faces import Face
from dan_model.weights import load_checkpoint
from tests.fixtures.examples import EXAMPLES


@pytest.fixture
def align(ferplus, tmp_path):
    """Runs `align` on the training faces of ferplus; gives its result and where the copy is."""
    copy = tmp_path.with_name(f"{tmp_path.name}-aligned")

    def run(out: Path = copy):
        command = ["align", "--dataset", "ferplus", "--root", str(ferplus), "--out", str(out)]
        return CliRunner().invoke(app, command), out / "FER2013Train"

    return run


def test_an_aligned_copy_keeps_the_layout_and_rotates_the_faces_upright(ferplus, align, detector):
    folder = ferplus / "FER2013Train"
    portrait = Image.open(EXAMPLES / "astronaut.jpg").convert("L")
    portrait.rotate(20, resample=Image.Resampling.BICUBIC).save(folder / "a.png")
    result, copy = align()
    assert result.exit_code == 0, result.stderr
    assert "1 of 4 images aligned" in result.stdout
    assert (copy / "label.csv").read_text() == (folder / "label.csv").read_text()
    assert sorted(path.name for path in copy.glob("*.png")) == ["a.png", "b.png", "c.png", "e.png"]
    assert (copy / "b.png").read_bytes() == (folder / "b.png").read_bytes()
    (face,) = detector(np.asarray(Image.open(copy / "a.png").convert("RGB")))
    found = face.landmarks / Image.open(copy / "a.png").size[0]
    template = load_checkpoint().model.config.preprocess.landmark_template
    np.testing.assert_allclose(found, template.points, atol=0.05)
    assert "0 of 4 images aligned" in align()[0].stdout


def test_a_face_with_all_landmarks_on_one_point_is_copied_unchanged(ferplus, align, monkeypatch):
    nowhere = Face(np.array([10.0, 10.0, 11.0, 11.0]), 0.9, np.full((5, 2), 10.0))
    monkeypatch.setattr("dan_model.commands.datasets.FaceDetector", lambda: lambda photo: [nowhere])
    result, copy = align()
    assert result.exit_code == 0, result.stderr
    assert "0 of 4 images aligned" in result.stdout
    assert (copy / "a.png").read_bytes() == (ferplus / "FER2013Train" / "a.png").read_bytes()


def test_an_image_that_cannot_be_read_does_not_stop_align(ferplus, align):
    (ferplus / "FER2013Train" / "a.png").write_text("no image")
    result, copy = align()
    assert result.exit_code == 1
    assert "a.png is not an image" in result.stderr
    assert "1 of 4 images cannot be read." in result.stderr
    assert sorted(path.name for path in copy.glob("*.png")) == ["a.png", "b.png", "c.png", "e.png"]
    assert (copy / "a.png").read_text() == "no image"


def test_a_copy_inside_the_copied_folder_is_refused(ferplus, align):
    result, _ = align(ferplus / "aligned")
    assert result.exit_code == 2
    assert "Give a folder outside" in result.stderr


def test_classes_without_a_face_have_no_average(ferplus, tmp_path, monkeypatch):
    monkeypatch.setattr("dan_model.commands.datasets.FaceDetector", lambda: lambda photo: [])
    out = tmp_path / "averages"
    result = CliRunner().invoke(app, ["averages", "--dataset", "ferplus", "--root", str(ferplus), "--out", str(out)])
    assert result.exit_code == 0, result.stderr
    assert "neutral: no face was found in 1 images" in result.stdout
    assert not list(out.iterdir())
