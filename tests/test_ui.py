"""The page's parts without a browser, and its HTTP API with Gradio's own client."""

from __future__ import annotations

import base64
import json
import pickle
import re
from dataclasses import replace
from types import SimpleNamespace

import gradio as gr
import httpx2
import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from dan_model.checkpoints import load_checkpoint
from dan_model.errors import ArgumentError, CheckpointError, DeviceMemoryError, NoFaceError
from dan_model.explain import explainer as explainer_module
from dan_model.explain.explainer import Explainer
from dan_model.show.style import HEAD_COLOURS
from dan_model.show.views import all_views
from dan_model.ui import drawing, handlers, html, laboratory, page, visits
from dan_model.ui.handlers import Wish
from dan_model.ui.page import build
from dan_model.ui.shelf import ROOM, Loaded, Shelf
from tests.conftest import EXAMPLES, random_dan


def stream(explainer: Explainer) -> handlers.Stream:
    """As the page asks an explainer, without what is used."""

    def ask(crop, target, requests, against, head):
        return explainer.stream_crop(crop, target, requests, against=against, head=head)

    return ask


def question(*methods: str) -> tuple:
    """What the page's controls hold for the first face."""
    wish = Wish("1", methods=methods)
    asked = (wish.face, wish.target, wish.against, wish.whose, list(wish.methods), list(wish.baselines))
    return (*asked, handlers.SMOOTH, True)


@pytest.fixture(scope="module")
def client(server) -> Client:
    return Client(server, verbose=False)


def test_heads_are_drawn_while_methods_are_pending(explainer):
    sitting = handlers.look(explainer, str(EXAMPLES / "hopper.jpg"))
    views = list(handlers.explain(stream(explainer), sitting, Wish("1", methods=("layer_grad_cam",))))
    assert [view.pending for view in views] == [("layer_grad_cam",), ()]
    row = html.tile_row(views[0].explanation, True, True, views[0].pending)
    assert row.count('class="dan-tile"') == 6
    assert row.count("dan-waiting") == 1


def test_faces_are_chosen_by_number_and_the_whole_image_by_name(explainer):
    sitting = handlers.look(explainer, str(EXAMPLES / "two_faces.jpg"))
    assert sitting.numbers == ["1", "2"]
    assert "2 faces" in handlers.news(
        sitting, next(handlers.explain(stream(explainer), sitting, Wish("2", "anger"))).explanation
    )
    whole = next(handlers.explain(stream(explainer), sitting, Wish(handlers.WHOLE))).explanation
    assert "whole image" in handlers.news(sitting, whole)
    assert "by region are left out" in handlers.news(sitting, whole)
    wish = Wish(handlers.WHOLE, methods=("region_ablation", "layer_grad_cam"))
    assert list(list(handlers.explain(stream(explainer), sitting, wish))[-1].explanation.attributions) == [
        "layer_grad_cam"
    ]
    with pytest.raises(NoFaceError, match="'3'"):
        next(handlers.explain(stream(explainer), sitting, Wish("3")))
    with pytest.raises(ArgumentError, match="joy"):
        next(handlers.explain(stream(explainer), sitting, Wish("1", "joy")))


def test_no_face_and_small_faces_are_said(explainer, tmp_path):
    nobody = handlers.look(explainer, str(EXAMPLES / "no_face.jpg"))
    assert nobody.numbers == []
    assert "No face was found" in handlers.news(nobody)
    small = Image.new("RGB", (400, 400))
    small.paste(Image.open(EXAMPLES / "astronaut.jpg").resize((110, 110)), (100, 100))
    small.save(tmp_path / "small.png")
    sitting = handlers.look(explainer, str(tmp_path / "small.png"))
    said = handlers.news(sitting, next(handlers.explain(stream(explainer), sitting, Wish("1"))).explanation)
    assert re.search(r"only [\d.]+ pixels a side", said)


def test_a_question_ends_when_a_newer_one_is_asked_or_stop_is_pressed():
    visit = visits.Visit()
    first = visit.ask()
    assert first.counts
    second = visit.ask()
    assert (first.counts, first.superseded, second.counts) == (False, True, True)
    visit.stop()
    assert not second.counts
    assert first.superseded
    assert not second.superseded  # it may still draw what it had; the first may not
    third = visit.ask()
    assert third.counts
    assert second.superseded


def test_visits_are_forgotten_when_the_visitor_leaves_or_falls_silent():
    now = [0.0]
    kept = visits.Visits(clock=lambda: now[0])
    first = kept.of("a")
    turn = first.ask()
    now[0] = visits.FORGET_AFTER * 0.9
    assert kept.of("a") is first
    now[0] = visits.FORGET_AFTER * 1.8
    kept.of("b")
    assert kept.of("a") is first
    now[0] = visits.FORGET_AFTER * 3
    kept.of("b")
    assert len(kept) == 1
    assert not turn.counts
    kept.end("b")
    assert len(kept) == 0


