"""A store of its own for every test, no hub, none of this machine's settings of pip, and a network
small enough to write to disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.weights.index_server import Index, forget_settings
from zoo.weights import catalog
from zoo.weights.entries import FeatureNetworkEntry, HubFile

TINY = "test_resnet"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "home"


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    forget_settings(monkeypatch, tmp_path)


@pytest.fixture
def server() -> Iterator[Index]:
    running = Index()
    yield running
    running.stop()


@pytest.fixture
def mirror() -> Iterator[Index]:
    running = Index()
    yield running
    running.stop()


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> FeatureNetworkEntry:
    """A catalogued network without a package, of 0.5 million parameters."""
    tiny = FeatureNetworkEntry(
        name="tiny",
        architecture=TINY,
        licence="none",
        sources=(HubFile("someone/tiny"),),
        classifier=("fc.", "classifier."),
    )
    monkeypatch.setitem(catalog.CATALOG, "tiny", tiny)
    return tiny


@pytest.fixture
def tensors(entry: FeatureNetworkEntry) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return dict(timm.create_model(entry.architecture).state_dict())


@pytest.fixture
def file(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / "given.safetensors"
    save_file(tensors, path)
    return path
