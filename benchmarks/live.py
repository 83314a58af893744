"""What an answer to a camera frame costs, and where the time goes; without a browser."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

from PIL import Image

from benchmarks.bare import ONE, bare_pass
from benchmarks.rows import Row
from benchmarks.turns import median_seconds
from dan_model import Explainer
from dan_model.faces import FaceDetector
from dan_model.ui.live_frames import START, FrameRequest, answer_frame, find_face

FACE = Path(__file__).parent.parent / "examples" / "astronaut.jpg"
SIZE = (320, 240)
ROUNDS = 25


def rows() -> list[Row]:
    """The cost of each part, in bare passes, and how many answers a second that makes."""
    explainer = Explainer.from_pretrained(device="cpu")
    explainer.detector = FaceDetector()
    frame = _frame()
    heads = explainer.model.config.num_heads
    first = FrameRequest.parse({"frame": frame}, heads)
    assert first is not None
    last = answer_frame(explainer, first)["face"]
    sent = {"frame": frame, "last": last}
    request = FrameRequest.parse(sent, heads)
    assert request is not None
    face = find_face(explainer, request)
    assert face is not None
    crop, answer = explainer.crop(request.pixels, face), answer_frame(explainer, request)
    parts = {
        ONE: bare_pass(explainer.model, explainer.input_of(crop)),
        "decode the frame": lambda: FrameRequest.parse(sent, heads),
        "find the face in the whole frame": lambda: find_face(explainer, first),
        "follow the face": lambda: find_face(explainer, request),
        "crop": lambda: explainer.crop(request.pixels, face),
        "pass, maps and contributions": lambda: next(explainer.stream_crop(crop)),
        "answer as JSON": lambda: json.dumps(answer),
        "one answer in all": lambda: json.dumps(answer_frame(explainer, FrameRequest.parse(sent, heads) or request)),
    }
    seconds = median_seconds(parts, ROUNDS)
    found = [Row(f"live: {name}", ONE, time / seconds[ONE]) for name, time in seconds.items() if name != ONE]
    frame_of = f"{SIZE[0]} × {SIZE[1]}, without a browser"
    found.append(Row("live answers", frame_of, 1 / seconds["one answer in all"], "≥ 12", "a second"))
    return [*found, Row("live: bytes of an answer", frame_of, len(json.dumps(answer)), unit="bytes")]


def _frame() -> str:
    """A camera frame with one face, as the browser sends it."""
    face, frame, buffer = Image.open(FACE).resize((SIZE[1], SIZE[1])), Image.new("RGB", SIZE), io.BytesIO()
    frame.paste(face, ((SIZE[0] - SIZE[1]) // 2, 0))
    frame.save(buffer, "JPEG", quality=80)
    return START + base64.b64encode(buffer.getvalue()).decode()
