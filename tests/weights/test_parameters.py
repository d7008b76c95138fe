"""Parameters of metrics: known shapes, no code in the file, and the same bytes ever after."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import torch
from torch import Tensor

from zoo.errors import IntegrityError, WeightsError
from zoo.files import file_sha256, hash_path
from zoo.weights import catalog, store
from zoo.weights.catalog import PARAMETERS
from zoo.weights.entries import IndexFile, Member
from zoo.weights.tensors import (
    Origin,
    require_sha256,
    stored_names,
    stored_origin,
    tensors_sha256,
    write_tensors,
)

LPIPS = PARAMETERS["lpips"]
CHANNELS = {"vgg16": (64, 128, 256, 512, 512), "alexnet": (64, 192, 384, 256, 256)}
LAYERS = {
    "vgg16": ["relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3"],
    "alexnet": ["relu1", "relu2", "relu3", "relu4", "relu5"],
}
GROUPS = pytest.mark.parametrize("group", ["vgg16", "alexnet"])


def made(group: str = "vgg16", *, sign: float = 1.0) -> list[Tensor]:
    torch.manual_seed(0)
    return [sign * torch.rand(1, channels, 1, 1) for channels in CHANNELS[group]]


def published(group: str) -> dict[str, Tensor]:
    """Return them as the package `lpips` has them, one file for each network."""
    return {f"lin{index}.model.1.weight": value for index, value in enumerate(made(group))}


def saved(path: Path, held: object) -> Path:
    torch.save(held, path)
    return path


@pytest.fixture
def given(tmp_path: Path) -> Path:
    return saved(tmp_path / "lpips_weights.pt", made())


@pytest.fixture
def alex(tmp_path: Path) -> Path:
    return saved(tmp_path / "alex.pth", published("alexnet"))


def flip(path: Path, position: int = -1) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def vouch_for(monkeypatch: pytest.MonkeyPatch, *paths: Path) -> None:
    """Let the catalogue know these files."""
    members = tuple(Member(p.name, p.stat().st_size, file_sha256(p)) for p in paths)
    source = IndexFile("lpips", "lpips-0.whl", 1, "0" * 64, members)
    entry = type(LPIPS)(
        name="lpips", licence=LPIPS.licence, sources=(source,), shapes=LPIPS.shapes, signed=False
    )
    monkeypatch.setitem(catalog.PARAMETERS, "lpips", entry)


# --- LPIPS


def test_added_weights_are_found_and_loaded(given: Path) -> None:
    """The list of five tensors that piq publishes."""
    assert store.parameters_available("lpips", "vgg16") == (False, "zoo weights get lpips")
    path = store.add("lpips", given)
    assert path == store.store_path("lpips") == store.find("lpips")
    assert store.parameters_available("lpips", "vgg16") == (True, f"in the store, {path}")
    assert hash_path(path).is_file()
    loaded = store.load_parameters("lpips", "vgg16")
    assert list(loaded.tensors) == LAYERS["vgg16"]
    assert all(torch.equal(a, b) for a, b in zip(loaded.tensors.values(), made(), strict=True))
    assert loaded.source == "file lpips_weights.pt"
    assert loaded.verified is None
    assert store.add("lpips", path) == path  # what we store can be given again
    assert sum(value.numel() for value in loaded.tensors.values()) == 1472


@GROUPS
def test_the_authors_files(tmp_path: Path, group: str) -> None:
    path = store.add("lpips", saved(tmp_path / "v0.1.pth", published(group)))
    assert stored_names(path) == [f"{group}.{layer}" for layer in sorted(LAYERS[group])]
    loaded = store.load_parameters("lpips", group).tensors
    assert list(loaded) == LAYERS[group]
    assert all(torch.equal(a, b) for a, b in zip(loaded.values(), made(group), strict=True))
    other = next(name for name in CHANNELS if name != group)
    for missing in ("", other):
        assert store.parameters_available("lpips", missing) == (False, "zoo weights get lpips")
        with pytest.raises(WeightsError, match="zoo weights get lpips"):
            store.load_parameters("lpips", missing)


def test_what_each_network_needs_is_told_apart_by_its_shapes(given: Path, alex: Path) -> None:
    assert CHANNELS["vgg16"] != CHANNELS["alexnet"]
    store.add("lpips", alex)
    store.add("lpips", given)
    for group in CHANNELS:
        loaded = store.load_parameters("lpips", group).tensors
        assert all(torch.equal(a, b) for a, b in zip(loaded.values(), made(group), strict=True))


@pytest.mark.parametrize("first", ["vgg16", "alexnet"])
def test_two_files_make_the_whole(given: Path, alex: Path, first: str) -> None:
    files = [given, alex] if first == "vgg16" else [alex, given]
    for file in files:
        path = store.add("lpips", file)
    loaded = store.load_parameters("lpips")
    assert list(loaded.tensors) == list(LPIPS.shapes)
    assert loaded.source == " and ".join(f"file {file.name}" for file in files)
    origin = stored_origin(path)
    assert origin == Origin(
        source=loaded.source,
        sha256=" ".join(file_sha256(file) for file in files),
        licence="BSD-2-Clause",
        verified=None,
    )
    assert store.missing_groups(LPIPS) == []


def test_the_whole_is_verified_where_both_files_are(
    given: Path, alex: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.add("lpips", given, sha256=file_sha256(given))
    assert store.load_parameters("lpips", "vgg16").verified == "the sha256 that was given"
    store.add("lpips", alex)
    assert store.load_parameters("lpips", "vgg16").verified is None
    store.store_path("lpips").unlink()
    vouch_for(monkeypatch, alex)
    store.add("lpips", given, sha256=file_sha256(given))
    store.add("lpips", alex)
    told = "the sha256 that was given; the sha256 zoo knows"
    assert store.load_parameters("lpips").verified == told


def test_files_that_zoo_knows_need_no_hash(
    given: Path, alex: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vouch_for(monkeypatch, given, alex)
    for file in (given, alex):
        store.add("lpips", file)
    assert store.load_parameters("lpips").verified == "the sha256 zoo knows"


def test_the_same_group_again_replaces_where_it_came_from(given: Path, tmp_path: Path) -> None:
    """Or what came without a hash would never count as verified."""
    store.add("lpips", given)
    assert store.load_parameters("lpips", "vgg16").verified is None
    again = given.rename(tmp_path / "again.pt")
    path = store.add("lpips", again, sha256=file_sha256(again))
    assert stored_origin(path) == Origin(
        source="file again.pt",
        sha256=file_sha256(again),
        licence="BSD-2-Clause",
        verified="the sha256 that was given",
    )


def test_a_whole_file_replaces_both_groups(given: Path, tmp_path: Path) -> None:
    store.add("lpips", given)
    values = {name: torch.rand(shape) for name, shape in LPIPS.shapes.items()}
    whole = saved(tmp_path / "whole.pt", values)
    path = store.add("lpips", whole)
    assert tensors_sha256(store.load_parameters("lpips").tensors) == tensors_sha256(values)
    assert stored_origin(path).source == "file whole.pt"


def test_a_damaged_group_is_not_kept(given: Path, alex: Path) -> None:
    flip(store.add("lpips", given))
    path = store.add("lpips", alex)
    assert stored_origin(path).source == "file alex.pth"
    assert store.parameters_available("lpips", "alexnet")[0]
    assert not store.parameters_available("lpips", "vgg16")[0]


def test_a_store_of_an_earlier_version(tmp_path: Path, alex: Path) -> None:
    """It had the names of layers without their network, and VGG16 alone."""
    path = store.store_path("lpips")
    write_tensors(path, dict(zip(LAYERS["vgg16"], made(), strict=True)))
    assert store.parameters_available("lpips", "vgg16") == (False, "zoo weights get lpips")
    old = path.rename(tmp_path / "old.safetensors")
    store.add("lpips", old)
    loaded = store.load_parameters("lpips", "vgg16").tensors
    assert all(torch.equal(a, b) for a, b in zip(loaded.values(), made(), strict=True))


def test_missing_weights_say_how_to_get_them() -> None:
    told = "the linear weights of LPIPS v0.1, for VGG16 and AlexNet, are not installed"
    for group in ("", "vgg16", "alexnet"):
        with pytest.raises(WeightsError, match=f"{told}: run 'zoo weights get lpips'"):
            store.load_parameters("lpips", group)


@pytest.mark.parametrize("group", ["", "vgg16", "alexnet"])
def test_a_flipped_bit_is_noticed(given: Path, alex: Path, group: str) -> None:
    store.add("lpips", given)
    path = store.add("lpips", alex)
    flip(path)
    with pytest.raises(IntegrityError, match=r"damaged.*get or add the weights again") as caught:
        store.load_parameters("lpips", group)
    assert caught.value.exit_code == 4
    for file in (given, alex):
        store.add("lpips", file)
    store.load_parameters("lpips", group)


def cut(path: Path) -> None:
    os.truncate(path, 100)


def spoil_header(path: Path) -> None:
    flip(path, 7)


def lose_hash(path: Path) -> None:
    hash_path(path).unlink()


@pytest.mark.parametrize("damage", [flip, cut, spoil_header, lose_hash])
@pytest.mark.parametrize("fetch", [True, False])
def test_a_damaged_store(given: Path, damage: Callable[[Path], None], *, fetch: bool) -> None:
    """Fetching by itself would hide what happened; the message says how."""
    path = store.add("lpips", given)
    damage(path)
    with pytest.raises(IntegrityError, match="get or add the weights again"):
        store.load_parameters("lpips", "vgg16", fetch=fetch)
    assert store.is_whole("lpips") is False


def test_whole_or_not(given: Path, alex: Path) -> None:
    assert store.is_whole("lpips")  # nothing is there, so nothing is wrong
    store.add("lpips", given)
    assert not store.is_whole("lpips")
    assert store.missing_groups(LPIPS) == [f"alexnet.{layer}" for layer in LAYERS["alexnet"]]
    store.add("lpips", alex)
    assert store.is_whole("lpips")


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (
            made()[:4],
            r"does not contain the tensors of lpips: vgg16\.relu1_2 \(1, 64, 1, 1\), vgg16",
        ),
        (dict.fromkeys("abcde", torch.zeros(1)), "does not contain the tensors of lpips"),
        (list(reversed(made())), r"\(1, 64, 1, 1\)"),
        ([1, 2, 3, 4, 5], r"\(1, 64, 1, 1\)"),
        ([value.squeeze() for value in made()], r"\(1, 64, 1, 1\)"),
        (made(sign=-1.0), r"vgg16\.relu1_2 of lpips has negative values"),
        (made("alexnet", sign=-1.0), r"alexnet\.relu1 of lpips has negative values"),
        ([*made()[:4], made()[4] - 0.5], r"vgg16\.relu5_3 of lpips has negative values"),
        ([value * float("nan") for value in made()], "is not finite"),
        ([value / 0 for value in made()], "is not finite"),
        (
            [value.to(torch.complex64) for value in made()],
            "contains more than|not contain plain floats",
        ),
    ],
)
def test_what_cannot_be_lpips_weights_is_not_stored(
    tmp_path: Path, held: object, message: str
) -> None:
    with pytest.raises(WeightsError, match=message):
        store.add("lpips", saved(tmp_path / "other.pt", held))
    assert store.find("lpips") is None
    assert store.parameters_available("lpips", "vgg16")[0] is False


class Intruder:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, ...]:
        return (os.system, (f"touch {self.target}",))


@pytest.mark.parametrize("name", ["lpips", "dists", "niqe"])
def test_a_pickle_with_code_is_refused(tmp_path: Path, name: str) -> None:
    evil = saved(tmp_path / "evil.pt", [*made()[:4], Intruder(tmp_path / "was-here")])
    with pytest.raises(WeightsError, match="can run code"):
        store.add(name, evil)
    assert not (tmp_path / "was-here").exists()


def test_a_file_with_another_hash_is_refused(given: Path) -> None:
    require_sha256(given, file_sha256(given).upper())
    with pytest.raises(IntegrityError, match="not the file that you want") as caught:
        require_sha256(given, "0" * 64)
    assert caught.value.exit_code == 4
    with pytest.raises(WeightsError, match="does not exist"):
        require_sha256(given.with_name("absent"), "0" * 64)
    with pytest.raises(IntegrityError, match="not the file that you want"):
        store.add("lpips", given, sha256="0" * 64)
    assert store.find("lpips") is None


def test_half_precision_is_widened(tmp_path: Path) -> None:
    halves = [value.half() for value in made()]
    store.add("lpips", saved(tmp_path / "half.pt", halves))
    loaded = store.load_parameters("lpips", "vgg16").tensors
    assert {value.dtype for value in loaded.values()} == {torch.float32}


# --- DISTS


def dists(size: int = 1475) -> dict[str, Tensor]:
    torch.manual_seed(1)
    return {"alpha": torch.randn(1, size, 1, 1), "beta": torch.randn(1, size, 1, 1)}


def test_dists(tmp_path: Path) -> None:
    store.add("dists", saved(tmp_path / "weights.pt", dists()))
    loaded = store.load_parameters("dists").tensors
    assert list(loaded) == ["alpha", "beta"]
    assert all(torch.equal(loaded[name], value) for name, value in dists().items())
    assert any(bool((value < 0).any()) for value in loaded.values())  # these may be


@pytest.mark.parametrize(
    ("held", "message"),
    [
        (dists(1474), r"alpha of dists is \(1, 1474, 1, 1\), not \(1, 1475, 1, 1\)"),
        ({"alpha": dists()["alpha"]}, "does not contain the tensors of dists"),
        ({"gamma": dists()["alpha"]}, "does not contain the tensors of dists"),
        (list(dists().values()), "does not contain"),  # of one shape: nothing tells which is which
        (dists() | {"beta": torch.full((1, 1475, 1, 1), float("inf"))}, "beta .* is not finite"),
    ],
)
def test_what_cannot_be_dists(tmp_path: Path, held: object, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        store.add("dists", saved(tmp_path / "weights.pt", held))
    assert store.find("dists") is None


# --- NIQE


def niqe() -> dict[str, np.ndarray[Any, Any]]:
    generator = np.random.default_rng(2)
    return {"mu": generator.normal(size=36), "cov": generator.normal(size=(36, 36))}


def as_npz(folder: Path, names: tuple[str, str]) -> Path:
    mu, cov = niqe().values()
    path = folder / "niqe_pris_params.npz"
    window = np.ones((7, 7))  # what the file has beside them
    np.savez(path, **{names[0]: mu[None], names[1]: cov, "gaussian_window": window})
    return path


def as_mat(folder: Path, names: tuple[str, str]) -> Path:
    mu, cov = niqe().values()
    path = folder / "modelparameters.mat"
    scipy.io.savemat(path, {names[0]: mu[None], names[1]: cov, "note": "text", "cells": {"a": 1}})
    return path


@pytest.mark.parametrize("write", [as_npz, as_mat])
@pytest.mark.parametrize(
    "names",
    [("mu_pris_param", "cov_pris_param"), ("mu_prisparam", "cov_prisparam"), ("mu", "cov")],
)
def test_niqe_as_published(
    tmp_path: Path, write: Callable[[Path, tuple[str, str]], Path], names: tuple[str, str]
) -> None:
    path = store.add("niqe", write(tmp_path, names))
    loaded = store.load_parameters("niqe")
    assert stored_names(path) == ["cov", "mu"]
    assert loaded.tensors["mu"].dtype == torch.float64
    for name, value in niqe().items():
        assert loaded.tensors[name].shape == value.shape
        assert np.array_equal(loaded.tensors[name].numpy(), value)


@pytest.mark.parametrize("suffix", [".npz", ".mat"])
@pytest.mark.parametrize("content", [b"", b"not weights", b"PK\x03\x04 torn", b"MATLAB 5.0" * 40])
def test_a_damaged_file_of_arrays(tmp_path: Path, suffix: str, content: bytes) -> None:
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"cannot read weights from .*it is not a file of"):
        store.add("niqe", path)
    with pytest.raises(WeightsError, match="cannot read weights"):
        store.add("niqe", tmp_path / f"none{suffix}")


def test_an_npz_with_a_pickle_inside_is_refused(tmp_path: Path) -> None:
    mark = tmp_path / "was-here"
    np.savez(tmp_path / "evil.npz", mu=np.array([Intruder(mark)], dtype=object), allow_pickle=True)
    with pytest.raises(WeightsError, match="it is not a file of numpy"):
        store.add("niqe", tmp_path / "evil.npz")
    assert not mark.exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mu": np.zeros(35)}, r"mu of niqe is \(35,\), not \(36,\)"),
        ({"cov": np.zeros(36 * 36)}, r"cov of niqe is \(1296,\), not \(36, 36\)"),
        ({"cov": np.full((36, 36), np.nan)}, "cov of niqe is not finite"),
        ({"mu": np.array(["x"] * 36)}, "mu of niqe does not contain plain floats"),
    ],
)
def test_what_cannot_be_niqe(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "other.npz", **(niqe() | changes))
    with pytest.raises(WeightsError, match=message):
        store.add("niqe", tmp_path / "other.npz")
    assert store.find("niqe") is None
