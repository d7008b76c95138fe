"""`zoo doctor`."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import Result

from zoo import doctor
from zoo.registry import GENERATORS, Origin

Zoo = Callable[..., Result]


def findings(result: Result) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["section"], row["name"]): row for row in json.loads(result.stdout)["findings"]}


def test_a_machine_that_can_train_is_well(zoo: Zoo) -> None:
    result = zoo("doctor", "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["can_train"] is True
    found = findings(result)
    for key in (
        ("versions", "torch"),
        ("devices", "cpu"),
        ("data", "samples"),
        ("folders", "runs"),
    ):
        assert found[key]["status"] == "ok", found[key]
    assert found["weights", "vgg19"]["status"] == "warning"
    assert found["registry", "registry.yaml"]["status"] == "ok"


def test_the_text_ends_with_the_verdict_on_stderr(zoo: Zoo) -> None:
    result = zoo("doctor")
    assert result.stderr == "training can run\n"
    assert result.stdout.startswith("zoo doctor\n")


def test_every_mistake_of_a_registry_is_found_at_once(zoo: Zoo, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "version: 1\n"
        "recipes:\n"
        "  one: {generatr: rrdb}\n"
        "  two: {generator: {name: rrdb, num_block: 3}, losses: {l1: 1}}\n"
    )
    result = zoo("doctor", "--json", "--registry", mine)
    assert result.exit_code == 1
    details = [f["detail"] for f in findings(result).values() if f["section"] == "registry"]
    assert any("did you mean 'generator'?" in detail for detail in details)
    assert any("did you mean 'num_blocks'?" in detail for detail in details)


def test_a_registry_that_is_not_yaml_stops_training(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("recipes: [")
    result = zoo("doctor", "--json", "--registry", tmp_path / "mine.yaml")
    assert result.exit_code == 1
    assert "not YAML" in findings(result)["registry", "files"]["detail"]


def test_a_full_disk_stops_training(zoo: Zoo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=1_000))
    result = zoo("doctor", "--json")
    assert result.exit_code == 1
    assert "at least 0.5 GB" in findings(result)["folders", "cache"]["detail"]


def test_a_cache_that_cannot_be_written_stops_training(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "file"))
    result = zoo("doctor", "--json")
    assert result.exit_code == 1
    assert "not writable" in findings(result)["folders", "cache"]["detail"]


def test_a_broken_plugin_is_named_with_its_cause(zoo: Zoo) -> None:
    target = EntryPoint("absent-net", "no_such_package.net:Net", "zoo.generators")
    GENERATORS.add_lazy("absent-net", target, Origin("package", "absent 1.0"))
    result = zoo("doctor", "--json")
    assert result.exit_code == 0
    found = findings(result)["plugins", "generator absent-net"]
    assert found["status"] == "warning"
    assert "No module named 'no_such_package'" in found["detail"]


def test_a_missing_extra_is_named_with_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    requires = ["torch>=2", "no-such-package>=1; extra == 'onnx'", "numpy; extra == 'track'"]
    monkeypatch.setattr(doctor, "distribution", lambda _name: SimpleNamespace(requires=requires))
    found = {finding.name: finding for finding in doctor._extras()}
    assert found["onnx"].detail == "missing no-such-package; pip install 'srgan-zoo[onnx]'"
    assert found["track"].status == "ok"


def test_what_metrics_and_losses_lack_has_one_command(
    zoo: Zoo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.weights.hub.cached", lambda _: None)
    found = findings(zoo("doctor", "--json"))
    assert found["metrics", "lpips-alex"] == {
        "section": "metrics",
        "name": "lpips-alex",
        "status": "warning",
        "detail": "needs alexnet, lpips; not installed: alexnet, lpips",
    }
    assert found["metrics", "lite1-distance"]["status"] == "ok"
    assert found["losses", "dists"]["detail"] == "needs vgg16, dists; not installed: vgg16, dists"
    assert ("metrics", "psnr-y") not in found, "it needs no weights"
    command = found["weights", "all that metrics and losses need"]["detail"].split()
    command = command[command.index("zoo") :]
    assert command[:3] == ["zoo", "weights", "get"]
    assert set(command[3:]) == {"vgg19", "vgg16", "alexnet", "lpips", "dists", "niqe"}
