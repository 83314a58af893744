"""The endpoints as tools of the Model Context Protocol, called by its own client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

import pytest
from gradio import processing_utils
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.fixtures.examples import EXAMPLES


@pytest.fixture
def ask(server) -> Callable:
    """Runs a function of a session with the page's server."""

    def run(talk: Callable[[ClientSession], Awaitable]):
        async def connected():
            async with (
                streamable_http_client(f"{server}/gradio_api/mcp/") as (read, write, _),
                ClientSession(read, write) as session,
            ):
                await session.initialize()
                return await talk(session)

        return asyncio.run(connected())

    return run


def sent_along(name: str) -> str:
    return "data:image/jpeg;base64," + base64.b64encode((EXAMPLES / name).read_bytes()).decode()


def test_the_tools_are_the_two_endpoints_and_say_what_they_take(ask):
    tools = {tool.name: tool for tool in ask(lambda session: session.list_tools()).tools}
    assert set(tools) == {"predict", "explain"}
    assert "Label and probabilities of the largest face" in tools["predict"].description
    arguments = tools["explain"].inputSchema["properties"]
    assert list(arguments) == ["image", "target", "methods", "against", "head", "score", "prior"]
    assert arguments["methods"]["items"] == {"type": "string"}


def test_a_photo_that_is_sent_along_is_predicted_and_explained(ask, small_explainer):
    e = small_explainer.explain(EXAMPLES / "hopper.jpg", target="anger", head=1)
    asked = {"image": sent_along("hopper.jpg"), "target": "anger", "methods": ["layer_grad_cam"], "head": 2}
    predicted = ask(lambda session: session.call_tool("predict", {"image": asked["image"]}))
    assert not predicted.isError
    assert f"'label': '{e.prediction.label}'" in predicted.content[0].text
    explained = ask(lambda session: session.call_tool("explain", asked))
    assert not explained.isError
    assert "contribution of Head 2 to anger" in explained.content[0].text
    assert "/gradio_api/file=" in explained.content[0].text  # the address of the panel


def test_an_address_is_not_fetched(ask, monkeypatch):
    fetched = []

    async def download(url: str, *_: object) -> str:
        fetched.append(url)
        raise ValueError(url)

    monkeypatch.setattr(processing_utils, "async_ssrf_protected_download", download)
    for address in ("http://127.0.0.1:9/face.jpg", "http://example.com/face.jpg"):
        answer = ask(lambda session, address=address: session.call_tool("predict", {"image": address}))
        assert answer.isError
    assert fetched == []
