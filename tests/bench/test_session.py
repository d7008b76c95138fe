"""What can be scored of what is asked for: runs that are there, lost, in the way, or missing."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.runs.made_up import begin_run, finish_run
from zoo.bench.candidates import Failure
from zoo.bench.session import Asked, find_recipes
from zoo.errors import RecipeError
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.runs.directory import RunDirectory, run_path
from zoo.sweep.plan import specs_of

Begin = Callable[..., RunDirectory]
NAN = {"kind": "diverged", "step": 3, "message": "step 3: NaN"}


@pytest.fixture
def begin(tmp_path: Path) -> Begin:
    """Return what makes a run directory with these rows, finished where it has none."""

    def make(
        recipe: str,
        *rows: dict[str, Any],
        seed: int = 0,
        settings: Sequence[str] = (),
        root: Path = tmp_path,
    ) -> RunDirectory:
        spec = complete(resolve(load_book(), recipe, "smoke", seed=seed, settings=settings)).spec
        directory = RunDirectory(run_path(spec, root))
        identity = begin_run(directory, spec)
        for row in rows:
            directory.append_row(row)
        if not rows:
            finish_run(directory, identity)
        return directory

    return make


def find(root: Path, *recipes: str, seeds: int = 1, **options: Any) -> Asked:
    return find_recipes(
        load_book(), recipes, profile="smoke", seeds=range(seeds), run_root=root, **options
    )


def test_a_finished_run_is_a_candidate_and_a_missing_one_has_a_command(
    begin: Begin, tmp_path: Path
) -> None:
    begin("srresnet")
    asked = find(tmp_path, "srresnet", seeds=2)
    assert [one.error for one in asked.candidates] == [None]
    (missing,) = asked.missing
    made_by = f"zoo train srresnet --profile smoke --seed 1 --run-root {tmp_path}"
    assert missing.command == made_by


LOST = """
version: 1
recipes:
  lost: {extends: srresnet, summary: x, pretrained: {generator: gone.pth}}
"""


def test_a_recipe_without_its_initial_weights_costs_its_own_rows(
    begin: Begin, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begin("srresnet")
    registry = tmp_path / "lost.yaml"
    registry.write_text(LOST)
    book, names = load_book([registry]), ("lost", "srresnet")
    asked = find_recipes(book, names, profile="smoke", seeds=[0, 1], run_root=tmp_path)
    assert [one.target.name for one in asked.candidates] == ["srresnet"]
    lost = asked.missing[:2]
    assert [(one.recipe, one.seed) for one in lost] == [("lost", 0), ("lost", 1)]
    assert "gone.pth does not exist" in lost[0].reason
    assert lost[1].command.startswith("zoo train lost --profile smoke --seed 1")
    specs = specs_of(book, names, "smoke", [0], run_root=tmp_path)
    assert [one.recipe for one in specs] == ["srresnet"]
    assert "lost is not trained" in caplog.text


def damage_provenance(directory: RunDirectory) -> None:
    (directory.path / "provenance.json").write_text("{")


def damage_recipe(directory: RunDirectory) -> None:
    (directory.path / "recipe.yaml").write_text("recipe: [")


def damage_summary(directory: RunDirectory) -> None:
    (directory.path / "summary.json").write_text(json.dumps({"seconds": 1.0}))


@pytest.mark.parametrize("damage", [damage_provenance, damage_recipe, damage_summary])
def test_a_damaged_run_costs_its_own_row(
    begin: Begin, tmp_path: Path, damage: Callable[[RunDirectory], None]
) -> None:
    damage(begin("srresnet"))
    begin("srresnet", seed=1)
    lost, good = find(tmp_path, "srresnet", seeds=2).candidates
    assert lost.error is not None
    assert "runs" not in lost.error or str(tmp_path) in lost.error
    assert (lost.target.seed, lost.training) == (0, None)
    assert (good.target.seed, good.error) == (1, None)


def test_a_damaged_line_of_its_log_costs_its_row(begin: Begin, tmp_path: Path) -> None:
    file = begin("srresnet").path / "metrics.jsonl"
    file.write_bytes(b"\xff\xfe")
    (found,) = find(tmp_path, "srresnet", seeds=1).candidates
    assert found.error is not None
    assert found.error.startswith(f"{file} was changed after the run ended")


def test_a_run_without_weights_is_not_finished(begin: Begin, tmp_path: Path) -> None:
    begin("srresnet").weights.unlink()
    asked = find(tmp_path, "srresnet")
    assert asked.candidates == []
    assert asked.missing[0].reason.endswith("weights.safetensors is missing")
    assert "--fresh" not in asked.missing[0].command


def test_a_run_with_other_settings_is_in_the_way(begin: Begin, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    begin("srresnet", settings=["training.learning_rate=0.5"], root=root)
    (missing,) = find(root, "srresnet").missing
    assert "with other settings" in missing.reason
    assert missing.reason.index("--run-root") < missing.reason.index("--fresh")
    assert missing.command.endswith(f"--seed 0 --run-root {root}-2"), "the run is kept"
    begin("srresnet", settings=["training.learning_rate=0.4"], root=tmp_path / "runs-2")
    assert find(root, "srresnet").missing[0].command.endswith(f"--run-root {root}-3")


def test_a_run_with_other_settings_of_before_they_had_a_place_is_found(
    begin: Begin, tmp_path: Path
) -> None:
    settings = ["training.learning_rate=0.5"]
    old = begin("srresnet", settings=settings)
    assert old.path == tmp_path / "srresnet" / "smoke" / "seed-0"
    (found,) = find(tmp_path, "srresnet", settings=settings).candidates
    assert found.target.name == "srresnet training.learning_rate=0.5"


def test_a_run_that_never_began_since_its_pretraining_diverged_is_lost(
    begin: Begin, tmp_path: Path
) -> None:
    begin("rrdb", NAN)
    asked = find(tmp_path, "esrgan-wgangp")
    assert asked.missing == []
    (lost,) = asked.candidates
    assert lost.error == "its pretraining diverged: step 3: NaN"
    assert lost.training is not None
    assert lost.training.verdict == "diverged"
    assert lost.training.measures == {"finite": 0.0, "stable": 0.0}


def test_a_failure_says_nothing_of_stability_unless_it_diverged(tmp_path: Path) -> None:
    failures = {
        ("srresnet", 0): Failure("out of memory"),
        ("srresnet", 1): Failure("NaN", diverged=True),
    }
    failed, diverged = find(tmp_path, "srresnet", seeds=2, failures=failures).candidates
    assert (failed.error, failed.training) == ("out of memory", None)
    assert diverged.training is not None
    assert diverged.training.measures == {"finite": 0.0, "stable": 0.0}


def test_no_seeds_are_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="at least 1"):
        find(tmp_path, "srresnet", seeds=0)
