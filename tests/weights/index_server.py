"""A package index, played by a web server on this machine, and one file that is on it."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from zoo.weights import index

MIB = 1 << 20
CONTENT = bytes(range(256)) * 12_000  # 3 MB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()
OTHER = CONTENT[:-1] + b"?"
PROJECT = "Some_Package.Name"
NAME = "some_package_name-1.0.tar.gz"
PAGE = "/simple/some-package-name/"

Answer = Callable[["Handler"], None]


class Index(ThreadingHTTPServer):
    """A web server that answers each path as a test says, and remembers what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: dict[str, Answer] = {}
        self.asked: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.released = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def simple(self) -> str:
        return f"{self.url}/simple"

    def stop(self) -> None:
        self.released.set()
        self.shutdown()
        self._thread.join()
        self.server_close()

    def handle_error(self, *_: Any) -> None:
        return


class Handler(BaseHTTPRequestHandler):
    server: Index

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.server.headers.append(dict(self.headers))
        self.server.answers.get(self.path, status(404))(self)

    def reply(self, code: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(code)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return


def status(code: int, **headers: str) -> Answer:
    return lambda handler: handler.reply(code, **headers)


def page(body: str, kind: str = "text/html") -> Answer:
    return lambda handler: handler.reply(200, body.encode(), Content_Type=kind)


def json_page(*files: Any) -> Answer:
    body = {"meta": {"api-version": "1.1"}, "name": "some-package-name", "files": files}
    return page(json.dumps(body), "application/vnd.pypi.simple.v1+json")


def listed(url: str, sha256: str = SHA256, filename: str = NAME) -> dict[str, Any]:
    return {"filename": filename, "url": url, "hashes": {"sha256": sha256}}


def file(content: bytes = CONTENT, *, breaks: int = 0, after: int = MIB) -> Answer:
    """Return what sends a file, obeys `Range` and breaks off so many times."""
    left = [breaks]

    def send(handler: Handler) -> None:
        asked = handler.headers["Range"]
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        body = content[start:]
        handler.send_response(206 if asked else 200)
        handler.send_header("Content-Length", str(len(body)))
        if asked:
            span = f"bytes {start}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", span)
        handler.end_headers()
        if left[0]:
            left[0] -= 1
            body = body[:after]
        handler.wfile.write(body)

    return send


def silence(handler: Handler) -> None:
    handler.server.released.wait(10)


def guarded(login: str, answer: Answer) -> Answer:
    """Return what answers only those who know the login."""
    expected = f"Basic {base64.b64encode(login.encode()).decode()}"

    def reply(handler: Handler) -> None:
        known = handler.headers["Authorization"] == expected
        (answer if known else status(401))(handler)

    return reply


def serve(server: Index, answer: Answer | None = None) -> None:
    """Let a server have the file."""
    server.answers[PAGE] = json_page(listed(f"../../files/{NAME}"))
    server.answers[f"/files/{NAME}"] = answer or file()


def forget_settings(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Keep this machine's own settings of pip out, and do not wait between attempts."""
    for name in list(os.environ):
        if name.startswith("PIP_") or name.lower().endswith(("_proxy", "_ca_bundle")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("NETRC", str(folder / "netrc"))
    monkeypatch.setattr(index, "PAUSE_SECONDS", 0.0)
