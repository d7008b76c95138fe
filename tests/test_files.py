"""Files that are whole or absent, at whatever moment a write breaks off."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from zoo import files
from zoo.errors import DataError, MachineError, UnfitFileError
from zoo.files import (
    MAX_NAME_BYTES,
    file_sha256,
    fitting_name,
    hash_path,
    open_file,
    read_file,
    read_hashed,
    read_text,
    require_file,
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


def make_odd(path: Path, kind: str) -> Path:
    """Put something else than a small file at a path."""
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link to a pipe":
        os.mkfifo(path.with_name("pipe"))
        path.symlink_to("pipe")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(str(path))
    else:
        path.touch()
        os.truncate(path, 20 * 2**30)  # without blocks
    return path


ODD = {
    "pipe": "it is a pipe, not a file",
    "link to a pipe": "it is a pipe, not a file",
    "device": "it is a device, not a file",
    "folder": "it is a folder, not a file",
    "socket": "it is a socket, not a file",
    "sparse file": "it has 21,474,836,480 bytes, more than the",
}


@pytest.mark.parametrize("read", [open_file, read_file, read_text, require_file, file_sha256])
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_small_file_is_refused_at_once(
    tmp_path: Path, read: Callable[[Path], object], kind: str
) -> None:
    path = make_odd(tmp_path / "odd", kind)
    with pytest.raises(UnfitFileError) as caught:
        read(path)
    said = str(caught.value)
    assert said.startswith(f"cannot read {path}: {ODD[kind]}")
    assert said.endswith(("replace it by a regular file", "replace it by the right one"))
    assert isinstance(caught.value, DataError)
    assert isinstance(caught.value, OSError)  # for who puts what a file system says into words


@pytest.mark.parametrize("kind", ODD)
def test_a_hashed_file_or_its_hash_that_is_none_is_named(tmp_path: Path, kind: str) -> None:
    write_hashed(tmp_path / "file", b"one")
    odd = make_odd(hash_path(tmp_path / "file"), kind)
    with pytest.raises(UnfitFileError, match=re.escape(str(odd))):
        read_hashed(tmp_path / "file")


def test_a_file_that_becomes_a_pipe_after_it_was_looked_at_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_odd(tmp_path / "file", "pipe")
    monkeypatch.setattr(files, "require_file", lambda *_: None)
    assert read_file(path) == b""


def test_a_file_that_grows_while_it_is_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(bytes(11))
    monkeypatch.setattr(files, "require_file", lambda *_: None)
    with pytest.raises(UnfitFileError, match="grew beyond 10 bytes while zoo read it"):
        read_file(tmp_path / "file", 10)


def test_a_file_as_large_as_allowed_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert read_file(tmp_path / "file", 10) == b"0123456789"
    assert read_file(Path("/proc/self/status")).startswith(b"Name:")  # its size is said to be 0
