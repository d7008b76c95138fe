"""No weights of the machine the tests run on, no network, and one random draw for all tests."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from torch import Tensor

from zoo.weights import store
from zoo.weights.catalog import describe

_draw = store._random


@cache
def drawn(network: str) -> dict[str, Tensor]:
    """Return the random weights of a network, which are the same every time: VGG takes seconds.

    Its classifier, half a gigabyte, is not kept.
    """
    entry = describe(network)
    return {n: t for n, t in _draw(entry).items() if not n.startswith(entry.classifier)}


@pytest.fixture(autouse=True)
def _one_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_random", lambda entry: dict(drawn(entry.name)))


@pytest.fixture(autouse=True)
def _empty_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
