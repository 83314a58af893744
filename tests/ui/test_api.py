"""The HTTP API, with Gradio's own client and with plain HTTP."""

from __future__ import annotations

import base64
import json
import random
import re
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dan_model.explain.attributions import AttributionRequest
from dan_model.ui.guard import MAX_BODY
from tests.fixtures.examples import EXAMPLES

HTTP = httpx2.Client()  # its certificates are read once


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


def test_an_image_may_be_sent_along_as_a_data_address(client, small_explainer):
    content = base64.b64encode((EXAMPLES / "astronaut.jpg").read_bytes()).decode()
    file = {"path": None, "url": f"data:image/jpeg;base64,{content}", "meta": {"_type": "gradio.FileData"}}
    call = HTTP.post(f"{client.src}gradio_api/call/predict", json={"data": [file]}, timeout=30).json()["event_id"]
    answer = HTTP.get(f"{client.src}gradio_api/call/predict/{call}", timeout=60).text
    found = json.loads(answer.partition("data: ")[2])[0]
    expected = small_explainer.explain(EXAMPLES / "astronaut.jpg").prediction.probabilities
    assert found["probabilities"]["happiness"] == pytest.approx(float(expected[1]), abs=1e-5)
    assert found["face"]["outside"] == 0.0


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
        (EXAMPLES / "hopper.jpg", ("anger", [], "", "1"), "/explain", "head must be a whole number from 1, got '1'"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", 1.5), "/explain", "head must be a whole number from 1, got 1.5"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", []), "/explain", "head must be a whole number from 1, got []"),
        (EXAMPLES / "hopper.jpg", ("anger", ["region_shapley:samples=1000"]), "/explain", "up to 2,250 images"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", None, "odds"), "/explain", "no score 'odds'"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", None, "", "flat"), "/explain", "no prior 'flat'"),
    ):
        with pytest.raises(AppError, match=re.escape(message)) as caught:
            client.predict(handle_file(str(image)), *arguments, api_name=endpoint)
        assert "/tmp" not in str(caught.value)
        assert "Traceback" not in str(caught.value)
    for path in ("/etc/passwd", "/etc/nosuch", "/root"):
        sent = HTTP.post(f"{client.src}gradio_api/call/predict", json={"data": [{"path": path}]}, timeout=30)
        answer = HTTP.get(f"{client.src}gradio_api/call/predict/{sent.json()['event_id']}", timeout=30).text
        assert "did not arrive as an upload" in answer
        assert path not in answer
    with pytest.raises(AppError, match="No image was given"):
        client.predict(None, api_name="/predict")


def test_an_address_is_never_fetched(client):
    """Neither of an image nor in any other argument, and not by another spelling."""
    asked = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    other = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{other.server_port}/face.jpg"
    file = {"path": address, "meta": {"_type": "gradio.FileData"}}
    for body in (
        {"data": [file]},
        {"data": [None, "", [{"deep": [file]}]]},
        {"data": [{**file, "path": " HTTP:" + address[5:]}]},
        {"data": [{**file, "path": address[5:]}]},
        {"data": [{**file, "path": None, "url": address}]},
    ):
        for route in ("call/predict", "call/explain", "queue/join", "run/predict", "call/v2/predict"):
            answer = HTTP.post(f"{client.src}gradio_api/{route}", json=body, timeout=30)
            assert (answer.status_code, "not its address" in answer.text) == (400, True), (route, body)
    other.shutdown()
    assert asked == []


def test_a_request_of_many_bytes_is_refused_before_it_is_read_whole(client):
    answer = HTTP.post(f"{client.src}gradio_api/call/predict", content=b" " * (MAX_BODY + 1), timeout=30)
    assert answer.status_code == 413


def test_nothing_passes_by_the_queue(client):
    for route in ("run/predict", "api/predict", "run/explain"):
        assert HTTP.post(f"{client.src}gradio_api/{route}", json={"data": [None]}, timeout=30).status_code == 404


