from __future__ import annotations

import os
import pwd
import tempfile
from pathlib import Path

import pytest

from zoo.data import paths
from zoo.errors import MachineError
from zoo.files import from_home


def test_the_home_is_named_or_in_the_users_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ZOO_HOME", "/somewhere")
    assert paths.zoo_home() == Path("/somewhere")
    monkeypatch.delenv("ZOO_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", "/cache")
    assert paths.zoo_home() == Path("/cache/srgan-zoo")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert paths.zoo_home() == tmp_path / ".cache" / "srgan-zoo"
    assert paths.cache_dir() == tmp_path / ".cache" / "srgan-zoo" / "cache"


def test_the_data_root_argument_beats_environment_beats_home(
    monkeypatch: pytest.MonkeyPatch, private_home: Path
) -> None:
    assert paths.data_root() == private_home / "data"
    monkeypatch.setenv("ZOO_DATA", "/sets")
    assert paths.data_root() == Path("/sets")
    assert paths.data_root("/mine") == Path("/mine")


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Leave the user without name and home; return the folder of temporary files."""

    def unknown(uid: int) -> None:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    for name in ("ZOO_HOME", "XDG_CACHE_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    paths._tell_once.cache_clear()
    return tmp_path


def test_a_user_without_a_home_has_a_folder_among_the_temporary_ones(
    temporary: Path, caplog: pytest.LogCaptureFixture
) -> None:
    home = paths.zoo_home()
    assert home == temporary / f"srgan-zoo-{os.getuid()}"
    assert home.stat().st_mode & 0o777 == 0o700
    assert paths.zoo_home() == home
    assert caplog.text.count("set ZOO_HOME") == 1


def test_a_home_that_cannot_be_made_is_none(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Docker gives a user without a name `/`; root may write anywhere, so a file stands for it."""
    home = temporary / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.F_OK and path == temporary)
    assert paths.zoo_home() == temporary / f"srgan-zoo-{os.getuid()}"
    (home / ".cache" / "srgan-zoo").mkdir(parents=True)
    monkeypatch.undo()
    monkeypatch.delenv("ZOO_HOME", raising=False)
    monkeypatch.setenv("HOME", str(home))
    assert paths.zoo_home() == home / ".cache" / "srgan-zoo"


@pytest.mark.parametrize("kind", ["link", "file", "theirs"])
def test_a_temporary_folder_of_somebody_else_is_not_used(
    temporary: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    folder = temporary / f"srgan-zoo-{os.getuid()}"
    if kind == "link":
        folder.symlink_to(temporary)
    elif kind == "file":
        folder.write_text("")
    else:
        folder.mkdir()
        monkeypatch.setattr(os, "getuid", lambda: int(folder.name.rpartition("-")[2]) + 1)
        folder.rename(temporary / f"srgan-zoo-{os.getuid()}")
    with pytest.raises(MachineError, match="set ZOO_HOME"):
        paths.zoo_home()


def test_a_home_that_nobody_knows_is_part_of_a_name(temporary: Path) -> None:
    assert from_home("~/pictures") == Path("~/pictures")
    assert from_home("~nobody-at-all/pictures") == Path("~nobody-at-all/pictures")
