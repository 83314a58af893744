"""What counts as the name of a remote file."""

from __future__ import annotations

import json

import pytest

from dan_model.ui.guard import holds_half_characters, names_remote_file


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


def test_half_characters_are_known_from_whole_ones():
    assert holds_half_characters(rb'{"data": ["\uD83D"]}')
    assert holds_half_characters(rb'[{"\ude00": 1}]')
    assert not holds_half_characters(rb'["\ud83d\ude00"]')
    assert not holds_half_characters('["😀 ud83d"]'.encode())
    assert not holds_half_characters(rb'["\ud83d')


def test_what_is_no_json_is_left_to_gradio():
    assert not names_remote_file(b"\xff{")
    assert not names_remote_file(b"[" * 1_000_000)
