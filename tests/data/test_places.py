from __future__ import annotations

from pathlib import Path

import pytest

from zoo.data import places


def test_the_home_is_named_or_in_the_users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_HOME", "/somewhere")
    assert places.zoo_home() == Path("/somewhere")
    monkeypatch.delenv("ZOO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert places.zoo_home() == Path("/cache/srgan-zoo")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/me")
    assert places.zoo_home() == Path("/home/me/.cache/srgan-zoo")
    assert places.cache_dir() == Path("/home/me/.cache/srgan-zoo/cache")


def test_the_data_root_argument_beats_environment_beats_home(
    monkeypatch: pytest.MonkeyPatch, private_home: Path
) -> None:
    assert places.data_root() == private_home / "data"
    monkeypatch.setenv("ZOO_DATA", "/sets")
    assert places.data_root() == Path("/sets")
    assert places.data_root("/mine") == Path("/mine")
