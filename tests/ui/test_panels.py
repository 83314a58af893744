"""The panels without a browser: what they show is what the library computes."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from html import escape, unescape
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from dan_model.errors import ArgumentError, NoFaceError
from dan_model.explain import Explainer
from dan_model.explain.attributions import METHODS
from dan_model.show.figure_views import all_views
from dan_model.show.sentences import signed
from dan_model.show.style import HEAD_COLOURS
from dan_model.show.tiles import number, percent
from dan_model.ui import html
from dan_model.ui.explain_request import (
    EQUALLY_LIKELY,
    RAW_LOGIT,
    ExplainRequest,
    baseline_choices,
    choices,
    explain,
    grouped_methods,
    speed,
)
from dan_model.ui.page import build
from dan_model.ui.panels import compare, fusion, model
from dan_model.ui.panels.bench import bench
from dan_model.ui.panels.flow import flow
from dan_model.ui.panels.prediction import probability_bars
from dan_model.ui.panels.tiles import attributions_row, heads_row
from dan_model.ui.photo_input import load_photo
from dan_model.ui.session import Session
from dan_model.ui.state import MAX_FACES, WHOLE, KeptFace, PageState
from dan_model.ui.status import photo_status
from dan_model.ui.weights_cache import LoadedWeights, WeightsCache
from dan_model.weights import load_checkpoint
from tests.fixtures.examples import EXAMPLES
from tests.fixtures.models import random_dan
from tests.ui.conftest import stream


def test_the_key_of_a_face_is_that_of_its_pixels_and_weights_not_of_last_bits(small_explainer, astronaut):
    e = small_explainer.explain(astronaut, attributions=())
    key = html.face_key(e)
    elsewhere = replace(e, heads=replace(e.heads, embeddings=e.heads.embeddings * (1 + 1e-7)))
    other_class = small_explainer.explain(astronaut, target=(e.target + 1) % len(e.labels), attributions=())
    assert html.face_key(elsewhere) == html.face_key(other_class) == key
    assert html.face_key(small_explainer.explain(EXAMPLES / "hopper.jpg", attributions=())) != key
    other_weights = Explainer(random_dan(8, 4, image_size=112), small_explainer.detector)
    assert html.face_key(other_weights.explain(astronaut, attributions=())) != key


def test_every_method_stands_in_one_group_with_its_speed():
    groups = grouped_methods()
    assert sorted(name for names in groups.values() for name in names) == sorted(METHODS)
    cells, regions, _ = groups.values()
    assert (cells, regions) == (["layer_grad_cam", "head_grad_cam"], ["occlusion", "region_ablation", "region_shapley"])
    assert {name for name in METHODS if speed(name) == "seconds"} == {
        "integrated_gradients", "smooth_grad", "gradient_shap", "occlusion", "region_shapley"
    }  # fmt: skip


def test_heads_are_drawn_while_methods_are_pending(explainer, photo):
    wanted = ExplainRequest("1", methods=("layer_grad_cam",))
    states = list(explain(stream(explainer), photo("hopper.jpg"), wanted))
    assert [state.pending for state in states] == [("layer_grad_cam",), ()]
    assert heads_row(states[0].explanation, True, True).count('class="dan-tile"') == 5
    waiting = attributions_row(states[0].explanation, True, states[0].pending)
    assert waiting.count("dan-waiting") == 1
    assert 'class="dan-tile"' not in waiting


def test_faces_are_chosen_by_number_and_the_whole_image_by_name(explainer, photo):
    two = photo("two_faces.jpg")

    def first(wanted: ExplainRequest):
        return next(explain(stream(explainer), two, wanted)).explanation

    assert two.numbers == ["1", "2"]
    assert "2 faces" in photo_status(two, first(ExplainRequest("2", "anger")))
    whole = first(ExplainRequest(WHOLE))
    assert "whole image" in photo_status(two, whole)
    assert "by region are left out" in photo_status(two, whole)
    wanted = ExplainRequest(WHOLE, methods=("region_ablation", "layer_grad_cam"))
    last = list(explain(stream(explainer), two, wanted))[-1]
    assert list(last.explanation.attributions) == ["layer_grad_cam"]
    with pytest.raises(NoFaceError, match="'3'"):
        first(ExplainRequest("3"))
    with pytest.raises(ArgumentError, match="joy"):
        first(ExplainRequest("1", "joy"))


def test_the_status_says_that_no_face_was_found_or_that_it_is_small(explainer, photo, tmp_path):
    nobody = photo("no_face.jpg")
    assert nobody.numbers == []
    assert "No face was found" in photo_status(nobody)
    small = Image.new("RGB", (400, 400))
    small.paste(Image.open(EXAMPLES / "astronaut.jpg").resize((110, 110)), (100, 100))
    small.save(tmp_path / "small.png")
    one = load_photo(explainer, str(tmp_path / "small.png"))
    status = photo_status(one, next(explain(stream(explainer), one, ExplainRequest("1"))).explanation)
    assert re.search(r"only [\d.]+ pixels a side", status)


def test_a_dark_photo_of_few_bits_is_offered_to_be_stretched_and_then_is_the_plain_one(explainer, tmp_path):
    grey = np.asarray(Image.open(EXAMPLES / "astronaut.jpg").convert("L")).copy()
    grey[0, 0] = 255
    Image.fromarray(grey).save(tmp_path / "plain.png")
    Image.fromarray(np.rint(grey / 255 * 1023).astype(np.uint16)).save(tmp_path / "deep.png")
    plain = load_photo(explainer, str(tmp_path / "plain.png"))
    dark, stretched = (load_photo(explainer, str(tmp_path / "deep.png"), stretch=on) for on in (False, True))
    assert (plain.stretched, dark.stretched, stretched.stretched) == (None, False, True)
    status = photo_status(dark)
    assert "The brightest level of deep.png is 1023 of 65535" in status
    assert status.count("tick “Stretch the brightness”.") == 1
    assert "--stretch" not in status
    assert "dan-warning" in status
    np.testing.assert_array_equal(stretched.crops[0].pixels, plain.crops[0].pixels)


def test_the_status_says_which_part_of_the_face_is_not_in_the_photo_and_which_frame_is_shown(explainer, tmp_path):
    portrait = Image.open(EXAMPLES / "astronaut.jpg")
    middle = round(float(explainer.faces(portrait)[0].landmarks[2, 1]) + 25)  # below the nose: the mouth is cut off
    frames = [Image.new("RGB", (portrait.width, middle), "grey"), portrait.crop((0, 0, portrait.width, middle))]
    frames[0].save(tmp_path / "cut.webp", save_all=True, append_images=frames[1:], lossless=True)
    one = load_photo(explainer, str(tmp_path / "cut.webp"))
    e = next(explain(stream(explainer), one, ExplainRequest("1"))).explanation
    status = photo_status(one, e)
    assert f"{100 * e.crop.part_outside:.0f}\u00a0% of the crop is not in the photo" in status
    assert 0.1 < e.crop.part_outside < 0.4
    assert "cut.webp is an animation: this is frame 2 of 2." in status
    assert "dan-warning" in status


def test_a_photo_of_a_crowd_takes_little_memory(explainer, tmp_path):
    crowd = Image.new("RGB", (2000, 2000))
    face = Image.open(EXAMPLES / "astronaut.jpg").resize((330, 330))
    for i in range(36):
        crowd.paste(face, (i % 6 * 333, i // 6 * 333))
    crowd.save(tmp_path / "crowd.png")
    photo = load_photo(explainer, str(tmp_path / "crowd.png"))
    assert len(photo.numbers) == MAX_FACES
    pixels = [photo.reduced, photo.whole.pixels, *(crop.pixels for crop in photo.crops)]
    assert sum(p.nbytes for p in pixels) < 16e6
    assert (photo.overview("3") != photo.overview(None)).any()


def test_numbers_in_the_page_are_those_of_the_library(explainer, astronaut):
    e = explainer.explain(astronaut)
    table = fusion.contributions_table(e)
    cells = [float(cell.replace("−", "-")) for cell in re.findall(r"<td[^>]*>([+−]?[\d.]+)</td>", table)]
    expected = [*e.fusion.consensus.tolist(), *e.fusion.ledger.flatten().tolist()]
    expected += e.prediction.logits.log_softmax(dim=0).tolist()
    assert cells == pytest.approx(expected, abs=0.0051)
    values = re.findall(r'data-values="(\[.*?\])"', heads_row(e, True, True))
    head = json.loads(values[0].replace("&quot;", '"'))
    assert [float(v) for row in head for v in row] == pytest.approx(e.heads.spatial[0].flatten().tolist(), rel=1e-3)
    shown = [unescape(text) for text in re.findall(r"<span>([^<]+%)</span></div>", probability_bars(e))]
    assert shown == [percent(p) for p in e.prediction.probabilities.tolist()]


def test_the_header_names_the_model_and_the_notice_says_why_it_is_not_another(explainer):
    checkpoint = replace(load_checkpoint(), revision="0123abcd", notice="<i>These</i> are the embedded weights.")
    built = build(WeightsCache(LoadedWeights(checkpoint, explainer), paths_allowed=True))
    config = json.dumps(built.get_config_file(), default=str)
    assert "**FER+ (embedded)** at 0123abcd" in config
    assert "&lt;i&gt;These" in config
    odd = replace(explainer.model.config, provenance={"validation": "good"})
    undocumented = replace(checkpoint, model=SimpleNamespace(config=odd))
    assert "validation" not in model.header_text(undocumented)


def unpacked(bench_html: str, name: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(re.search(f'data-{name}="([^"]*)"', bench_html)[1]), "<f8")


def test_the_page_has_the_numbers_of_this_face(explainer, astronaut):
    e = explainer.explain(astronaut)
    drawn = flow(e)
    np.testing.assert_array_equal(unpacked(drawn, "embeddings"), e.heads.embeddings.double().flatten())
    np.testing.assert_array_equal(unpacked(drawn, "weight"), e.fusion.classifier.weight.flatten())
    np.testing.assert_array_equal(unpacked(drawn, "bias"), e.fusion.classifier.bias)
    assert bench(e).count("dan-off") == 4
    assert all(colour in bench(e) for colour in HEAD_COLOURS[:4])


@pytest.mark.parametrize("heads", [1, 2])
def test_a_model_with_few_heads_has_its_tabs(heads, detector, astronaut):
    e = Explainer(random_dan(heads=heads), detector).explain(astronaut, attended_vs_used=True)
    drawn_bench = bench(e)
    drawn = html.figure_views(all_views(e))
    if heads == 1:
        assert "nothing to fuse" in drawn_bench
        assert drawn.count("needs two heads") == 7
    else:
        assert drawn_bench.count("dan-off") == 2
        assert drawn.count("<svg") == 10


def test_the_mean_face_is_offered_where_there_is_one(explainer):
    assert baseline_choices(explainer) == ["black", "blur", "mean"]
    assert baseline_choices(Explainer(explainer.model)) == ["black", "blur"]


def test_a_kept_face_is_compared_with_another_face_class_and_model(photo, first_state):
    session = Session()

    def show(name: str, target: str | None = None) -> PageState:
        session.photo, session.state = photo(name), first_state(name, target=target)
        return session.state

    assert "Keep this face" in compare.compared(session, show("hopper.jpg"))
    compare.keep_face(session)
    assert "This face is kept" in compare.compared(session, session.state)
    # The same face, computed elsewhere: it differs by rounding, and is no other face.
    e, own = session.state.explanation, session.kept_face
    heads = replace(e.heads, spatial=e.heads.spatial * (1 + 1e-6), embeddings=e.heads.embeddings * (1 + 1e-6))
    session.kept_face = replace(own, explanation=replace(e, heads=heads))
    assert "This face is kept" in compare.compared(session, session.state)
    other = compare.compared(session, first_state("hopper.jpg", target="anger"))
    assert "dan-view-transplant" not in other
    largest = number(float(e.heads.spatial.max()) * (1 + 1e-6))
    assert f"−{largest} <img" in other.split("now − kept")[1].replace("attention: ", "")  # the maps' own scale: white
    session.kept_face = own
    # Another face: maps of both and their difference, the numbers of both, and transplants.
    kept, state = session.state.explanation, show("astronaut.jpg")
    drawn = compare.compared(session, state)
    for e in (kept, state.explanation):
        for p in e.prediction.probabilities.tolist():
            assert escape(percent(p)) in drawn
        for one in e.fusion.contributions:
            assert f"<td>{signed(one)}</td>" in drawn
    assert drawn.count("dan-side-row") == 3
    # Both rows on one scale, which says where it ends.
    both, difference = (kept, state.explanation), state.explanation.heads.spatial - kept.heads.spatial
    highest = number(max(float(e.heads.spatial.max()) for e in both))
    strongest = number(max(float(e.fusion.map.abs().max()) for e in both))
    ends = re.findall(r"<small>(.+?): (\S+) <img [^>]+> (\S+)</small>", drawn)
    assert ends[:2] == ends[2:4] == [("attention", "0", highest), ("fusion, nats per cell", f"−{strongest}", strongest)]
    assert ends[4:] == [
        ("attention", "−" + number(float(difference.abs().max())), number(float(difference.abs().max())))
    ]
    own = escape(percent(float(state.explanation.prediction.probabilities[1])))
    assert re.search(f"happiness (falls|rises) from {own} to|happiness stays at {own}", drawn)
    # Another class of the kept face: two scores, nothing to transplant.
    drawn = compare.compared(session, show("hopper.jpg", "anger"))
    assert "neutral" in drawn
    assert "Contributions to neutral (nats) and anger (nats)" in drawn
    assert "dan-view-transplant" not in drawn
    # Another model.
    session.kept_face = replace(session.kept_face, weights=("user/other", None))
    assert "different models" in compare.compared(session, state)


def test_the_difference_of_maps_is_left_out_between_models_with_unequal_heads(photo, first_state):
    session, state = Session(), first_state("astronaut.jpg")
    session.photo, session.state = photo("astronaut.jpg"), state
    two = Explainer(random_dan(heads=2).eval())
    kept = next(two.stream_crop(state.explanation.crop))
    session.kept_face = KeptFace(kept, ("two", None))
    drawn = compare.compared(session, state)
    assert drawn.count("dan-side-row") == 2


def test_texts_are_escaped():
    assert "<b>" not in html.notice("<b>")
    assert "<b>" not in html.sentence("<b>")


def test_a_request_of_the_page_is_what_the_explainer_takes():
    wanted = ExplainRequest("1", methods=("occlusion", "saliency"), baselines=("black", "blur"), finer=True)
    assert wanted.attributions == ["saliency", "occlusion@black:stride=16", "occlusion@blur:stride=16"]
    assert ExplainRequest("1", methods=("occlusion",)).attributions == ["occlusion"]
    nothing = {"target": None, "against": None, "head": None, "score": None, "prior": "training"}
    assert wanted.explained == nothing
    rather = ExplainRequest("1", "anger", "fear", "Head 2", base_rates=EQUALLY_LIKELY)
    assert rather.explained == nothing | {"target": "anger", "against": "fear", "head": 1, "prior": "uniform"}
    assert ExplainRequest("1", against=RAW_LOGIT).explained == nothing | {"score": "logit"}


def test_base_rates_are_offered_only_where_the_class_prior_is_known(explainer, detector):
    assert choices(explainer)[-1]["visible"]
    assert not choices(Explainer(random_dan(), detector))[-1]["visible"]


def test_a_coarse_map_says_that_it_is_one(explainer, astronaut):
    coarse, final = list(explainer.stream(astronaut, attributions=("occlusion:window=56,stride=56",)))[1:]
    assert "coarse so far" in attributions_row(coarse, True)
    assert "coarse so far" not in attributions_row(final, True)
