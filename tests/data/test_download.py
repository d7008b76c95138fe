from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
import requests

from zoo.data import download, sessions
from zoo.data.download import check_disk, fetch
from zoo.errors import IntegrityError, MachineError

CONTENT = bytes(range(256)) * 40_000  # 10 MB: several chunks
MIB = 1 << 20
NAME = "archive.zip"


def get(server: Any, folder: Path, **changes: Any) -> Path:
    options = {
        "known_hash": f"sha256:{hashlib.sha256(CONTENT).hexdigest()}",
        "num_bytes": len(CONTENT),
        "pause_seconds": 0.0,
    }
    return fetch(f"{server.url}/sets/{NAME}", folder, **options | changes)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_is_fetched_once(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    seen: list[tuple[int, int]] = []
    path = get(server, tmp_path, progress=lambda *amounts: seen.append(amounts))
    assert path == tmp_path / NAME
    assert path.read_bytes() == CONTENT
    assert seen == sorted(seen)
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert get(server, tmp_path) == path
    assert server.requests == [None]
    assert names(tmp_path) == [NAME]


def test_md5_where_there_is_nothing_better(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    known = f"md5:{hashlib.md5(CONTENT, usedforsecurity=False).hexdigest()}"
    assert get(server, tmp_path, known_hash=known).exists()


def test_a_broken_connection_is_resumed(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    server.breaks, server.break_after = 2, 4 * MIB
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=4194304-", "bytes=8388608-"]


def test_what_came_survives_and_the_next_command_goes_on(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    server.breaks, server.break_after = 1, 3 * MIB
    with pytest.raises(MachineError, match=r"archive\.zip\.part; run the same command again"):
        get(server, tmp_path, attempts=1)
    assert (tmp_path / f"{NAME}.part").stat().st_size == 3 * MIB
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=3145728-"]
    assert names(tmp_path) == [NAME]


def test_a_server_that_ignores_ranges_means_starting_over(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    server.ranges = False
    server.breaks, server.break_after = 1, 3 * MIB
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == [None, "bytes=3145728-"]


def test_a_file_of_unknown_size_is_resumed_too(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    server.breaks, server.break_after = 2, 4 * MIB
    seen: list[tuple[int, int]] = []
    path = get(
        server, tmp_path, num_bytes=None, progress=lambda *amounts: seen.append(amounts), attempts=3
    )
    assert path.read_bytes() == CONTENT
    assert server.requests == [None, "bytes=4194304-", "bytes=8388608-"]
    assert {total for _, total in seen} == {len(CONTENT)}


@pytest.mark.parametrize("part", [CONTENT, CONTENT[: 3 * MIB]], ids=["whole", "some"])
def test_a_part_of_a_file_of_unknown_size(server: Any, tmp_path: Path, part: bytes) -> None:
    server.files[NAME] = CONTENT
    (tmp_path / f"{NAME}.part").write_bytes(part)
    assert get(server, tmp_path, num_bytes=None).read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"<html>not here</html>"])
def test_another_file_of_unknown_size_is_refused(
    server: Any, tmp_path: Path, content: bytes
) -> None:
    server.files[NAME] = content
    with pytest.raises(IntegrityError, match="not the expected file"):
        get(server, tmp_path, num_bytes=None)
    assert names(tmp_path) == []


def test_a_server_cannot_announce_more_than_is_taken(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[NAME] = CONTENT
    monkeypatch.setattr(download, "MAX_BYTES", len(CONTENT) - 1)
    with pytest.raises(IntegrityError, match="the server announces"):
        get(server, tmp_path, num_bytes=None)
    assert names(tmp_path) == []
    assert get(server, tmp_path).exists()  # a size of the catalogue's is nobody's word


def test_what_a_server_announces_must_fit_on_the_disk(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.files[NAME] = CONTENT
    free = len(CONTENT) - MIB
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(0, 0, free))
    with pytest.raises(MachineError, match="free some space"):
        get(server, tmp_path, num_bytes=None)
    assert names(tmp_path) == []
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[:MIB])
    assert get(server, tmp_path, num_bytes=None).exists()  # what has come needs no more room


def test_a_finished_part_needs_no_network(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)
    assert get(server, tmp_path).read_bytes() == CONTENT
    assert server.requests == []
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert get(server, tmp_path).exists()


@pytest.mark.parametrize(
    "part", [CONTENT + b"more", b"\0" * 1000], ids=["too long", "of another file"]
)
def test_a_wrong_part_is_removed(server: Any, tmp_path: Path, part: bytes) -> None:
    server.files[NAME] = CONTENT
    (tmp_path / f"{NAME}.part").write_bytes(part)
    if len(part) < len(CONTENT):
        with pytest.raises(IntegrityError, match="removed"):
            get(server, tmp_path)
    assert get(server, tmp_path).read_bytes() == CONTENT


@pytest.mark.parametrize(
    "content",
    [CONTENT[:-1] + b"x", CONTENT[:-1], CONTENT + b"x", b"<html>not here</html>"],
    ids=["a byte differs", "short", "long", "a page"],
)
def test_another_file_is_refused_and_removed(server: Any, tmp_path: Path, content: bytes) -> None:
    server.files[NAME] = content
    with pytest.raises(IntegrityError) as caught:
        get(server, tmp_path)
    assert server.url in str(caught.value)
    assert names(tmp_path) == []


def test_a_changed_file_on_disk_is_fetched_again(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    (tmp_path / NAME).write_bytes(b"damaged")
    assert get(server, tmp_path).read_bytes() == CONTENT


def test_an_absent_file_or_server_is_the_machines_error(server: Any, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="404"):
        get(server, tmp_path)
    server.stop()
    with pytest.raises(MachineError, match="cannot download"):
        get(server, tmp_path, attempts=2)


@pytest.mark.parametrize("there", [None, b"damaged"])
def test_offline_means_no_request(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bytes | None
) -> None:
    server.files[NAME] = CONTENT
    if there is not None:
        (tmp_path / NAME).write_bytes(there)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(MachineError, match="ZOO_OFFLINE"):
        get(server, tmp_path)
    assert server.requests == []


def test_disk_space_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 50, 50))
    check_disk(tmp_path / "not" / "yet", 50)
    with pytest.raises(MachineError, match="free some space"):
        check_disk(tmp_path, 51)


def test_a_session_sends_the_requests(server: Any, tmp_path: Path) -> None:
    server.files[NAME] = CONTENT
    server.breaks, server.break_after = 1, 4 * MIB
    sent: list[str | None] = []

    class Session(requests.Session):
        def send(self, request: requests.PreparedRequest, **options: Any) -> requests.Response:
            sent.append(request.headers.get("Range"))
            return super().send(request, **options)

    with Session() as session:
        assert get(server, tmp_path, session=session).read_bytes() == CONTENT
    assert sent == server.requests == [None, "bytes=4194304-"]


@pytest.mark.parametrize("slow", ["headers", "body"])
def test_a_server_that_sends_a_byte_now_and_then_is_given_up(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: str
) -> None:
    monkeypatch.setattr(sessions, "WINDOW_SECONDS", 0.2)
    server.files[NAME], server.slow = CONTENT, slow
    with pytest.raises(MachineError, match=r"archive\.zip: the server is too slow: \d+ bytes in"):
        get(server, tmp_path, attempts=2)
    assert len(server.requests) == 2


def test_a_look_at_a_server_that_is_too_slow_ends(
    server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "WINDOW_SECONDS", 0.2)
    server.files[NAME], server.slow = CONTENT, "headers"
    with pytest.raises(MachineError, match="cannot reach"):
        download.check_connection(f"{server.url}/{NAME}")


def test_a_server_that_recovers_is_gone_on_with(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sessions, "WINDOW_SECONDS", 0.2)
    server.files[NAME], server.slow = CONTENT, "body"

    class Recovering(sessions.FloorAdapter):
        def send(self, *args: Any, **options: Any) -> requests.Response:
            server.slow = "" if server.requests else "body"
            return super().send(*args, **options)

    with sessions.open_session(Recovering()) as session:
        assert get(server, tmp_path, session=session).read_bytes() == CONTENT
    assert "was interrupted (the server is too slow" in caplog.text


def test_only_waiting_after_the_first_bytes_counts() -> None:
    floor = sessions.Floor()
    floor.count(1, 59.0)  # it thought before it answered
    for _ in range(90):
        floor.count(sessions.FLOOR_BYTES, 1.0)  # three windows at the floor
    for _ in range(29):
        floor.count(10, 1.0)
    with pytest.raises(sessions.SlowServerError, match="300 bytes in 30 s"):
        floor.count(10, 1.0)


def test_a_size_that_nobody_tells_is_not_made_up(server: Any, tmp_path: Path) -> None:
    server.files[NAME], server.tells_size = CONTENT, False
    seen: list[tuple[int, int]] = []
    get(server, tmp_path, num_bytes=None, progress=lambda *amounts: seen.append(amounts))
    assert {total for _, total in seen} == {0}
    assert seen[-1][0] == len(CONTENT)
