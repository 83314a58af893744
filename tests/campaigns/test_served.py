"""The page in a process of its own: what stays of its visitors, and of what they upload."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from PIL import Image

from campaigns.served import CERTIFICATES, KEEP, ROOT, ServedPage
from campaigns.soak import QUICK, run
from campaigns.visitors import Visitor, call
from tests.fixtures.examples import EXAMPLES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of the process from /proc")

NAME, MARK = "private-name-of-a-file.png", "private-words-inside"
KEEP_SECONDS = 8


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[ServedPage]:
    """The page as app.py serves it, except that temporary files are deleted after seconds."""
    with ServedPage(tmp_path_factory.mktemp("served"), **{KEEP: str(KEEP_SECONDS)}) as page:
        yield page


def wait_for(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def private_photo(folder: Path) -> Path:
    """A face whose file holds words by which it is recognised, uncompressed."""
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_text("Comment", MARK)
    path = folder / NAME
    Image.open(EXAMPLES / "astronaut.jpg").save(path, pnginfo=info)
    return path


def holds_marks(path: Path) -> bool:
    try:
        content = path.read_bytes()
    except OSError:  # deleted meanwhile
        return False
    return MARK.encode() in content or NAME.encode() in content


def test_visitors_leave_nothing_and_after_the_delete_time_no_byte_of_an_upload_is_left(served, tmp_path):
    # Visitors who come and go.
    _, counts, soak = run(served, explanations=3, folder=tmp_path, methods=QUICK, step=3)
    assert [outcome for outcome in soak.outcomes if ":" in outcome and "No face" not in outcome] == []
    assert (counts["sessions"], counts["hooks"]) == (0, 0)
    photo = private_photo(tmp_path)
    # As a visitor, as a caller, and as somebody whose upload breaks off half-way.
    with Visitor(served.address) as visitor:
        uploaded = visitor.upload(photo)
        assert any(holds_marks(path) for path in served.temporary_files())
        visitor.send("on_photo", {"dan-upload": uploaded, **visitor.chosen([])})
    with httpx2.Client(timeout=60, verify=CERTIFICATES) as client:
        call(served.address, "explain", photo, "", [], "", None, "", "", client=client)
    place = urlsplit(served.address)
    with socket.create_connection((place.hostname, place.port)) as half:
        head = f"POST /gradio_api/upload HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 1000000\r\n"
        part = f'--x\r\nContent-Disposition: form-data; name="files"; filename="{NAME}"\r\n\r\n'
        half.sendall((head + "Content-Type: multipart/form-data; boundary=x\r\n\r\n" + part).encode())
        half.sendall(photo.read_bytes()[:200_000])
    # All of it goes.
    wait_for(lambda: served.temporary_files() == [])
    written = [path for folder in (served.folder, ROOT / ".gradio") for path in folder.rglob("*") if path.is_file()]
    assert [path for path in written if holds_marks(path)] == []
    log = served.log.read_text()
    assert (MARK in log, NAME in log, "Traceback" in log) == (False, False, False)


def test_killed_in_the_middle_of_an_answer_it_starts_again_without_what_lay_there(served, tmp_path, explainer):
    photo = private_photo(tmp_path)
    with Visitor(served.address) as visitor:
        methods = visitor.chosen(["occlusion", "integrated_gradients"])
        visitor.begin("on_photo", {"dan-upload": visitor.upload(photo), **methods})
        replies = visitor.replies()
        next(replies)
        served.process.kill()
        with pytest.raises(httpx2.HTTPError):  # the answer breaks off
            list(replies)
    served.process.wait()
    assert any(holds_marks(path) for path in served.temporary_files())
    served.start()
    assert [path for path in served.temporary_files() if holds_marks(path)] == []
    with httpx2.Client(timeout=60, verify=CERTIFICATES) as client:
        (answer,) = call(served.address, "predict", photo, client=client)
    assert answer["label"] == explainer.explain(photo, attributions=()).prediction.label