def test_a_crowd_is_kept_small(explainer, monkeypatch, tmp_path):
    crowd = Image.new("RGB", (2000, 2000))
    face = Image.open(EXAMPLES / "astronaut.jpg").resize((330, 330))
    for i in range(36):
        crowd.paste(face, (i % 6 * 333, i // 6 * 333))
    crowd.save(tmp_path / "crowd.png")
    sitting = handlers.look(explainer, str(tmp_path / "crowd.png"))
    assert len(sitting.numbers) == handlers.MAX_FACES
    pixels = [sitting.reduced, sitting.whole.pixels, *(crop.pixels for crop in sitting.crops)]
    assert sum(p.nbytes for p in pixels) < 16e6
    assert (sitting.overview("3") != sitting.overview(None)).any()


def test_numbers_in_the_page_are_those_of_the_library(explainer, astronaut):
    e = explainer.explain(astronaut)
    table = html.ledger_table(e)
    cells = [float(cell) for cell in re.findall(r"<td[^>]*>([+-][\d.]+)</td>", table)]
    expected = [*e.fusion.consensus.tolist(), *e.fusion.ledger.flatten().tolist(), *e.prediction.logits.tolist()]
    assert cells == pytest.approx(expected, abs=0.0051)
    values = re.findall(r'data-values="(\[.*?\])"', html.tile_row(e, True, True))
    head = json.loads(values[0].replace("&quot;", '"'))
    assert [float(v) for row in head for v in row] == pytest.approx(e.heads.spatial[0].flatten().tolist(), rel=1e-3)
    shown = [float(v) for v in re.findall(r"<span>([\d.]+)</span></div>", html.probability_bars(e))]
    assert shown == pytest.approx(e.prediction.probabilities.tolist(), abs=0.0006)


def test_the_page_says_which_weights_run_and_why_not_others(explainer):
    checkpoint = replace(load_checkpoint(), revision="0123abcd", notice="<i>These</i> are the embedded weights.")
    built = build(Shelf(Loaded(checkpoint, explainer), paths_allowed=True))
    config = json.dumps(built.get_config_file(), default=str)
    assert "**FER+ (embedded)** at 0123abcd" in config
    assert "&lt;i&gt;These" in config
    odd = replace(explainer.model.config, provenance={"validation": "good"})
    undocumented = replace(checkpoint, model=SimpleNamespace(config=odd))
    assert "accuracy" not in page._header(undocumented)


@pytest.fixture
def shelf(explainer) -> Shelf:
    def load(source: str, preset: str | None):
        if source == "user/broken":
            raise CheckpointError("broken on purpose", "")
        return replace(load_checkpoint(), name=source)

    return Shelf(Loaded(load_checkpoint(), explainer), paths_allowed=False, load=load)


def test_the_shelf_keeps_the_latest_weights_and_shares_them(shelf):
    assert shelf.get("", None) is shelf.first
    names = [f"user/w{i}" for i in range(ROOM + 1)]
    loaded = [shelf.get(name, None) for name in names]
    assert shelf.get(names[-1], None) is loaded[-1]
    assert shelf.get(f" {names[1]} ", None) is loaded[1]
    assert shelf.get(names[0], None) is not loaded[0]
    assert loaded[0].explainer.labels == shelf.first.explainer.labels  # who still uses it can go on


def test_a_failed_load_leaves_the_shelf_as_it_was_and_paths_are_for_private_servers(shelf, explainer):
    with pytest.raises(CheckpointError, match="on purpose"):
        shelf.get("user/broken", None)
    assert shelf.get("user/good", None).checkpoint.name == "user/good"
    with pytest.raises(ArgumentError, match="no repository"):
        shelf.get("/etc", None)
    private = Shelf(shelf.first, paths_allowed=True)
    with pytest.raises(CheckpointError, match=r"no config\.json"):
        private.get("/etc", None)


def test_what_a_lent_gpu_computes_crosses_processes(explainer):
    """spaces.GPU pickles what goes in and what comes out."""
    calls = []

    def gpu(answer):
        def elsewhere(*arguments):
            calls.append(arguments[0])
            for explanation in answer(*pickle.loads(pickle.dumps(arguments))):
                yield pickle.loads(pickle.dumps(explanation))

        return elsewhere

    built = build(Shelf(Loaded(load_checkpoint(), explainer), paths_allowed=False), gpu=gpu)
    handler = {block.name: block.fn for block in built.fns.values()}
    visitor = SimpleNamespace(session_hash="visitor")
    list(handler["on_photo"](str(EXAMPLES / "hopper.jpg"), visitor))
    asked = question("layer_grad_cam")
    shown = list(handler["on_explain"](*asked, visitor))
    assert calls == [("", None)]
    assert len(shown) == 3  # heads and fusion, what is used, Grad-CAM
    assert "Grad-CAM, peak" in shown[-1][3]


def unpacked(bench: str, name: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(re.search(f'data-{name}="([^"]*)"', bench)[1]), "<f8")


def test_the_bench_is_given_this_faces_numbers(explainer, astronaut):
    e = explainer.explain(astronaut)
    bench = laboratory.bench(e)
    np.testing.assert_array_equal(unpacked(bench, "embeddings"), e.heads.embeddings.double().flatten())
    np.testing.assert_array_equal(unpacked(bench, "weight"), e.fusion.classifier.weight.flatten())
    np.testing.assert_array_equal(unpacked(bench, "bias"), e.fusion.classifier.bias)
    assert bench.count("dan-mute") == 4
    assert all(colour in bench for colour in HEAD_COLOURS[:4])


@pytest.mark.parametrize("heads", [1, 2])
def test_weights_with_few_heads_have_their_tabs(heads, detector, astronaut):
    e = Explainer(random_dan(heads=heads), detector).explain(astronaut, use=True)
    bench = laboratory.bench(e)
    drawn = laboratory.views(all_views(e))
    if heads == 1:
        assert "nothing to fuse" in bench
        assert drawn.count("needs two heads") == 7
    else:
        assert bench.count("dan-mute") == 2
        assert drawn.count("<svg") == 10


def test_the_open_tab_is_drawn_once_and_another_when_it_is_opened(explainer):
    visit = visits.Visit()
    assert handlers.figures(visit) == {}
    visit.sitting = handlers.look(explainer, str(EXAMPLES / "hopper.jpg"))
    visit.view = next(handlers.explain(stream(explainer), visit.sitting, Wish("1")))
    visit.undrawn = frozenset((visits.HEADS, visits.FUSION))
    assert "Which parts of the face" in handlers.figures(visit)[visits.HEADS]
    assert handlers.figures(visit) == {}
    visit.tab = visits.FUSION
    assert "Who moves the decision" in handlers.figures(visit)[visits.FUSION]
    assert visit.undrawn == frozenset()


def stop_at(explainer, monkeypatch, when: str):
    """What the page shows when Stop comes while `when` is computed."""
    built = build(Shelf(Loaded(load_checkpoint(), explainer), paths_allowed=False))
    handler = {block.name: block.fn for block in built.fns.values()}
    visitor = SimpleNamespace(session_hash="visitor")
    computed = getattr(explainer_module, when)

    def slow(*arguments):
        handler["on_stop"](visitor)
        return computed(*arguments)

    monkeypatch.setattr(explainer_module, when, slow)
    list(handler["on_photo"](str(EXAMPLES / "hopper.jpg"), visitor))
    asked = question("layer_grad_cam")
    shown = [""] * len(drawing.PARTS)
    for values in handler["on_explain"](*asked, visitor):
        shown = [old if isinstance(new, dict) else new for old, new in zip(shown, values, strict=True)]
    return dict(zip(drawing.PARTS, shown, strict=True))


@pytest.mark.parametrize("when", ["read_fusion", "read_use", "attribute"])
def test_stop_leaves_nothing_waiting(explainer, monkeypatch, when):
    shown = stop_at(explainer, monkeypatch, when)
    assert shown["tiles"].count("dan-tile") >= 6
    assert "dan-waiting" not in shown["tiles"]
    assert "Which parts of the face" in shown[visits.HEADS]
    assert ("Looked at, or used?" in shown[visits.HEADS]) == (when != "read_fusion")


def test_what_fails_midway_keeps_what_is_there_and_leaves_nothing_waiting(explainer, monkeypatch):
    built = build(Shelf(Loaded(load_checkpoint(), explainer), paths_allowed=False))
    handler = {block.name: block.fn for block in built.fns.values()}
    visitor = SimpleNamespace(session_hash="visitor")

    def fail(*_):
        raise DeviceMemoryError("There is no memory for a single pass.", "Take another device.")

    monkeypatch.setattr(explainer_module, "attribute", fail)
    list(handler["on_photo"](str(EXAMPLES / "hopper.jpg"), visitor))
    shown = []

    def look_on():
        for values in handler["on_explain"](*question("layer_grad_cam"), visitor):
            shown.append(dict(zip(drawing.PARTS, values, strict=True))["tiles"])

    with pytest.raises(gr.Error, match="no memory"):
        look_on()
    assert "dan-waiting" in shown[-2]
    assert "dan-waiting" not in shown[-1]
    assert shown[-1].count("dan-tile") >= 6


def test_the_mean_face_is_offered_where_there_is_one(explainer):
    assert handlers.baseline_choices(explainer) == ["black", "blur", "mean"]
    assert handlers.baseline_choices(Explainer(explainer.model)) == ["black", "blur"]


def test_figures_of_what_is_no_longer_shown_are_not(explainer, monkeypatch):
    visit = visits.Visit(undrawn=frozenset((visits.HEADS,)))
    visit.sitting = handlers.look(explainer, str(EXAMPLES / "hopper.jpg"))
    visit.view = next(handlers.explain(stream(explainer), visit.sitting, Wish("1")))

    def removed_meanwhile(explanation):
        visit.view = None
        return []

    monkeypatch.setattr(handlers, "head_views", removed_meanwhile)
    assert handlers.figures(visit) == {}


def test_a_kept_face_gives_its_heads_to_others_under_the_same_weights(explainer):
    visit = visits.Visit()
    assert handlers.transplants(visit) == ""

    def show(name: str) -> None:
        visit.sitting = handlers.look(explainer, str(EXAMPLES / name))
        visit.view = next(handlers.explain(stream(explainer), visit.sitting, Wish("1")))

    show("hopper.jpg")
    assert "keep this face" in handlers.transplants(visit)
    handlers.keep(visit)
    assert "This face is kept" in handlers.transplants(visit)
    show("astronaut.jpg")
    own = float(visit.view.explanation.prediction.probabilities[1])
    assert re.search(
        f"happiness (falls|rises) from {own:.3f} to|happiness stays at {own:.3f}", handlers.transplants(visit)
    )
    visit.donor = replace(visit.donor, weights=("user/other", None))
    assert "other weights" in handlers.transplants(visit)


def test_texts_are_escaped():
    assert "<b>" not in html.notice("<b>")
    assert "<b>" not in html.sentence("<b>")


def test_predict_by_name(client, explainer):
    told = client.predict(handle_file(str(EXAMPLES / "astronaut.jpg")), api_name="/predict")
    expected = explainer.explain(EXAMPLES / "astronaut.jpg").prediction
    assert told["label"] == "happiness"
    assert told["probabilities"]["happiness"] == pytest.approx(float(expected.probabilities[1]), abs=1e-5)


def test_explain_by_name_gives_numbers_and_the_panel(client):
    told, figure = client.predict(
        handle_file(str(EXAMPLES / "hopper.jpg")), "anger", ["layer_grad_cam"], api_name="/explain"
    )
    assert told["target"] == "anger"
    assert list(told["attributions"]) == ["layer_grad_cam"]
    assert len(told["fusion"]["evidence"]) == 4
    with Image.open(figure) as image:
        assert image.format == "PNG"
    untargeted, _ = client.predict(handle_file(str(EXAMPLES / "hopper.jpg")), api_name="/explain")
    assert untargeted["target"] == untargeted["prediction"]["label"]


def test_only_the_documented_endpoints_are_public(client):
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == {"/predict", "/explain"}


def test_api_errors_are_messages_without_server_paths(client, tmp_path):
    (tmp_path / "text.png").write_text("no image")
    for image, arguments, endpoint, message in (
        (tmp_path / "text.png", (), "/predict", "text.png is not an image"),
        (EXAMPLES / "no_face.jpg", (), "/predict", "No face was found"),
        (EXAMPLES / "hopper.jpg", ("joy", []), "/explain", "no class 'joy'"),
        (EXAMPLES / "hopper.jpg", ("anger", ["magic"]), "/explain", "no attribution method 'magic'"),
        (EXAMPLES / "hopper.jpg", ("anger", "occlusion"), "/explain", "methods must be a list of names"),
        (EXAMPLES / "hopper.jpg", ("anger", ["saliency"] * 25), "/explain", "25 methods were asked for"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "anger"), "/explain", "rather than itself"),
        (EXAMPLES / "hopper.jpg", ("anger", [], "", 7), "/explain", "no head 7"),
    ):
        with pytest.raises(AppError, match=re.escape(message)) as caught:
            client.predict(handle_file(str(image)), *arguments, api_name=endpoint)
        assert "/tmp" not in str(caught.value)
        assert "Traceback" not in str(caught.value)
    for path in ("/etc/passwd", "/etc/nosuch", "/root"):
        sent = httpx2.post(f"{client.src}gradio_api/call/predict", json={"data": [{"path": path}]}, timeout=30)
        told = httpx2.get(f"{client.src}gradio_api/call/predict/{sent.json()['event_id']}", timeout=30).text
        assert "did not arrive as an upload" in told
        assert path not in told
    with pytest.raises(AppError, match="No image was given"):
        client.predict(None, api_name="/predict")
