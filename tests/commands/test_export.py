"""`zoo export`: from what a user names to a file that others can use."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.commands.conftest import Bench, Zoo
from zoo.models.file import read_model


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def test_a_run_becomes_a_folder_of_its_name(zoo: Zoo, run_root: Path) -> None:
    result = zoo("export", "srresnet-nobn", "--run-root", run_root, "--licence", "MIT")
    assert result.exit_code == 0
    folder = Path("srresnet-nobn-smoke")
    size = f"{(folder / 'model.safetensors').stat().st_size:,}"
    assert result.stdout.splitlines() == [
        f"written: {folder / 'model.safetensors'} ({size} bytes, float32)",
        f"card: {folder / 'README.md'}",
    ]
    assert "the largest difference from the source is 0 of values" in result.stderr
    assert "there are no records of this model" in result.stderr
    details = read_model(folder / "model.safetensors").details
    assert (details.origin, details.licence) == ("trained", "MIT")


@pytest.mark.slow
def test_what_was_benched_brings_its_record(zoo: Zoo, bench: Bench, run_root: Path) -> None:
    assert bench("srresnet-nobn", "--seeds", "1").exit_code in (0, 3)
    result = zoo("export", "srresnet-nobn", "--run-root", run_root, "-o", "net", "--json")
    assert json.loads(result.stdout)["records"] == 1
    text = Path("net/README.md").read_text()
    assert "| srresnet-nobn-smoke |" in text
    assert "| bicubic |" in text
    assert "One training, seed 0, so there is no interval over seeds" in text
    assert len(list(Path("net/records").glob("*.json"))) == 2


def test_json_says_what_was_written(zoo: Zoo, run_root: Path) -> None:
    options = ("--run-root", run_root, "--half", "--name", "tiny", "--json")
    document = json.loads(zoo("export", "srresnet-nobn", *options).stdout)
    assert document["schema"] == "zoo.export/1"
    assert document["file"] == "tiny/model.safetensors"
    assert document["precision"] == "float16"
    assert 0 < document["largest_difference"] < 0.01
    assert document["sha256"] == read_model(Path(document["file"])).sha256


def test_an_exported_folder_and_a_file_are_sources_too(zoo: Zoo, run_root: Path) -> None:
    zoo("export", "srresnet-nobn", "--run-root", run_root, "-o", "net")
    assert zoo("export", "net", "-o", "net.safetensors").exit_code == 0
    assert zoo("export", "net.safetensors", "-o", "again").exit_code == 0
    files = ("net/model.safetensors", "net.safetensors", "again/model.safetensors")
    assert len({Path(file).read_bytes() for file in files}) == 1  # copied, not written anew


def test_nothing_is_written_over_without_force(zoo: Zoo, run_root: Path) -> None:
    arguments = ("export", "srresnet-nobn", "--run-root", run_root, "-o", "net")
    assert zoo(*arguments).exit_code == 0
    refused = zoo(*arguments)
    assert refused.exit_code == 2
    assert "--force" in refused.stderr
    assert zoo(*arguments, "--force").exit_code == 0


def test_a_run_that_is_not_finished_says_how_to_go_on(zoo: Zoo, run_root: Path) -> None:
    run = run_root / "srresnet-nobn" / "smoke" / "seed-0"
    (run / "summary.json").unlink()
    result = zoo("export", run)
    assert result.exit_code == 2
    assert "zoo train srresnet-nobn --profile smoke --seed 0" in result.stderr
    assert list(Path().iterdir()) == []


def test_a_run_that_diverged_is_refused(zoo: Zoo, run_root: Path) -> None:
    run = run_root / "srresnet-nobn" / "smoke" / "seed-0"
    (run / "summary.json").unlink()
    row = {"step": 3, "kind": "diverged", "message": "l1 is not finite at step 3"}
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    result = zoo("export", run)
    assert result.exit_code == 2
    assert "diverged" in result.stderr
    assert "l1 is not finite at step 3" in result.stderr


def test_damaged_weights_are_noticed(zoo: Zoo, run_root: Path) -> None:
    path = run_root / "srresnet-nobn" / "smoke" / "seed-0" / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    assert zoo("export", path.parent).exit_code == 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("-o", "net.pth"), ".safetensors or .onnx"),
        (("-o", "net.onnx", "--format", "safetensors"), "omit one of them"),
        (("--records", "nowhere"), "is not a folder of records"),
    ],
)
def test_wrong_options_are_told(
    zoo: Zoo, run_root: Path, options: tuple[str, ...], message: str
) -> None:
    result = zoo("export", "srresnet-nobn", "--run-root", run_root, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_a_plugins_network_is_exported_with_its_plugin_named(
    zoo: Zoo, run_root: Path, plugin_file: Path, registry_file: object, tmp_path: Path
) -> None:
    text = (
        "recipes:\n  plugged:\n    summary: a plugin\n    generator: plugged-net\n"
        "    losses: {l1: 1.0}\n"
    )
    registry = registry_file(text)  # type: ignore[operator]
    sources = ("--plugin", plugin_file, "--registry", registry)
    run = ("-p", "smoke", "--run-root", run_root, "--device", "cpu")
    trained = zoo("train", "plugged", *run, *sources)
    assert trained.exit_code == 0, trained.stderr
    result = zoo("export", "plugged", "--run-root", run_root, "-o", "net", "--plugin", plugin_file)
    assert result.exit_code == 0, result.stderr
    card = Path("net/README.md").read_text()
    assert "--plugin plugged.py" in card
    assert str(tmp_path) not in card.replace(str(registry), "").replace(str(plugin_file), "")
    shutil.rmtree("net")
