"""`zoo list`."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from typer.testing import Result

from zoo.commands.list import KINDS
from zoo.registry import GENERATORS, REGISTRIES, Origin

Zoo = Callable[..., Result]


def names(result: Result, kind: str) -> list[str]:
    return [row["name"] for row in json.loads(result.stdout)[kind]]


def test_lists_everything_by_default(zoo: Zoo) -> None:
    document = json.loads(zoo("list", "--json").stdout)
    assert document["schema"] == "zoo.list/1"
    assert [key for key in document if key != "schema"] == list(KINDS)
    for folder, registry in REGISTRIES.items():
        assert [row["name"] for row in document[folder]] == registry.names()


@pytest.mark.parametrize("kind", KINDS)
def test_text_has_the_names_json_has(zoo: Zoo, kind: str) -> None:
    lines = zoo("list", kind).stdout.splitlines()
    known = names(zoo("list", kind, "--json"), kind)
    assert lines[:1] == ([kind] if known else [])
    assert [line.split()[0] for line in lines[2:]] == known


def test_takes_the_singular_and_a_pattern(zoo: Zoo) -> None:
    assert names(zoo("list", "generator", "*r*b", "--json"), "generators") == ["rrdb"]


def test_a_lone_pattern_is_for_all_kinds(zoo: Zoo) -> None:
    document = json.loads(zoo("list", "rr*", "--json").stdout)
    assert "rrdb" in [row["name"] for row in document["recipes"]]
    assert [row["name"] for row in document["generators"]] == ["rrdb"]


def test_no_match_is_empty_and_well(zoo: Zoo) -> None:
    result = zoo("list", "recipes", "nothing-*")
    assert (result.exit_code, result.stdout) == (0, "")


def test_shows_recipes_and_components_from_files(
    zoo: Zoo, plugin_file: Path, registry_file: Callable[[str], Path]
) -> None:
    mine = registry_file("recipes: {mine: {extends: srresnet, generator: plugged-net}}\n")
    result = zoo("list", "--registry", mine, "--plugin", plugin_file, "--json")
    assert "mine" in names(result, "recipes")
    row = next(r for r in json.loads(result.stdout)["generators"] if r["name"] == "plugged-net")
    assert row["origin"] == f"file {plugin_file}"


def test_a_package_that_is_not_there_is_broken_without_being_imported(zoo: Zoo) -> None:
    target = EntryPoint("absent-net", "no_such_package.net:Net", "zoo.generators")
    GENERATORS.add_lazy("absent-net", target, Origin("package", "absent 1.0"))
    line = next(line for line in zoo("list").stdout.splitlines() if "absent-net" in line)
    assert line.endswith("package absent 1.0, broken: there is no module 'no_such_package'")


def test_check_imports_plugins_and_gives_the_cause(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "shattered.py").write_text("raise RuntimeError('out of glass')\n")
    monkeypatch.syspath_prepend(tmp_path)
    target = EntryPoint("shattered-net", "shattered:Net", "zoo.generators")
    GENERATORS.add_lazy("shattered-net", target, Origin("package", "shattered 1.0"))
    assert "broken" not in zoo("list", "generators").stdout
    assert "broken: RuntimeError: out of glass" in zoo("list", "generators", "--check").stdout


def test_lists_claims_with_what_they_say(zoo: Zoo) -> None:
    rows = json.loads(zoo("list", "claims", "--json").stdout)["claims"]
    row = next(row for row in rows if row["name"] == "bn-removal-memory")
    assert row["place"].startswith("registry.yaml:")
    assert row["source"].startswith("Lim 2017")
    assert row["recipes"] == ["srresnet-nobn", "srresnet"]
    assert (row["metric"], row["direction"]) == ("cost.activation_memory", "lower")
    lines = zoo("list", "claim", "bn-*").stdout.splitlines()
    assert lines[0] == "claims"
    assert all(line.startswith("bn-") for line in lines[2:])


def test_lists_matrices_and_leaves_out_the_recipes_made_for_them(zoo: Zoo) -> None:
    document = json.loads(zoo("list", "--json").stdout)
    row = next(row for row in document["matrices"] if row["name"] == "esrgan-over-srgan")
    assert row["factors"]["norm"] == ["batch", "none"]
    assert len(row["recipes"]) == 16
    listed = {recipe["name"] for recipe in document["recipes"]}
    assert "esrgan-wgangp" in listed & set(row["recipes"])
    assert not [name for name in listed if name.startswith("esrgan-over-srgan")]
    assert names(zoo("list", "matrix", "--json"), "matrices") == ["esrgan-over-srgan"]


def test_claims_and_matrices_from_files_are_listed(
    zoo: Zoo, registry_file: Callable[[str], Path]
) -> None:
    mine = registry_file(
        "claims: {mine: {statement: it helps, source: me, metric: hf-energy, direction: lower, "
        "smallest_effect: 1, contrast: {recipe: srresnet, against: ground-truth}}}\n"
        "matrices: {mine: {base: rrdb, factors: {loss: {a: {}, b: {losses: {mse: 1}}}}}}\n"
    )
    document = json.loads(zoo("list", "mine*", "--registry", mine, "--json").stdout)
    assert [row["summary"] for row in document["claims"]] == ["it helps"]
    assert [row["recipes"] for row in document["matrices"]] == [["rrdb", "mine-b"]]


@pytest.mark.parametrize("kind", REGISTRIES)
def test_each_component_has_its_summary_without_being_imported(zoo: Zoo, kind: str) -> None:
    rows = json.loads(zoo("list", kind, "--json").stdout)[kind]
    assert all(row["summary"].endswith(".") for row in rows if row["origin"] == "built-in")
    lines = zoo("list", kind).stdout.splitlines()
    assert lines[1].split() == ["name", "summary", "origin"]


def test_a_plugins_summary_is_its_own(zoo: Zoo, plugin_file: Path) -> None:
    result = zoo("list", "generators", "--plugin", plugin_file, "--json")
    row = next(r for r in json.loads(result.stdout)["generators"] if r["name"] == "plugged-net")
    assert row["summary"] == "One convolution and a pixel shuffle."
