"""A store of its own for every test, no hub, and a network small enough to write to disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from zoo.weights import catalog
from zoo.weights.catalog import FeatureNetworkEntry

TINY = "test_resnet"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "home"


@pytest.fixture
def entry(monkeypatch: pytest.MonkeyPatch) -> FeatureNetworkEntry:
    """A catalogued network without a package, of 0.5 million parameters."""
    tiny = FeatureNetworkEntry(
        "tiny", TINY, licence="none", hub_id="someone/tiny", classifier=("fc.", "classifier.")
    )
    monkeypatch.setitem(catalog.CATALOG, "tiny", tiny)
    return tiny


@pytest.fixture
def tensors(entry: FeatureNetworkEntry) -> dict[str, torch.Tensor]:
    torch.manual_seed(5)
    return dict(timm.create_model(entry.timm_name).state_dict())


@pytest.fixture
def file(tmp_path: Path, tensors: dict[str, torch.Tensor]) -> Path:
    path = tmp_path / "given.safetensors"
    save_file(tensors, path)
    return path
