"""Calls of the API, events and functions of the page with wrong types, huge numbers, paths, addresses and HTML.

`python -m campaigns.hostile_calls --count 2000 --seed 1` serves the page in a process of its own, beside a file that it
must not read and a host that it must not ask, and prints the counts and every failure.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import httpx2

from campaigns.served import ROOT, ServedPage

SECONDS = 60.0  # for one answer, beside other work
MEMORY = 500_000_000  # bytes that the process may gain over the campaign
SECRET = "what-stands-in-a-file-of-the-server"
NAMES = (
    "<img src=x onerror=alert(1)>.jpg",
    "../../../etc/cron.d/x",
    "a" * 300 + ".jpg",
    "Grüße 😀.jpg",
    "-rf",
    "con.jpg",
)
JUNK = (
    b"", b"{", b"[" * 50_000, b"\xff\xfe", b"null", b"7", b'{"data": 1e999}',
    b'{"data": ' + b"[" * 900 + b"]" * 900 + b"}",
)  # fmt: skip
TRACES = ("Traceback (most recent call last)", 'File "/')


@dataclass
class Calls:
    """A campaign against a served page.

    Attributes:
        address: Of the page.
        secret: A file that may not be read.
        host: An address that may not be asked.
        tried: By route: how many calls.
        failures: What must not happen.
        slowest: Seconds of one call, and which.
    """

    address: str
    secret: Path
    host: str
    drawn: random.Random
    tried: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def __post_init__(self) -> None:
        """Ask the page for its events and components."""
        self.client = httpx2.Client(timeout=SECONDS * 2)
        self.api = f"{self.address}/gradio_api"
        configuration = self.client.get(f"{self.address}/config").json()
        self.events = configuration["dependencies"]
        self.functions = [
            (one["id"], name) for one in configuration["components"] for name in one["props"].get("server_fns") or []
        ]
        self.face = self.upload("face.jpg", (ROOT / "examples" / "astronaut.jpg").read_bytes())

    def upload(self, name: str, data: bytes) -> Any:
        """Upload a file; its path on the server, or None where it was refused."""
        sent = self.client.post(f"{self.api}/upload", files={"files": (name, data)})
        return sent.json()[0] if sent.status_code == 200 else None

    def value(self, depth: int = 2) -> Any:
        """A value of any kind."""
        odd = self.drawn
        plain = (
            None, True, False, -1, 0, 7, 10**30, -1e308, 1e-320, "", "x", "1", "1e999", "anger", "a" * 5000,
            str(self.secret), f"../../{self.secret}", f"file://{self.secret}", "/etc/passwd", "~root/.ssh/id_rsa",
            self.host, f"{self.host}/face.jpg", self.host.removeprefix("http:"), "user/name:../../x", "user/name@../..",
            "<script>alert(1)</script>", "' OR 1=1 --", "{{7*7}}", "${7*7}", "%00", "\x00", "\x1b[31m", "٣", "😀",
            "data:image/png;base64,AAAA", "data:text/html,<b>", "occlusion:window=1,stride=1",
            "region_shapley:samples=1e9", "integrated_gradients@black:steps=999999", "saliency@", "@:=,",
            "layer_grad_cam:" + "x=1," * 500,
        )  # fmt: skip
        kind = odd.random()
        if depth == 0 or kind < 0.55:
            return odd.choice(plain)
        if kind < 0.7:
            path = odd.choice((self.face, str(self.secret), "/etc/passwd", self.host, "", None, 7, "face.jpg"))
            meta: dict[str, Any] = {"meta": {"_type": "gradio.FileData"}} if odd.random() < 0.7 else {}
            return {"path": path, **meta, **({"url": self.value(0)} if odd.random() < 0.4 else {})}
        if kind < 0.85:
            return [self.value(depth - 1) for _ in range(odd.randint(0, 4))]
        return {str(self.value(0))[:50]: self.value(depth - 1) for _ in range(odd.randint(0, 3))}

    def call(self) -> None:
        """One call of an endpoint, by its name."""
        name = self.drawn.choice(("predict", "explain"))
        needed = 1 if name == "predict" else 7
        data: Any = [self.value() for _ in range(needed + self.drawn.choice((-1, 0, 0, 0, 0, 1)))]
        if data and self.drawn.random() < 0.6:  # a face, so that the rest is reached
            data[0] = {"path": self.face, "meta": {"_type": "gradio.FileData"}}
        if self.drawn.random() < 0.05:
            data = self.value()
        begun = self.post(f"call/{name}", {"data": data})
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            number = begun.json()["event_id"]
            self.seen(f"{name} {json.dumps(data)[:300]}", self.client.get(f"{self.api}/call/{name}/{number}").text)

    def event(self) -> None:
        """One event of the page."""
        event, key = self.drawn.choice(self.events), f"key{self.drawn.randrange(10)}"
        data = [self.value() for _ in event["inputs"]]
        body = {
            "data": data, "fn_index": event["id"], "session_hash": key, "trigger_id": None, "event_data": self.value(),
        }  # fmt: skip
        begun = self.post("queue/join", body)
        if begun.status_code == 200:
            name = f"event {event['api_name']} {json.dumps(data)[:300]}"
            self.seen(name, self.client.get(f"{self.api}/queue/data?session_hash={key}").text)

    def function(self) -> None:
        """A function of a component, which may not exist."""
        number, name = self.drawn.choice(self.functions)
        if self.drawn.random() < 0.2:
            number, name = self.value(0), self.drawn.choice(("__init__", "preprocess", self.value(0)))
        body = {"data": self.value(), "component_id": number, "fn_name": name, "session_hash": self.value(0)}
        self.post("component_server", body)

    def file(self) -> None:
        """A file by its path, or one that is uploaded under an odd name."""
        if self.drawn.random() < 0.3:
            placed = self.upload(self.drawn.choice(NAMES), b"no image")
            if placed is not None and Path(placed).parent.parent != Path(self.face).parent.parent:
                self.failures.append(f"an upload lies at {placed}")
            return
        dots = "../" * self.drawn.randint(1, 8)
        path = self.drawn.choice((str(self.secret), f"{dots}{self.secret}", f"..%2f..%2f{self.secret}", "/etc/passwd"))
        route = self.drawn.choice(
            ("file=", "file/", "static/", "assets/", "theme.css?x=", "proxy=", "upload_progress?upload_id=")
        )
        self.tried["file"] += 1
        self.seen(f"{route}{path}", self.client.get(f"{self.api}/{route}{path}").text)

    def junk(self) -> None:
        """A body that is no JSON, or has another form."""
        route = self.drawn.choice(("call/predict", "queue/join", "component_server", "cancel", "reset", "stream/x"))
        body = self.drawn.choice(JUNK)
        self.tried["junk"] += 1
        self.seen(f"junk to {route}", self.client.post(f"{self.api}/{route}", content=body).text)

    def post(self, route: str, body: Any) -> httpx2.Response:
        """Send a body; what is answered is examined."""
        start = time.perf_counter()
        answer = self.client.post(f"{self.api}/{route}", content=json.dumps(body).encode())
        self.tried[route.split("/")[0]] += 1
        name = f"{route} {json.dumps(body)[:400]}"
        if answer.status_code >= 500 and answer.status_code != 503:
            self.failures.append(f"{answer.status_code} for {name}")
        self.seen(name, answer.text, time.perf_counter() - start)
        return answer

    def seen(self, name: str, answer: str, seconds: float = 0.0) -> None:
        """Examine an answer."""
        self.slowest = max(self.slowest, (seconds, name))
        for trace in TRACES:
            if trace in answer:
                self.failures.append(f"a trace for {name}")
        if SECRET in answer or "root:x:0" in answer:
            self.failures.append(f"the content of a file for {name}")
        if '"error"' in answer and "<script>" in answer.lower():
            self.failures.append(f"HTML in a message for {name}")

    def run(self, count: int) -> None:
        """So many calls, of all kinds."""
        kinds = (self.call, self.call, self.event, self.event, self.function, self.file, self.junk)
        for _ in range(count):
            kind = self.drawn.choice(kinds)
            try:
                kind()
            except httpx2.HTTPError as error:
                self.failures.append(f"{kind.__name__}: {type(error).__name__} {error}")
        if self.slowest[0] > SECONDS:
            self.failures.append(f"{self.slowest[0]:.0f} s for {self.slowest[1]}")

    def __str__(self) -> str:
        """The counts in one line, then the failures."""
        counts = f"{sum(self.tried.values())} sent {dict(self.tried)}; slowest {self.slowest[0]:.1f} s; "
        return counts + "\n".join([f"{len(self.failures)} failures", *self.failures])


def against(address: str, folder: Path, count: int, seed: int) -> Calls:
    """Try so many calls against a page, which must leave alone what lies in a folder, and a host of this machine."""
    asked: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)

    other = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=other.serve_forever, daemon=True).start()
    secret = folder / "secret.txt"
    secret.write_text(SECRET)
    before = sorted(path for path in folder.iterdir())
    calls = Calls(address, secret, f"http://127.0.0.1:{other.server_port}", random.Random(seed))
    calls.run(count)
    other.shutdown()
    calls.failures += [f"a host was asked for {path}" for path in asked]
    calls.failures += [f"{path} was written" for path in sorted(folder.iterdir()) if path not in before]
    return calls


def main() -> None:
    """Run it; the exit status is 1 where anything failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as own, ServedPage(Path(own) / "page") as page:
        outside = Path(own) / "outside"
        outside.mkdir()
        warm = against(page.address, outside, min(100, arguments.count), arguments.seed)
        before = page.counts()["memory"]
        calls = against(page.address, outside, arguments.count, arguments.seed + 1)
        calls.failures += warm.failures
        gained = page.counts()["memory"] - before
        log = page.log.read_text()
        if gained > MEMORY:
            calls.failures.append(f"the process gained {gained / 1e6:.0f} MB")
        calls.failures += [f"in the log: {part}" for part in (*TRACES, SECRET) if part in log]
        print(f"Calls: {calls}\nThe process gained {gained / 1e6:.0f} MB; its log has {len(log)} characters.")
        if calls.failures:
            print(log[-5000:])
    sys.exit(bool(calls.failures))


if __name__ == "__main__":
    main()
