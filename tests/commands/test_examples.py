"""The command `examples`: what the page shows without a pass."""

from __future__ import annotations

import json
import shutil

from dan_model.explain.attributions import DEFAULT_METHODS
from dan_model.explain.stored import load_explanations, load_index
from dan_model.faces import read_image
from dan_model.weights import fingerprint
from tests.fixtures.command_line import run_command
from tests.fixtures.examples import EXAMPLES


def test_every_face_of_a_folder_is_explained_in_advance(tmp_path, small_weights, small_explainer):
    shutil.copy(EXAMPLES / "two_faces.jpg", tmp_path)
    entry = {"file": "two_faces.jpg", "caption": "Two", "group": "people"}
    (tmp_path / "index.json").write_text(json.dumps([entry]))
    done = run_command("examples", tmp_path, "--weights", small_weights, "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert "two_faces.npz: 2 faces" in done.stdout.replace("\n", "")
    (example,) = load_index(tmp_path)
    photo = read_image(example.photo)
    stored = load_explanations(example.explained, small_explainer, photo, fingerprint(small_explainer.model))
    live = [small_explainer.explain(photo, face=rank).prediction for rank in range(2)]
    assert [one.prediction.label for one in stored] == [one.label for one in live]
    assert stored[0].prediction.label != stored[1].prediction.label
    assert all(list(one.attributions) == list(DEFAULT_METHODS) for one in stored)