def test_the_work_ends_when_the_caller_leaves(client, small_explainer, wait_until_idle):
    images = []
    hook = small_explainer.model.features[0].register_forward_hook(lambda _, inputs, __: images.append(len(inputs[0])))
    uploaded = HTTP.post(
        f"{client.src}gradio_api/upload", files={"files": ("h.jpg", (EXAMPLES / "hopper.jpg").read_bytes())}, timeout=30
    ).json()[0]
    file = {"path": uploaded, "meta": {"_type": "gradio.FileData"}}
    many = "region_shapley:samples=100"
    asked = [file, "", [many], "", None, "", ""]
    sent = HTTP.post(f"{client.src}gradio_api/call/explain", json={"data": asked}, timeout=30)
    with HTTP.stream("GET", f"{client.src}gradio_api/call/explain/{sent.json()['event_id']}", timeout=30):
        wait_until_idle(lambda: images, busy=True)
    wait_until_idle()
    hook.remove()
    assert sum(images) < AttributionRequest.parse(many).passes / 2


def answer_of(client, route: str, data: object) -> str:
    sent = HTTP.post(f"{client.src}gradio_api/call/{route}", json={"data": data}, timeout=30)
    return HTTP.get(f"{client.src}gradio_api/call/{route}/{sent.json()['event_id']}", timeout=60).text


@pytest.mark.parametrize(
    ("route", "data", "message"),
    [
        ("predict", [], "This call needs 1 arguments and got 0."),
        ("explain", [None], "This call needs 7 arguments and got 1."),
        ("predict", ["face.jpg"], "another form"),
        ("predict", [7], "another form"),
        ("predict", [[{}]], "another form"),
        ("predict", [{"path": 7}], "another form"),
        ("explain", [None, {}, [], [], None, 7, []], "No image was given"),
    ],
)
def test_calls_of_another_form_are_answered_in_words(client, caplog, route, data, message):
    answer = answer_of(client, route, data)
    assert message in answer
    assert "Traceback" not in caplog.text + answer


def test_whatever_is_sent_to_any_event_or_function_is_answered_in_a_line(client, blocks, caplog, capfd):
    """Handlers marked private are for the page, but anyone can call them."""
    texts = ["x", "Grüße 😀", "/etc/passwd"]
    values = [None, True, -1, 1e308, *texts, [], [[["x"]]], {}, {"path": "/etc/passwd"}, ["k", 7]]
    generator = random.Random(0)
    replies = 0
    for index, function in blocks.fns.items():
        for trial in range(2):
            data = [generator.choice(values) for _ in function.inputs][: None if trial else -1]
            body = {"data": data, "fn_index": index, "session_hash": f"fuzz{trial}", "trigger_id": None}
            sent = HTTP.post(f"{client.src}gradio_api/queue/join", json=body, timeout=30)
            assert sent.status_code < 500
            assert "Traceback" not in sent.text
            replies += 1
    for trial in range(2):
        stream = HTTP.get(f"{client.src}gradio_api/queue/data?session_hash=fuzz{trial}", timeout=120)
        assert "Traceback" not in stream.text
        assert "root:" not in stream.text
    for component in blocks.blocks.values():
        for name in [name for name in dir(component) if getattr(getattr(component, name), "_is_server_fn", False)]:
            for value in values:
                body = {"data": value, "component_id": component._id, "fn_name": name, "session_hash": "fuzz"}
                sent = HTTP.post(f"{client.src}gradio_api/component_server", content=json.dumps(body), timeout=60)
                assert sent.status_code == 200, (name, value, sent.text)
                replies += 1
    elsewhere = HTTP.post(sent.url, content=json.dumps(body), headers={"Sec-Fetch-Site": "cross-site"}, timeout=30)
    assert (elsewhere.status_code, "page itself" in elsewhere.text) == (403, True)
    for body in ({}, {"component_id": 10**9, "fn_name": "x", "session_hash": "s", "data": 1}, [], {"data": "\ud83d"}):
        sent = HTTP.post(f"{client.src}gradio_api/component_server", content=json.dumps(body), timeout=30)
        assert sent.status_code in (400, 404, 422), body
    assert replies > 60
    assert "Traceback" not in caplog.text + "".join(capfd.readouterr())
