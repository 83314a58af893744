"""The HTTP API, with Gradio's own client and with plain HTTP."""

from __future__ import annotations

import re

import httpx2
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from tests.fixtures.examples import EXAMPLES


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server, verbose=False)


def test_predict_by_name(client, small_explainer):
    found = client.predict(handle_file(str(EXAMPLES / "astronaut.jpg")), api_name="/predict")
    expected = small_explainer.explain(EXAMPLES / "astronaut.jpg").prediction
    assert found["label"] == "happiness"
    assert found["probabilities"]["happiness"] == pytest.approx(float(expected.probabilities[1]), abs=1e-5)


def test_explain_by_name_returns_numbers_and_the_panel(client):
    found, figure = client.predict(
        handle_file(str(EXAMPLES / "hopper.jpg")), "anger", ["layer_grad_cam"], api_name="/explain"
    )
    assert found["target"] == "anger"
    assert list(found["attributions"]) == ["layer_grad_cam"]
    assert len(found["fusion"]["evidence"]) == 4
    with Image.open(figure) as image:
        assert image.format == "PNG"
    asked = ("anger", [], "", None, "logit", "uniform")
    raw, _ = client.predict(handle_file(str(EXAMPLES / "hopper.jpg")), *asked, api_name="/explain")
    assert (raw["score"], raw["unit"], raw["prior"]) == ("logit", "logits", "uniform")
    untargeted, _ = client.predict(handle_file(str(EXAMPLES / "hopper.jpg")), api_name="/explain")
    assert untargeted["target"] == untargeted["prediction"]["label"]


def test_only_the_documented_endpoints_are_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/predict", "/explain"}


def test_errors_are_messages_without_paths_of_the_server(client, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    for image, arguments, endpoint, message in (
        (tmp_path / "text.png", (), "/predict", "text.png is not an image"),
        (EXAMPLES / "no_face.jpg", (), "/predict", "No face was found"),
        (EXAMPLES / "hopper.jpg", ("joy", []), "/explain", "no class 'joy'"),
        (EXAMPLES / "hopper.jpg", ("anger", ["magic"]), "/explain", "no attribution method 'magic'"),
        (EXAMPLES / "hopper.jpg", ("anger", "occlusion"), "/explain", "methods must be a list of names"),
        (EXAMPLES / "hopper.jpg", ("anger", ["saliency"] * 25), "/explain", "25 methods were requested"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "anger"), "/explain", "compared with itself"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", 7), "/explain", "no head 7"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", None, "odds"), "/explain", "no score 'odds'"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", None, "", "flat"), "/explain", "no prior 'flat'"),
    ):
        with pytest.raises(AppError, match=re.escape(message)) as caught:
            client.predict(handle_file(str(image)), *arguments, api_name=endpoint)
        assert "/tmp" not in str(caught.value)
        assert "Traceback" not in str(caught.value)
    for path in ("/etc/passwd", "/etc/nosuch", "/root"):
        sent = httpx2.post(f"{client.src}gradio_api/call/predict", json={"data": [{"path": path}]}, timeout=30)
        answer = httpx2.get(f"{client.src}gradio_api/call/predict/{sent.json()['event_id']}", timeout=30).text
        assert "did not arrive as an upload" in answer
        assert path not in answer
    with pytest.raises(AppError, match="No image was given"):
        client.predict(None, api_name="/predict")
