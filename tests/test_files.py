"""Files that are whole or absent, at whatever moment a write breaks off."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest

from zoo import files
from zoo.errors import MachineError
from zoo.files import (
    MAX_NAME_BYTES,
    fitting_name,
    hash_path,
    read_hashed,
    sweep_temporary_files,
    write_atomically,
    write_hashed,
)


class Kill(Exception):  # noqa: N818
    """Stands for SIGKILL: nothing of the writer gets to react."""


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_hashed(tmp_path / "file", b"one")
    write_hashed(tmp_path / "file", b"two")
    assert read_hashed(tmp_path / "file") == b"two"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "file.sha256"]


@pytest.mark.parametrize("name", ["a" * 255, "é" * 127, "写" * 85, "a" * 242])
def test_files_have_names_as_long_as_there_are(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_hashed(path, b"one")
    write_hashed(path, b"two")
    assert read_hashed(path) == b"two"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("stem", ["a" * 252, "é" * 200, "写" * 300, "a\udcff" * 130])
def test_a_name_is_cut_before_its_ending_and_stays_another_than_its_like(stem: str) -> None:
    names = {fitting_name(f"{stem}{last}", "-x4.png") for last in ("", "1", "2")}
    assert len(names) == 3
    for name in names:
        assert name.endswith("-x4.png")
        assert len(os.fsencode(name)) <= MAX_NAME_BYTES
    assert fitting_name("a" * 248, "-x4.png") == "a" * 248 + "-x4.png"


def test_sha256sum_agrees(tmp_path: Path) -> None:
    write_hashed(tmp_path / "file", b"one")
    write_hashed(tmp_path / "file", b"two")
    checked = subprocess.run(["sha256sum", "--check", "file.sha256"], cwd=tmp_path, check=False)
    assert checked.returncode == 0


@pytest.mark.parametrize("first", [True, False], ids=["new file", "replaced file"])
@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_kill_between_any_two_writes_leaves_the_old_content_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int, *, first: bool
) -> None:
    path = tmp_path / "file"
    if not first:
        write_hashed(path, b"old")
    done = 0
    real = files.write_atomically

    def dying(target: Path, content: bytes | memoryview) -> None:
        nonlocal done
        if done == writes:
            raise Kill
        done += 1
        real(target, content)

    monkeypatch.setattr(files, "write_atomically", dying)
    with contextlib.suppress(Kill):
        write_hashed(path, b"new")
    expected = b"new" if done >= 2 else (None if first else b"old")
    assert read_hashed(path) == expected
    monkeypatch.undo()
    write_hashed(path, b"newer")
    assert read_hashed(path) == b"newer"


@pytest.mark.parametrize("bit", [0, 13, 79])
def test_a_flipped_bit_is_seen(tmp_path: Path, bit: int) -> None:
    path = tmp_path / "file"
    write_hashed(path, bytes(10))
    content = bytearray(path.read_bytes())
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    assert read_hashed(path) is None


def test_a_file_without_its_hash_is_not_believed(tmp_path: Path) -> None:
    write_hashed(tmp_path / "file", b"one")
    hash_path(tmp_path / "file").unlink()
    assert read_hashed(tmp_path / "file") is None


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=r"cannot write .*absent"):
        write_atomically(tmp_path / "absent" / "file", b"")


def test_everything_is_flushed_before_it_gets_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda fd: (events.append("flush"), real_fsync(fd))[1])
    monkeypatch.setattr(
        Path, "replace", lambda a, b: (events.append("rename"), real_replace(a, b))[1]
    )
    write_atomically(tmp_path / "file", b"x")
    assert events == ["flush", "rename", "flush"]  # the file, its name, the folder


def test_leftovers_are_swept(tmp_path: Path) -> None:
    (tmp_path / ".file.0123abcd.tmp").write_bytes(b"half")
    sweep_temporary_files(tmp_path)
    assert list(tmp_path.iterdir()) == []
