"""Files of OpenModelDB and of addresses, from a stand-in on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

import zoo
from tests.exchange import networks
from zoo.commands.app import app
from zoo.errors import DataError, IntegrityError, RecipeError, UnknownNameError, WeightsError
from zoo.exchange.published import ADDRESS, pull_openmodeldb, pull_url

runner = CliRunner()


@pytest.fixture(scope="module")
def content() -> bytes:
    """Return a checkpoint of another tool that passes the trial."""
    network = networks.passing("rrdb", width=8, growth=4, num_blocks=1)
    stream = io.BytesIO()
    torch.save(networks.esrgan_2018(network.state_dict(), 1, 2), stream)
    return stream.getvalue()


@pytest.fixture
def files(content: bytes) -> dict[str, bytes]:
    return {"/4x-Small.pth": content}


@pytest.fixture
def server(
    files: dict[str, bytes], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = files.get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, *_: Any) -> None: ...

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, daemon=True).start()
    root = f"http://127.0.0.1:{running.server_address[1]}"
    monkeypatch.setenv(ADDRESS, root)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("ZOO_OFFLINE", raising=False)
    files["/api/v1/models.json"] = listed(root, files["/4x-Small.pth"])
    yield root
    running.shutdown()
    running.server_close()


def listed(root: str, content: bytes, **changes: Any) -> bytes:
    resource = {"platform": "pytorch", "type": "pth", "size": len(content)}
    resource |= {"sha256": hashlib.sha256(content).hexdigest(), "urls": [f"{root}/4x-Small.pth"]}
    model = {"name": "Small", "author": ["somebody", "else"], "license": "CC-BY-NC-SA-4.0"}
    other = {"platform": "onnx", "sha256": "0" * 64, "urls": [f"{root}/4x-Small.onnx"]}
    return json.dumps(
        {"4x-Small": {**model, "scale": 4, "resources": [other, resource | changes]}}
    ).encode()


def test_a_model_of_openmodeldb_is_found_by_its_name_afterwards(server: str) -> None:
    done = runner.invoke(app, ["pull", "openmodeldb:4x-Small"])
    assert done.exit_code == 0, done.output
    assert "openmodeldb/4x-Small" in zoo.list("models")
    assert zoo.load("openmodeldb/4x-Small").scale == 4
    shown = runner.invoke(app, ["show", "openmodeldb/4x-Small"])
    for text in ("CC-BY-NC-SA-4.0", "somebody, else", f"{server}/models/4x-Small"):
        assert text in shown.output
    with pytest.raises(DataError, match="already installed"):
        pull_openmodeldb("4x-Small")


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"sha256": "0" * 64}, IntegrityError),
        ({"size": 12}, IntegrityError),
        ({"sha256": None}, WeightsError),
        ({"urls": ["https://drive.example/file/d/1/view"]}, WeightsError),
        ({"urls": 3}, DataError),
    ],
)
def test_what_is_not_as_it_was_published_is_refused(
    server: str, files: dict[str, bytes], changes: dict[str, Any], error: type[Exception]
) -> None:
    files["/api/v1/models.json"] = listed(server, files["/4x-Small.pth"], **changes)
    with pytest.raises(error):
        pull_openmodeldb("4x-Small")
    assert "openmodeldb/4x-Small" not in zoo.list("models")


def test_a_misspelt_model_and_a_broken_list(server: str, files: dict[str, bytes]) -> None:
    with pytest.raises(UnknownNameError, match="did you mean '4x-Small'"):
        pull_openmodeldb("4x-Smal")
    files["/api/v1/models.json"] = b"<html>"
    with pytest.raises(DataError, match="is not OpenModelDB's list"):
        pull_openmodeldb("4x-Small")


def test_an_address_needs_its_sha256(server: str, content: bytes) -> None:
    url = f"{server}/4x-Small.pth"
    kept = pull_url(url, hashlib.sha256(content).hexdigest().upper())
    assert zoo.load("url/4x-Small").scale == 4
    assert kept.model.details.source["link"] == url
    with pytest.raises(RecipeError, match="64 hexadecimal digits"):
        pull_url(url, "abc", force=True)
    with pytest.raises(IntegrityError):
        pull_url(url, "0" * 64, force=True)
    assert zoo.load("url/4x-Small").scale == 4
    for words in (["pull", url], ["pull", "owner/name", "--sha256", "0" * 64]):
        done = runner.invoke(app, words)
        assert done.exit_code == 2
        assert "a URL needs --sha256" in " ".join(done.output.split())


def test_a_generator_is_created_with_weights(server: str) -> None:
    pull_openmodeldb("4x-Small")
    generator = zoo.create("rrdb", pretrained="openmodeldb/4x-Small", width=8)
    expected = zoo.load("openmodeldb/4x-Small").state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in generator.state_dict().items())
    with pytest.raises(RecipeError, match="width is 8, not 16"):
        zoo.create("rrdb", pretrained="openmodeldb/4x-Small", width=16)
    with pytest.raises(RecipeError, match="name is 'rrdb', not 'srresnet'"):
        zoo.create("srresnet", pretrained="openmodeldb/4x-Small")
    with pytest.raises(RecipeError):
        zoo.create("mse", kind="losses", pretrained="openmodeldb/4x-Small")  # type: ignore[call-overload]


def test_zoo_models_says_which_command_it_is() -> None:
    done = runner.invoke(app, ["models"])
    assert done.exit_code == 2
    assert "zoo list models" in done.output
