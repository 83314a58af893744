"""A small server that speaks the Hub's protocol, for the real client to talk to."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote


@dataclass
class Hub:
    """What the server holds, and what it is asked.

    Attributes:
        files: (repo, revision, file) -> contents; revisions are branch names, tags or commits.
        commits: (repo, revision) -> 40 hex digits.
        refusals: repo -> status and the Hub's error code.
        spoil: "truncate" or "corrupt" what is downloaded.
        requests: Method and path of every request, in order.
        pushed: Path -> body of what was sent here.
    """

    files: dict[tuple[str, str, str], bytes] = field(default_factory=dict)
    commits: dict[tuple[str, str], str] = field(default_factory=dict)
    refusals: dict[str, tuple[int, str]] = field(default_factory=dict)
    spoil: str | None = None
    requests: list[str] = field(default_factory=list)
    pushed: dict[str, bytes] = field(default_factory=dict)

    def add(self, repo: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Put files into a repository; returns the commit, under which they can be had too."""
        commit = hashlib.sha1(repr((repo, revision, sorted(files))).encode()).hexdigest()
        for name, data in files.items():
            self.files[repo, revision, name] = self.files[repo, commit, name] = data
        self.commits[repo, revision] = self.commits[repo, commit] = commit
        return commit

    def answer(self, method: str, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.requests.append(f"{method} {path}")
        parts = path.lstrip("/").split("/")
        if "resolve" in parts:
            return self._file("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        if method in ("POST", "PUT"):
            return self._push(path, body)
        return 404, {}, b""

    def _file(self, repo: str, revision: str, name: str) -> tuple[int, dict[str, str], bytes]:
        if repo in self.refusals:
            status, code = self.refusals[repo]
            return status, {"X-Error-Code": code} if code else {}, b""
        if not any(key[0] == repo for key in self.commits):
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if (repo, revision) not in self.commits:
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        headers = {"X-Repo-Commit": self.commits[repo, revision]}
        data = self.files.get((repo, revision, name))
        if data is None:
            return 404, {**headers, "X-Error-Code": "EntryNotFound"}, b""
        small = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
        etag = hashlib.sha256(data).hexdigest() if len(data) > 10_000 else small
        return 200, {**headers, "ETag": f'"{etag}"'}, data

    def _push(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        self.pushed[path] = body
        base = f"http://127.0.0.1:{self.port}"
        if path == "/api/repos/create":
            if "forbidden" in json.loads(body).get("organization", ""):
                return 403, {}, b'{"error": "no write access"}'
            return 200, {}, json.dumps({"url": f"{base}/somebody/dan"}).encode()
        if "/preupload/" in path:
            modes = [
                {"path": f["path"], "uploadMode": "lfs" if f["size"] > 10_000 else "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            return 200, {}, json.dumps({"files": modes}).encode()
        if path.endswith("/objects/batch"):
            objects = [
                {**o, "actions": {"upload": {"href": f"{base}/upload/{o['oid']}"}}} for o in json.loads(body)["objects"]
            ]
            return 200, {}, json.dumps({"transfer": "basic", "objects": objects}).encode()
        if "/commit/" in path:
            told = {"commitUrl": f"{base}/somebody/dan/commit/{'a' * 40}", "commitOid": "a" * 40}
            return 200, {}, json.dumps(told).encode()
        return 200, {}, b"{}"

    def serve(self, port: int) -> ThreadingHTTPServer:
        """Answer on this port until the server is shut down."""
        hub, self.port = self, port

        class Handler(BaseHTTPRequestHandler):
            def respond(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, headers, data = hub.answer(self.command, unquote(self.path.split("?")[0]), body)
                start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
                sent = data[start:]
                if self.command == "GET" and hub.spoil and len(data) > 10_000:
                    cut = data[start : len(data) // 2]
                    sent = cut if hub.spoil == "truncate" else sent[:-1] + bytes([sent[-1] ^ 1])
                self.send_response(206 if start and status == 200 else status)
                if start:
                    headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
                for name, value in {**headers, "Content-Length": str(len(data) - start)}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(sent)
                self.close_connection = True

            do_GET = do_HEAD = do_POST = do_PUT = respond  # noqa: N815

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return server
