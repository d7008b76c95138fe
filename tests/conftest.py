"""Fixtures of all tests: a private home, real images and weights where they are, no network."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from zoo.data.paths import zoo_home

if TYPE_CHECKING:
    from tests.exchange.hub_server import Hub

# Before anything imports torch: tests share their cores with others, so waiting threads sleep.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
REPOSITORY = Path(__file__).resolve().parents[1]
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
STORE = zoo_home() / "weights"
"""The user's own store of weights: asked for here, before any test has a private home."""
REAL_WEIGHTS = ("vgg16", "alexnet", "lpips", "dists", "niqe")


@pytest.fixture(autouse=True)
def private_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep every test out of the user's caches and settings."""
    home = tmp_path_factory.mktemp("zoo-home")
    monkeypatch.setenv("ZOO_HOME", str(home))
    for name in ("ZOO_DATA", "ZOO_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture(scope="session")
def filled_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with all that learned distances need in its store, made up; for reading only."""
    from tests.features.made_up import fill_store

    home = tmp_path_factory.mktemp("filled-home")
    fill_store(home)
    return home


@pytest.fixture
def filled_store(filled_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test find made-up weights of every learned distance."""
    monkeypatch.setenv("ZOO_HOME", str(filled_home))


@pytest.fixture(autouse=True)
def few_threads() -> None:
    """Leave cores to others; does not import torch for tests that do without."""
    torch = sys.modules.get("torch")
    if torch is not None and torch.get_num_threads() > 2:
        torch.set_num_threads(2)


@pytest.fixture(autouse=True)
def few_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time networks for three passes: no test but those of timing itself needs a good figure."""
    cost = sys.modules.get("zoo.cost.measure")
    if cost is not None:
        monkeypatch.setattr(cost, "ENOUGH_SECONDS", 0.0)


@pytest.fixture(autouse=True)
def no_network(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse connections to anywhere but this machine, unless the test is marked `network`."""
    if request.node.get_closest_marker("network"):
        return

    def guard(original: Callable[..., Any]) -> Callable[..., Any]:
        def connect(self: socket.socket, address: Any) -> Any:
            if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in LOOPBACK:
                pytest.fail(f"a test tried to reach {address}; mark it `network` if it must")
            return original(self, address)

        return connect

    monkeypatch.setattr(socket.socket, "connect", guard(socket.socket.connect))
    monkeypatch.setattr(socket.socket, "connect_ex", guard(socket.socket.connect_ex))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder with Set5, Set14 and BSDS400; skip where it is absent."""
    folder = Path(os.environ.get("ZOO_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not (folder / "Set5" / "HR").is_dir():
        pytest.skip(f"no test images at {folder}; set ZOO_TEST_DATA to the folder that has Set5")
    return folder


@pytest.fixture(scope="session")
def real_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder `weights` of a home that has published weights; skip where none are.

    A test that sets ZOO_HOME to the folder above it finds them in its store. They are links to the
    files in the folder that ZOO_TEST_WEIGHTS names, or in the user's own store.
    """
    given = os.environ.get("ZOO_TEST_WEIGHTS")
    folder = Path(given) if given else STORE
    names = [f"{name}.safetensors{suffix}" for name in REAL_WEIGHTS for suffix in ("", ".sha256")]
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        pytest.skip(
            f"no {missing[0]} in {folder}: run 'zoo weights get {' '.join(REAL_WEIGHTS)}', or set "
            "ZOO_TEST_WEIGHTS to a folder that has them"
        )
    weights = tmp_path_factory.mktemp("real-home") / "weights"
    weights.mkdir()
    for name in names:
        (weights / name).symlink_to((folder / name).resolve())
    return weights


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """Run a hub, logged in to as `somebody`."""
    from tests.exchange.hub_server import logged_in

    with logged_in(monkeypatch, tmp_path) as running:
        yield running
