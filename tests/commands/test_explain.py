from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from dan_model.commands.app import app
from dan_model.version import __version__
from dan_model.weights import REFERENCE_FILE, fingerprint
from dan_model.weights.checkpoints import EMBEDDED
from tests.fixtures.examples import EXAMPLES


def run(*arguments):
    return CliRunner().invoke(app, [str(a) for a in arguments])


def test_every_face_gets_its_three_files_and_bad_images_do_not_stop_the_rest(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    result = run(
        "explain", EXAMPLES / "two_faces.jpg", tmp_path / "broken.jpg", EXAMPLES / "no_face.jpg",
        tmp_path / "missing.png", EXAMPLES / "hopper.jpg", "--out", tmp_path / "a" / "b", "--method", "layer_grad_cam",
    )  # fmt: skip
    assert result.exit_code == 1
    names = sorted(path.name for path in (tmp_path / "a" / "b").iterdir() if path.name != "numbers.jsonl")
    stems = ["hopper-face1", "two_faces-face1", "two_faces-face2"]
    assert names == sorted(f"{stem}.{suffix}" for stem in stems for suffix in ("png", "npz", "json"))
    for text in (
        "broken.jpg is not an image",
        "No face was found",
        "missing.png does not exist",
        "3 of 5 images failed",
    ):
        assert text in result.stderr
    assert "two_faces.jpg: face 2: happiness" in result.stdout
    with np.load(tmp_path / "a" / "b" / "hopper-face1.npz") as stored:
        assert stored["spatial"].shape == (4, 7, 7)
        assert stored["attribution_layer_grad_cam"].shape == (224, 224)


def test_target_whole_image_and_equal_names(tmp_path):
    (tmp_path / "other").mkdir()
    Image.open(EXAMPLES / "hopper.jpg").save(tmp_path / "other" / "no_face.png")
    result = run(
        "explain", EXAMPLES / "no_face.jpg", tmp_path / "other" / "no_face.png", "--whole-image", "--native",
        "--target", "fear", "--method", "none", "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert sorted(p.name for p in (tmp_path / "out").glob("*.json")) == ["no_face-2-face1.json", "no_face-face1.json"]
    found = json.loads((tmp_path / "out" / "no_face-face1.json").read_text())
    assert found["target"] == "fear"
    assert found["attributions"] == {}
    assert found["face"]["landmarks"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "joy"), "no class 'joy'"),
        (("--method", "magic"), "no attribution method 'magic'"),
        (("--weights", "./no/such"), "no weights at './no/such'"),
        (("--preset", "rafdb"), "needs a published file"),
        (("--head", "9"), "no head 9"),
        (("--score", "odds"), "no score 'odds'"),
        (("--score", "contrast"), "compares two classes"),
        (("--prior", "flat"), "no prior 'flat'"),
        (("--target", "fear", "--against", "fear"), "compared with itself"),
        (("--method", "all", "--method", "magic"), "no attribution method 'magic'"),
        (("--whole-image", "--method", "region_ablation"), "needs a face that was found"),
    ],
)
def test_wrong_arguments_stop_before_any_image_with_exit_code_2(tmp_path, arguments, message):
    result = run("explain", EXAMPLES / "hopper.jpg", "--out", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    result = run("explain", EXAMPLES / "hopper.jpg", "--out", tmp_path / "file")
    assert result.exit_code == 2
    assert "cannot be written" in result.stderr


def test_template_prints_the_median_of_a_folder(tmp_path):
    Image.open(EXAMPLES / "astronaut.jpg").save(tmp_path / "one.png")
    (tmp_path / "deep").mkdir()
    Image.open(EXAMPLES / "hopper.jpg").save(tmp_path / "deep" / "two.png")
    result = run("template", tmp_path)
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert (found["faces"], found["files"]) == (2, 2)
    assert 0.3 < found["landmark_template"]["nose"][0] < 0.7


def test_views_are_written_as_figures_and_measured(tmp_path, explainer):
    result = run("explain", EXAMPLES / "hopper.jpg", "--out", tmp_path, "--method", "none", "--views")
    assert result.exit_code == 0
    names = {path.name.removeprefix("hopper-face1-").removesuffix(".png") for path in tmp_path.glob("*-face1-*.png")}
    assert names == {
        "regions", "region-map", "usual-maps", "overlap", "gates", "attended-vs-used", "contributions", "ablation",
        "tug-of-war", "shapley", "path", "distances", "projection",
    }  # fmt: skip
    found = json.loads((tmp_path / "hopper-face1.json").read_text())
    assert len(found["attended_vs_used"]["measured"]) == 4
    assert len(found["fusion"]["shapley"]["removed"]) == 4
    assert found["provenance"] == {
        "software": {"name": "DAN Explorer", "version": __version__},
        "weights": {"name": "embedded", "fingerprint": fingerprint(explainer.model)},
    }


def test_faithfulness_and_randomisation_are_written_as_numbers_and_figures(
    tmp_path, few_controls, short_curves, small_weights
):
    result = run(
        "explain", EXAMPLES / "astronaut.jpg", "--out", tmp_path, "--method", "layer_grad_cam", "--against", "fear",
        "--faithfulness", "--randomisation", "--no-panel", "--weights", small_weights,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    found = json.loads((tmp_path / "astronaut-face1.json").read_text())
    assert found["explained"] == "happiness rather than fear"
    maps = ["head 1", "head 2", "head 3", "head 4", "fusion", "layer_grad_cam"]
    assert list(found["faithfulness"]["maps"]) == maps == list(found["randomisation"]["maps"])
    assert len(found["randomisation"]["maps"]["fusion"]["similarity"]) == 1 + len(found["randomisation"]["layers"])
    for name in ("faithfulness", "curves", "infidelity", "agreement", "randomisation"):
        assert (tmp_path / f"astronaut-face1-{name}.png").stat().st_size > 5000


def test_score_and_prior_reach_the_numbers(tmp_path, small_weights, small_explainer):
    image = EXAMPLES / "hopper.jpg"
    quick = ("--method", "none", "--no-panel", "--weights", small_weights)
    raw = run("explain", image, "--out", tmp_path / "raw", "--score", "logit", *quick)
    uniform = run("explain", image, "--out", tmp_path / "uniform", "--prior", "uniform", *quick)
    assert (raw.exit_code, uniform.exit_code) == (0, 0), raw.output + uniform.output
    found = json.loads((tmp_path / "raw" / "hopper-face1.json").read_text())
    assert (found["score"], found["explained"]) == ("logit", "the raw logit of neutral")
    e = small_explainer.explain(image, score="logit")
    assert found["fusion"]["contributions"] == pytest.approx(e.fusion.contributions.tolist(), abs=1e-3)
    other = json.loads((tmp_path / "uniform" / "hopper-face1.json").read_text())
    assert other["prior"] == "uniform"
    prior = small_explainer.model.config.class_prior
    moved = [other["prediction"]["logits"][name] - found["prediction"]["logits"][name] for name in e.labels]
    assert moved == pytest.approx([-math.log(part) for part in prior], abs=1e-4)


def test_a_face_that_is_the_other_class_itself_is_left_out_and_named(tmp_path, small_weights, small_explainer):
    photo = EXAMPLES / "two_faces.jpg"
    first, second = (small_explainer.explain(photo, face=i).prediction.label for i in range(2))
    assert first != second
    command = ["explain", photo, "--method", "none", "--no-panel", "--weights", small_weights, "--against"]
    for other, left, number in ((first, second, 1), (second, first, 2)):
        out = tmp_path / other
        result = run(*command, other, "--out", out)
        assert result.exit_code == 0, result.stderr
        assert f"face {number}: left out: A class cannot be compared with itself" in result.stderr.replace("\n", " ")
        (line,) = map(json.loads, (out / "numbers.jsonl").read_text().splitlines())
        assert [one["prediction"]["label"] for one in line["faces"]] == [left]
    alone = run("explain", EXAMPLES / "hopper.jpg", *command[2:], "neutral", "--out", tmp_path / "alone")
    assert alone.exit_code == 1
    assert "compared with itself" in alone.stderr.replace("\n", " ")
    film = run("explain", "some.mp4", *command[2:], "neutral", "--out", tmp_path / "film")
    assert film.exit_code == 2
    assert "Give --target too" in film.stderr.replace("\n", " ")


def test_a_report_and_native_maps_are_written_on_request(tmp_path, small_weights):
    command = ["explain", EXAMPLES / "hopper.jpg", "--method", "none", "--weights", small_weights]
    assert run(*command, "--report", "--out", tmp_path / "smooth").exit_code == 0
    assert run(*command, "--native", "--out", tmp_path / "native").exit_code == 0
    smooth, native = (
        np.asarray(Image.open(tmp_path / name / "hopper-face1.png"), dtype=int) for name in ("smooth", "native")
    )
    assert smooth.shape == native.shape
    assert np.abs(smooth - native).max() > 20
    assert "Head 4" in (tmp_path / "smooth" / "hopper-face1.html").read_text()
    (line,) = map(json.loads, (tmp_path / "smooth" / "numbers.jsonl").read_text().splitlines())
    assert "hopper-face1.html" in line["files"]
    assert not (tmp_path / "native" / "hopper-face1.html").exists()


def test_new_reference_statistics_are_other_weights(tmp_path):
    weights = tmp_path / "weights"
    shutil.copytree(EMBEDDED, weights, ignore=shutil.ignore_patterns(REFERENCE_FILE))
    command = ["explain", EXAMPLES / "hopper.jpg", "--method", "none", "--no-panel", "--weights", weights, "--out"]
    command.append(tmp_path / "out")
    assert "done before" not in run(*command).stdout
    assert "done before" in run(*command).stdout
    shutil.copy(EMBEDDED / REFERENCE_FILE, weights)
    assert "done before" not in run(*command).stdout
    assert "done before" in run(*command).stdout
    (line,) = map(json.loads, (tmp_path / "out" / "numbers.jsonl").read_text().splitlines())
    assert line["faces"][0]["heads"]["cosine_with_average"] is not None


def test_what_is_odd_is_printed_and_stands_in_the_numbers_and_levels_are_stretched_on_request(tmp_path):
    grey = np.asarray(Image.open(EXAMPLES / "astronaut.jpg").convert("L")).copy()
    Image.fromarray(grey).save(tmp_path / "plain.png")
    grey[0, 0] = 255
    Image.fromarray(((grey.astype(np.uint32) * 1023 + 127) // 255).astype(np.uint16)).save(tmp_path / "deep.png")
    result = run(
        "explain", tmp_path / "plain.png", tmp_path / "deep.png", "--stretch", "--no-panel",
        "--method", "none", "--out", tmp_path / "out",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert "1023 of 65535 is white" in result.stderr.replace("\n", " ")
    plain, deep = (json.loads((tmp_path / "out" / f"{name}-face1.json").read_text()) for name in ("plain", "deep"))
    assert deep["notes"] == ["The levels of deep.png were stretched: 1023 of 65535 is white."]
    assert plain["notes"] == []
    for label, value in plain["prediction"]["probabilities"].items():
        assert deep["prediction"]["probabilities"][label] == pytest.approx(value, abs=1e-6)
    result = run("explain", tmp_path / "deep.png", "--whole-image", "--method", "none", "--out", tmp_path / "dark")
    assert "it may hold 10 bits" in result.stderr.replace("\n", " ")
