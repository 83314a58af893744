"""A visitor of the page and a caller of its API, over plain HTTP, as browser and clients send it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2

from campaigns.served import CERTIFICATES, properties

PATIENCE = 600.0  # seconds for one answer


class Full(Exception):
    """The queue of the page is full."""


class Refused(Exception):
    """The page answered with an error in words."""


class Visitor:
    """A context manager: a page that is open in a browser. Leaving it ends the visitor's session.

    Args:
        address: Of the page.
        key: Names the visitor's session; a new one by default.
    """

    def __init__(self, address: str, key: str | None = None) -> None:
        self.address = f"{address}/gradio_api"
        self.key = key or secrets.token_hex(8)
        self.client = httpx2.Client(timeout=PATIENCE, verify=CERTIFICATES)
        configuration = self.client.get(f"{address}/config").json()
        self._events = {one["api_name"]: one for one in configuration["dependencies"]}
        self._properties = properties(configuration)

    def __enter__(self) -> Visitor:
        self._open = self.client.stream("GET", f"{self.address}/heartbeat/{self.key}")
        self._beats = self._open.__enter__().iter_lines()  # the connection is open as long as this is
        next(self._beats)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        self.client.close()

    def methods(self) -> dict[str, list[str]]:
        """The choices of the groups of methods, by label."""
        return {
            props["label"]: [value for _, value in props["choices"]]
            for props in self._properties.values()
            if props.get("name") == "checkboxgroup" and props.get("elem_id") != "dan-baselines"
        }

    def chosen(self, methods: Collection[str]) -> dict[str, list[str]]:
        """Values of the groups of methods in which just these are chosen, in whichever group they stand."""
        return {label: [name for name in names if name in methods] for label, names in self.methods().items()}

    def upload(self, path: Path) -> dict[str, Any]:
        """Upload a file; what stands for it in an event."""
        sent = self.client.post(f"{self.address}/upload", files={"files": (path.name, path.read_bytes())})
        return {"path": sent.json()[0], "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}

    def send(self, event: str, chosen: dict[str, Any] | None = None, about: object = None) -> list[dict[str, Any]]:
        """Send an event and wait for all of its answers.

        Args:
            event: The name of its handler, such as "on_photo".
            chosen: Values of its inputs by the identifier or label of their components; others keep theirs.
            about: What the event is about, such as the chosen index.

        Raises:
            Full: The queue is full.
            Refused: The answer is an error.
        """
        self.begin(event, chosen, about)
        return list(self.replies()) if self._events[event]["queue"] else []

    def begin(self, event: str, chosen: dict[str, Any] | None = None, about: object = None) -> None:
        """Send an event and do not wait."""
        one, chosen = self._events[event], chosen or {}
        data = []
        for number in one["inputs"]:
            props = self._properties[number]
            names = [name for name in (props.get("elem_id"), props.get("label")) if name in chosen]
            data.append(chosen[names[0]] if names else props.get("value"))
        body = {
            "data": data, "fn_index": one["id"], "session_hash": self.key, "event_data": about, "trigger_id": None,
        }  # fmt: skip
        route = "queue/join" if one["queue"] else "run/predict"  # as the page sends what only takes a note
        answer = self.client.post(f"{self.address}/{route}", json=body)
        if answer.status_code == 503 or "Queue is full" in answer.text:
            raise Full(answer.text)
        answer.raise_for_status()

    def replies(self) -> Iterator[dict[str, Any]]:
        """The answers of all events that were sent, until they are complete.

        Raises:
            Refused: One is an error.
        """
        with self.client.stream("GET", f"{self.address}/queue/data?session_hash={self.key}") as lines:
            for line in lines.iter_lines():
                if not line.startswith("data:"):
                    continue
                message = json.loads(line[5:])
                if message["msg"] in ("process_generating", "process_completed"):
                    yield message
                if message["msg"] == "process_completed" and not message["success"]:
                    raise Refused(str(message["output"].get("error")))
                if message["msg"] == "close_stream":
                    return


def call(address: str, endpoint: str, image: Path, *arguments: object, client: httpx2.Client) -> list[Any]:
    """Call an endpoint of the API as its documentation shows it: upload, call, wait for the result.

    Raises:
        Full: The queue is full.
        Refused: The answer is an error.
    """
    api = f"{address}/gradio_api"
    sent = client.post(f"{api}/upload", files={"files": (image.name, image.read_bytes())})
    file = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}
    begun = client.post(f"{api}/call/{endpoint}", json={"data": [file, *arguments]})
    if begun.status_code == 503 or "Queue is full" in begun.text:
        raise Full(begun.text)
    begun.raise_for_status()
    answer = client.get(f"{api}/call/{endpoint}/{begun.json()['event_id']}")
    event, _, data = answer.text.strip().rpartition("\n")
    if "event: complete" not in event:
        raise Refused(data)
    found: list[Any] = json.loads(data.removeprefix("data: "))
    return found
