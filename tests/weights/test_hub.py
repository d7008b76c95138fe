"""The hub, played by a server on this machine."""

from __future__ import annotations

import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from zoo.data import sessions
from zoo.data.download import CONNECT_SECONDS
from zoo.errors import IntegrityError, WeightsError
from zoo.weights import hub, store
from zoo.weights.catalog import CATALOG
from zoo.weights.entries import FeatureNetworkEntry
from zoo.weights.tensors import Origin, stored_origin

REVISION = "0123456789abcdef0123456789abcdef01234567"


class Hub(ThreadingHTTPServer):
    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.content = content
        self.sent = len(content)
        self.is_slow = False
        self.paths: list[str] = []


class Handler(BaseHTTPRequestHandler):
    server: Hub

    def do_HEAD(self) -> None:
        self.server.paths.append(f"{self.command} {self.path}")
        known = self.path in ("/", "/someone/tiny/resolve/main/model.safetensors")
        self.send_response(200 if known else 404)
        self.send_header("X-Repo-Commit", REVISION)
        self.send_header("ETag", f'"{hashlib.sha256(self.server.content).hexdigest()}"')
        self.send_header("Content-Length", str(len(self.server.content) if known else 0))
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()
        for value in self.server.content if self.server.is_slow else b"":
            try:
                self.wfile.write(bytes([value]))
            except OSError:  # the client has left
                return
            time.sleep(0.002)
        self.wfile.write(self.server.content[: self.server.sent])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    running = Hub(file.read_bytes())
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    endpoint = f"http://127.0.0.1:{running.server_address[1]}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
    monkeypatch.setattr(
        "huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE",
        endpoint + "/{repo_id}/resolve/{revision}/{filename}",
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    yield running
    running.shutdown()
    thread.join()
    running.server_close()


def test_weights_come_from_the_hub_once(
    server: Hub, entry: FeatureNetworkEntry, tensors: dict[str, torch.Tensor]
) -> None:
    assert hub.cached(entry.hub_id) is None
    loaded = store.load("tiny")
    assert loaded.source == "imagenet"
    assert loaded.verified == "the hub's hash"
    features = {name: value for name, value in tensors.items() if not name.startswith("fc.")}
    assert loaded.tensors.keys() == features.keys()
    assert all(torch.equal(loaded.tensors[name], value) for name, value in features.items())
    requests = len(server.paths)
    assert requests > 0
    path = store.store_path("tiny")
    assert store.available("tiny") == (True, f"in the store, {path}")
    assert stored_origin(path) == Origin(
        source="the Hugging Face hub (someone/tiny)",
        sha256=hashlib.sha256(server.content).hexdigest(),
        licence="none",
        verified="the hub's hash",
    )
    store.load("tiny")
    assert len(server.paths) == requests


def test_a_filled_cache_of_the_hub_is_loaded_as_it_is(
    server: Hub, entry: FeatureNetworkEntry, tensors: dict[str, torch.Tensor]
) -> None:
    hub.fetch("someone/tiny")
    requests = len(server.paths)
    assert store.available("tiny") == (True, "in the hub's cache, someone/tiny")
    loaded = store.load("tiny", fetch=False)
    assert loaded.verified == "the hub's hash"
    assert all(torch.equal(loaded.tensors[name], value) for name, value in tensors.items())
    assert store.find("tiny") is None
    assert len(server.paths) == requests


def test_the_store_comes_before_the_hub(server: Hub, file: Path) -> None:
    store.add("tiny", file)
    store.load("tiny")
    assert not server.paths


@pytest.mark.usefixtures("entry")
def test_a_damaged_cache_is_noticed(server: Hub) -> None:
    path = hub.fetch("someone/tiny").resolve()
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        store.load("tiny")
    assert server.paths


@pytest.mark.usefixtures("server")
def test_a_file_the_hub_does_not_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "FILE_NAME", "other.safetensors")
    with pytest.raises(
        WeightsError, match=r"zoo weights add tiny FILE.*does not deliver someone/tiny"
    ):
        store.load("tiny")


def test_a_connection_that_breaks(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # between the client's attempts to resume
    server.sent //= 2
    with pytest.raises(WeightsError, match=r"zoo weights add tiny FILE.*someone/tiny"):
        store.load("tiny")


def test_a_hub_that_sends_a_byte_now_and_then_is_given_up(
    server: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    from huggingface_hub import constants
    from huggingface_hub.utils import get_session

    monkeypatch.setattr(sessions, "WINDOW_SECONDS", 0.2)
    before = constants.HF_HUB_DISABLE_XET, get_session().event_hooks["response"]
    server.is_slow = True
    with pytest.raises(WeightsError, match=r"someone/tiny: the server is too slow: \d+ bytes in"):
        store.load("tiny")
    assert (constants.HF_HUB_DISABLE_XET, get_session().event_hooks["response"]) == before
    server.is_slow = False
    store.load("tiny")  # the client works as it did


def test_offline_forbids_any_request(server: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(WeightsError, match="HF_HUB_OFFLINE"):
        store.load("tiny")
    assert not server.paths


@pytest.mark.usefixtures("entry")
def test_an_unreachable_hub_is_given_up_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        endpoint = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", endpoint)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        start = time.monotonic()
        with pytest.raises(WeightsError, match="cannot reach"):
            store.load("tiny")
    assert time.monotonic() - start < 2 * CONNECT_SECONDS


def test_networks_without_a_repository(monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = FeatureNetworkEntry(name="nowhere", architecture="test_resnet", licence="none")
    monkeypatch.setitem(CATALOG, "nowhere", nowhere)
    assert nowhere.hub_id is None
    assert hub.cached(nowhere.hub_id) is None
    with pytest.raises(WeightsError, match="zoo knows no source of nowhere"):
        store.load("nowhere")
