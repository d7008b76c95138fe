"""Small synthetic photographs and a misbehaving web server for the tests of `zoo.data`."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zoo.data.images import write_png

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """Return a function that writes images of given sizes with distinct random pixels."""

    def make(*sizes: tuple[int, ...], folder: str = "photos", seed: int = 0) -> list[Path]:
        rng = np.random.default_rng(seed)
        paths = []
        for number, size in enumerate(sizes):
            path = tmp_path / folder / f"{number:03d}.png"
            write_png(path, rng.integers(0, 256, size, dtype=np.uint8))
            paths.append(path)
        return paths

    return make


class FileServer(ThreadingHTTPServer):
    """Serves bytes by name and remembers what was asked.

    Attributes:
        files: name -> content.
        ranges: whether `Range` is obeyed.
        break_after: bytes after which each answer breaks off, while `breaks` lasts.
        breaks: how many more answers break off.
        tells_size: whether answers have a `Content-Length`.
        slow: what comes byte by byte, `pause` seconds apart, without end: "", "headers" or "body".
        requests: the `Range` header of every request, None where it had none.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files: dict[str, bytes] = {}
        self.ranges = True
        self.break_after = 0
        self.breaks = 0
        self.slow, self.pause = "", 0.002
        self.tells_size = True
        self.requests: list[str | None] = []
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: FileServer

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        asked = self.headers["Range"]
        self.server.requests.append(asked)
        content = self.server.files.get(self.path.rpartition("/")[2])
        if content is None:
            self.send_error(404)
            return
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        if asked and self.server.ranges and start >= len(content):
            self.send_error(416)
            return
        body = content[start:] if self.server.ranges else content
        if self.server.slow == "headers":
            self._send_slowly(b"HTTP/1.1 200 OK\r\nX-Slow: " + b"x" * 60_000)
            return
        self.send_response(206 if asked and self.server.ranges else 200)
        if self.server.tells_size:
            self.send_header("Content-Length", str(len(body)))
        if asked and self.server.ranges:
            total = len(content)
            self.send_header("Content-Range", f"bytes {start}-{total - 1}/{total}")
        self.end_headers()
        if self.server.breaks:
            self.server.breaks -= 1
            body = body[: self.server.break_after]
        if self.server.slow == "body":
            self._send_slowly(body)
            return
        self.wfile.write(body)

    def _send_slowly(self, content: bytes) -> None:
        with suppress(OSError):  # the client has left
            self.wfile.flush()
            for value in content:
                self.wfile.write(bytes([value]))
                time.sleep(self.server.pause)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def server() -> Iterator[FileServer]:
    """Return a running web server on this machine."""
    running = FileServer()
    yield running
    running.stop()
