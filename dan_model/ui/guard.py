"""What stands before Gradio: requests that name a remote file, or are too large, are refused before anything acts.

Requests that have another form than the page sends get one line for an answer, and leave one line in the log, without
what they held.

Gradio fetches an address that stands where a file should, for whoever asks, without a limit on its size. The page
asks no other host, so it takes uploaded files only.

The functions that the page's scripts call (live frames, and more) are no part of the API: another site, whose visitors
would send frames here without knowing, is refused.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dan_model.ui.answering import UNANSWERED, place_of

MAX_BODY = 4_000_000  # bytes of a JSON body; photos come as uploads
REMOTE = re.compile(r"\s*(?:[a-z][a-z0-9+.-]*:)?//|\s*(?:https?|ftp|data|file):", re.IGNORECASE)
OWN = re.compile(r"\s*data:image/[a-z0-9.+-]+;base64,", re.IGNORECASE)  # an image that is sent along, in the request
PAGES_OWN = "/component_server"  # Gradio's route to the functions of the page's scripts
log = logging.getLogger(__name__)


class FileGuard:
    """ASGI middleware: refuses JSON bodies with a remote file (400), or above `MAX_BODY` (413), and calls of the page's
    own functions by another site (403).

    What Gradio does not foresee in a body becomes one line too (400).
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST":
            await self.app(scope, receive, send)
            return
        if scope.get("path", "").rstrip("/").endswith(PAGES_OWN) and is_from_another_site(_headers(scope)):
            await _refuse(403, "This function is for the page itself. Use its API instead.", scope, receive, send)
            return
        if _is_upload(scope):
            await self._answer(scope, receive, send)
            return
        # Read the body, up to the limit.
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            if len(body) > MAX_BODY:
                await _refuse(413, "The request is too large.", scope, receive, send)
                return
            if not message.get("more_body"):
                break
        if holds_half_characters(bytes(body)):
            await _refuse(400, "The request holds half characters (surrogates).", scope, receive, send)
            return
        if names_remote_file(bytes(body)):
            text = "The image did not arrive as an upload. Send the file itself, not its address."
            await _refuse(400, text, scope, receive, send)
            return
        # Hand on what was read, then whatever the client sends after it.
        sent = False

        async def replay() -> Message:
            nonlocal sent
            if sent:
                return await receive()
            sent = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._answer(scope, replay, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let Gradio answer; what it does not foresee becomes one line, and a client who has left needs none."""
        begun = False

        async def noted(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except ClientDisconnect:  # an upload broke off
            return
        except Exception as error:
            if begun:
                raise
            log.error("A request was not answered: %s", place_of(error))
            await _refuse(400, UNANSWERED, scope, receive, send)


def names_remote_file(body: bytes) -> bool:
    """Whether a JSON body holds an object whose `path` or `url` is an address rather than a file of this server.

    The `url` of an uploaded file is the server's own address, and Gradio does not fetch it: only its `path` counts
    where there is one. A `url` may hold the image itself, as a data: address.
    """
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        return False  # Gradio refuses it
    return any(isinstance(path, str) and REMOTE.match(path) is not None for path in _paths(content))


def holds_half_characters(body: bytes) -> bool:
    """Whether a JSON body escapes a surrogate without its other half: no answer could repeat it."""
    if b"\\ud" not in body.lower():
        return False
    try:
        json.dumps(json.loads(body), ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    except (ValueError, RecursionError):
        return False  # Gradio refuses it
    return False


def _paths(content: Any) -> Iterator[Any]:
    """The path of every object in JSON content, at any depth; its address where it has no path and is no image."""
    waiting = [content]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            if one.get("path") is not None:
                yield one["path"]
            elif not isinstance(url := one.get("url"), str) or not OWN.match(url):
                yield url
            waiting.extend(one.values())
        elif isinstance(one, list):
            waiting.extend(one)


def is_from_another_site(headers: dict[bytes, bytes]) -> bool:
    """Whether a browser sends the request for a page of another site.

    Browsers say so, older ones only the host of their page: it is then that of the request, or what a proxy was asked
    for. Programs that are no browsers send neither.
    """
    site = headers.get(b"sec-fetch-site")
    if site is not None:
        return site not in (b"same-origin", b"none")
    origin = headers.get(b"origin")
    own = headers.get(b"x-forwarded-host", headers.get(b"host", b""))
    return origin is not None and urlsplit(origin.decode("latin-1")).netloc != own.decode("latin-1")


def _is_upload(scope: Scope) -> bool:
    return _headers(scope).get(b"content-type", b"").startswith(b"multipart/form-data")


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """By name in lower case."""
    return dict(scope["headers"])


async def _refuse(status: int, text: str, scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({"detail": text, "error": text}, status_code=status)(scope, receive, send)
