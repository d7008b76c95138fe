"""`zoo.Model`: from a folder or a hub, and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import zoo
from tests.exchange.hub_server import Hub
from tests.exchange.made_up import make_model, make_record
from zoo.errors import DataError, RecipeError, UnknownNameError
from zoo.exchange.export import export_folder

NAME = "somebody/small-net"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "small-net"
    export_folder(make_model(), place, [make_record()])
    return place


def same(one: zoo.Model, other: zoo.Model) -> bool:
    return all(torch.equal(value, other.tensors[name]) for name, value in one.tensors.items())


def test_a_model_goes_to_the_hub_and_comes_back(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model = zoo.Model.from_pretrained(folder)
    address = model.push_to_hub(NAME, commit_message="First", private=True)
    (commit, message, files) = hub.repositories[NAME].commits[-1]
    assert address.endswith(commit)
    assert message == "First"
    assert any(name.startswith("records/") for name in files)
    assert hub.repositories[NAME].private
    fetched = zoo.Model.from_pretrained(NAME)
    assert isinstance(fetched, zoo.Model)
    assert same(model, fetched)
    assert fetched.build().scale == 4
    asked = len(hub.requests)
    assert same(zoo.Model.from_pretrained(f"hf-hub:{NAME}"), model)
    assert len(hub.requests) == asked
    assert same(zoo.Model.from_pretrained(NAME, revision=commit), model)
    assert len(hub.requests) > asked


def test_a_folder_is_not_overwritten(folder: Path, tmp_path: Path) -> None:
    model = zoo.Model.from_pretrained(folder)
    saved = model.save_pretrained(tmp_path / "saved", records=[])
    assert {path.name for path in saved.iterdir()} >= {"model.safetensors", "README.md"}
    assert same(zoo.Model.from_pretrained(saved), model)
    with pytest.raises(DataError):
        model.save_pretrained(saved)
    model.save_pretrained(saved, force=True)


def test_a_folder_that_looks_like_a_repository_is_a_folder(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder.parents[1])
    zoo.Model.from_pretrained(f"{folder.parent.name}/{folder.name}")
    assert hub.requests == []
    with pytest.raises(UnknownNameError):
        zoo.Model.from_pretrained("no-such-model")


@pytest.mark.parametrize("again", [{"revision": "main"}, {"force_download": True}])
def test_a_revision_of_what_is_not_on_the_hub_is_refused(again: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="is not a repository of the hub"):
        zoo.Model.from_pretrained("srresnet-nobn-compact", **again)
