"""What counts as the name of a remote file."""

from __future__ import annotations

import asyncio
import json

import pytest
from starlette.requests import ClientDisconnect

from dan_model.ui.guard import FileGuard, holds_half_characters, is_from_another_site, names_remote_file


@pytest.mark.parametrize(
    "path",
    [
        "http://a/b",
        "HTTPS://a/b",
        "//a/b",
        " \thttp://a",
        "ftp://a",
        "file:///etc/passwd",
        "data:text/html;base64,AA",
        "data:image/svg+xml,<svg/>",
        "s3://a",
    ],
)
def test_addresses_are_remote_at_any_depth(path):
    for content in ({"path": path}, [[{"x": {"path": path}}]], {"path": None, "url": path}):
        assert names_remote_file(json.dumps(content).encode())


@pytest.mark.parametrize(
    "content",
    [
        {"path": "/tmp/gradio/abc/face.jpg", "url": "http://127.0.0.1:7860/gradio_api/file=/tmp/face.jpg"},
        {"path": "C:\\faces\\a.jpg"},
        {"data": ["http://a/b"]},  # text that is no file
        {"path": 7},
        None,
    ],
)
def test_files_of_this_server_and_text_are_not(content):
    assert not names_remote_file(json.dumps(content).encode())


def test_an_image_in_a_data_address_is_sent_along_but_is_no_path():
    address = "data:image/png;base64,AA"
    assert not names_remote_file(json.dumps({"data": [{"path": None, "url": address}, {"url": address}]}).encode())
    assert names_remote_file(json.dumps({"path": address}).encode())
    assert names_remote_file(json.dumps({"path": "http://a", "url": address}).encode())


@pytest.mark.parametrize(
    ("headers", "other"),
    [
        ({"sec-fetch-site": "cross-site"}, True),
        ({"sec-fetch-site": "same-site", "origin": "https://a.host", "host": "a.host"}, True),  # another subdomain
        (
            {"sec-fetch-site": "same-origin", "origin": "https://a.host", "host": "10.0.0.7:7860"},
            False,
        ),  # behind a proxy
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "https://evil.host", "host": "a.host"}, True),
        ({"origin": "null", "host": "a.host"}, True),
        ({"origin": "http://a.host:7860", "host": "a.host:7860"}, False),
        ({"origin": "https://a.host", "host": "10.0.0.7:7860", "x-forwarded-host": "a.host"}, False),
        ({"host": "a.host"}, False),  # no browser
    ],
)
def test_another_site_is_known_by_what_browsers_say(headers, other):
    assert is_from_another_site({key.encode(): value.encode() for key, value in headers.items()}) is other


def test_half_characters_are_known_from_whole_ones():
    assert holds_half_characters(rb'{"data": ["\uD83D"]}')
    assert holds_half_characters(rb'[{"\ude00": 1}]')
    assert not holds_half_characters(rb'["\ud83d\ude00"]')
    assert not holds_half_characters('["😀 ud83d"]'.encode())
    assert not holds_half_characters(rb'["\ud83d')


def test_what_is_no_json_is_left_to_gradio():
    assert not names_remote_file(b"\xff{")
    assert not names_remote_file(b"[" * 1_000_000)


@pytest.mark.parametrize("kind", [b"multipart/form-data; boundary=x", b"application/json"])
def test_a_client_who_leaves_in_the_middle_needs_no_answer_and_no_trace(kind, caplog):
    async def app(scope, receive, send) -> None:
        raise ClientDisconnect()

    async def receive() -> dict:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    sent = []
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", kind)]}
    asyncio.run(FileGuard(app)(scope, receive, sent.append))
    assert sent == []
    assert caplog.text == ""


def test_an_upload_that_nobody_foresaw_is_answered_in_a_line(caplog):
    async def app(scope, receive, send) -> None:
        raise KeyError("name of a person's file")

    async def send(message) -> None:
        sent.append(message)

    sent = []
    scope = {"type": "http", "method": "POST", "headers": [(b"content-type", b"multipart/form-data")]}
    asyncio.run(FileGuard(app)(scope, None, send))
    assert sent[0]["status"] == 400
    assert "KeyError in test_guard.py" in caplog.text
    assert "person" not in caplog.text + str(sent)
