"""`zoo push`, `zoo pull` and models in `zoo list`, against the stand-in hub."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import Zoo
from tests.exchange.hub_server import Hub
from tests.exchange.made_up import make_baseline, make_model, make_record
from zoo.exchange.export import export_folder
from zoo.models.store import store_path

NAME = "somebody/small-net"
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")  # the client's


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("exported") / "small-net"
    export_folder(make_model(), place, [make_record(), make_baseline()])
    return place


def test_a_model_goes_to_the_hub_and_comes_back(zoo: Zoo, hub: Hub, folder: Path) -> None:
    sent = zoo("push", folder, NAME, "--message", "First")
    assert sent.exit_code == 0
    assert "README.md" in sent.stdout
    (commit, message, _) = hub.repositories[NAME].commits[-1]
    assert sent.stdout.splitlines()[-1] == f"pushed: {hub.endpoint}/{NAME}/commit/{commit}"
    assert message == "First"
    fetched = zoo("pull", NAME)
    assert fetched.exit_code == 0
    assert fetched.stdout == f"pulled: {NAME} at {commit[:12]}, into {store_path(NAME)}\n"
    assert f"zoo upscale photo.png --model {NAME}" in fetched.stderr
    assert ".gitattributes" in fetched.stderr


def test_a_dry_run_asks_nobody(zoo: Zoo, hub: Hub, folder: Path) -> None:
    result = zoo("push", folder, NAME, "--dry-run")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == "--dry-run: nothing was sent"
    assert result.stdout.count("records/") == 2
    document = json.loads(zoo("push", folder, NAME, "--dry-run", "--json").stdout)
    size = (folder / "model.safetensors").stat().st_size
    assert document["files"]["model.safetensors"] == size
    assert document["commit"] is None
    assert hub.requests == []


def test_a_run_is_exported_on_its_way(zoo: Zoo, hub: Hub, run_root: Path) -> None:
    result = zoo("push", "srresnet-nobn", NAME, "--run-root", run_root, "--private", "--json")
    assert result.exit_code == 0
    assert hub.repositories[NAME].private
    assert "the model has no licence" not in result.stdout
    files = hub.repositories[NAME].commits[-1][2]
    assert b"zoo train srresnet-nobn" in files["README.md"] or b"began" in files["README.md"]
    assert json.loads(result.stdout)["files"].keys() == files.keys() - {".gitattributes"}


def test_a_pulled_model_is_listed_shown_and_used(
    zoo: Zoo, hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo("push", folder, NAME)
    zoo("pull", NAME)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    rows = json.loads(zoo("list", "models", "--json").stdout)["models"]
    (row,) = [row for row in rows if row["name"] == NAME]
    assert row["origin"] == "pulled, trained"
    assert row["scale"] == 4
    line = next(line for line in zoo("list", "models").stdout.splitlines() if NAME in line)
    assert "x4" in line
    assert "a small network" in line
    shown = zoo("show", "model", NAME)
    assert "training.recipe" in shown.stdout
    assert zoo("show", NAME).stdout == shown.stdout
    assert json.loads(zoo("show", "model", NAME, "--json").stdout)["generator"]["width"] == 4
    exported = zoo("export", NAME, "-o", tmp_path / "copy")
    assert exported.exit_code == 0
    content = (folder / "model.safetensors").read_bytes()
    assert (tmp_path / "copy" / "model.safetensors").read_bytes() == content


def test_a_model_that_cannot_be_read_is_listed_as_broken(zoo: Zoo) -> None:
    path = store_path(NAME) / "model.safetensors"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no safetensors at all")
    result = zoo("list", "models")
    assert result.exit_code == 0
    line = next(line for line in result.stdout.splitlines() if NAME in line)
    assert "broken: " in line


def test_what_a_killed_pull_left_is_no_model(zoo: Zoo) -> None:
    for place in (".zoo-abc/fetched", ".zoo-abc/client"):
        path = store_path(NAME).parents[1] / place / "model.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes(b"half")
    assert ".zoo-abc" not in zoo("list", "models").stdout


def test_a_push_says_what_it_deletes(zoo: Zoo, hub: Hub, folder: Path) -> None:
    hub.add(NAME, {"README.md": b"by hand", "records/old.json": b"{}"})
    refused = zoo("push", folder, NAME)
    assert refused.exit_code == 2
    assert "README.md, records/old.json, which zoo did not upload" in refused.stderr
    sent = zoo("push", folder, NAME, "--force")
    assert sent.exit_code == 0
    assert "the model no longer has them: records/old.json" in sent.stderr


def test_a_model_that_is_not_here_is_told(zoo: Zoo) -> None:
    result = zoo("show", "model", "somebody/nothing")
    assert result.exit_code == 2
    assert "unknown model" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("pull", "somebody/nothing"), 2),
        (("pull", "no-owner"), 2),
        (("push", "FOLDER", "else/net"), 2),
    ],
)
def test_what_the_hub_refuses_is_one_paragraph(
    zoo: Zoo, hub: Hub, folder: Path, arguments: tuple[str, ...], exit_code: int
) -> None:
    words = [str(folder) if word == "FOLDER" else word for word in arguments]
    result = zoo(*words)
    assert result.exit_code == exit_code
    errors = [line for line in result.stderr.splitlines() if line.startswith("Error: ")]
    assert len(errors) == 1
    assert result.stderr.splitlines()[-1] == errors[0]


def test_a_wrong_hash_ends_with_4_and_no_network_with_5(
    zoo: Zoo, hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zoo("push", folder, NAME)
    files = hub.repositories[NAME].commits[-1][2]
    hub.repositories[NAME].commit("bad", files | {"model.safetensors.sha256": b"0" * 64 + b"  x"})
    assert zoo("pull", NAME).exit_code == 4
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert zoo("pull", NAME).exit_code == 5
