"""Every command that is printed to make a run again is executed, and makes the same run."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands.conftest import Zoo
from tests.recipes.test_variants import CASES
from tests.runs.made_up import SESSION, begin_run, finish_run
from zoo.bench.candidates import run_candidate
from zoo.data.images import write_png
from zoo.errors import DataError
from zoo.models.find import find_model
from zoo.recipes.book import load_book
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import specify
from zoo.records.record import read_records
from zoo.report.reproduce import reproduce
from zoo.report.selection import select
from zoo.runs.commands import (
    options_in,
    recorded_sources,
    resume_command,
    set_options,
    settings_in,
    source_options,
    train_command,
)
from zoo.runs.directory import RunDirectory

RECIPES = """
recipes:
  plain-net: {summary: one loss, generator: plugged-net, losses: {mse: 1}}
  other-net: {summary: the other loss, generator: plugged-net, losses: {l1: 1}}
claims:
  losses-differ:
    statement: One loss is better than the other
    source: this test
    contrast: {changed: plain-net, reference: other-net, field: losses}
    metric: psnr-y
    direction: higher
    smallest_effect: 0.01
"""


@pytest.fixture
def specs(monkeypatch: pytest.MonkeyPatch) -> list[RunSpec]:
    """Return the specifications that `zoo train` was asked for; nothing is trained."""
    asked: list[RunSpec] = []

    def train(spec: RunSpec, _options: Any) -> None:
        asked.append(spec)
        raise DataError("enough")

    monkeypatch.setattr("zoo.train.run.train", train)
    monkeypatch.setattr("zoo.recipes.checks.check_book", lambda *_args, **_options: None)
    return asked


@pytest.mark.parametrize("case", CASES)
def test_the_command_of_a_run_asks_for_that_run(case: str, zoo: Zoo, specs: list[RunSpec]) -> None:
    recipe, settings = CASES[case]
    spec = specify(load_book(), recipe, "smoke", seed=3, settings=settings)
    stages = [spec, *([spec.pretraining] if spec.pretraining else [])]
    for stage in stages:
        zoo(*shlex.split(train_command(stage))[1:])
    assert specs == stages


def test_what_a_command_sets_is_read_back() -> None:
    variant = ["losses.mse.weight=2", 'data.source="/a b"', "training.betas=[0.5, 0.9]"]
    words = set_options(variant)
    assert words == ["--set", variant[0], "--data", "/a b", "--set", variant[2]]
    assert sorted(settings_in(words)) == sorted(variant)
    assert options_in(["zoo", "--set=a=1", "--set", "b=2", "--set"], ("--set",)) == [
        *("--set", "a=1"),
        *("--set", "b=2"),
    ]


def test_older_sessions_tell_where_things_came_from_by_what_was_typed() -> None:
    typed = ["zoo", "train", "net", "--registry", "mine.yaml", "--plugin", "net.py"]
    origins = {"generator net": "file net.py", "loss mine": "file /else/loss.py", "x": "built-in"}
    session = {"command": typed, "components": origins}
    assert recorded_sources({"sessions": [session]}) == (
        *("--registry", "mine.yaml", "--plugin", "net.py", "--plugin", "/else/loss.py"),
    )
    assert recorded_sources({"sessions": [session | {"sources": ["--plugin", "n.py"]}]}) == (
        *("--plugin", "n.py"),
    )


def test_the_command_that_goes_on_names_the_folder_of_runs(tmp_path: Path) -> None:
    spec = specify(load_book(), "srresnet", "smoke", settings=["training.steps=5"])
    provenance = {"sessions": [{"sources": source_options(["mine.yaml"], ["n.py"], "data")}]}
    place = tmp_path / "srresnet" / "smoke+training.steps=5" / "seed-0"
    assert resume_command(spec, place, provenance) == (
        "zoo train srresnet --profile smoke --seed 0 --set training.steps=5 --registry mine.yaml "
        f"--plugin n.py --data-root data --run-root {tmp_path}"
    )
    usual = Path("runs", *place.parts[-3:])
    assert "--run-root" not in resume_command(spec, usual, provenance)


@pytest.fixture
def project(
    tmp_path: Path, plugin_file: Path, registry_file: Callable[[str], Path], data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[..., tuple[str, ...]]:  # fmt: skip
    """Return the options of a project that has a plugin, a registry, photographs and a suite."""
    monkeypatch.chdir(tmp_path)
    for folder, count in (("my photos", 3), ("held", 1)):
        Path(folder).mkdir()
        for number in range(count):
            noise = np.random.default_rng(number).integers(0, 256, (64, 64, 3), dtype=np.uint8)
            write_png(Path(folder) / f"{number}.png", noise)
    Path("tiny.yaml").write_text(
        "version: 1\nsummary: small\nscale: 4\ndatasets: [Tiny]\nmetrics: [psnr-y]\n"
    )
    given = ("--registry", registry_file(RECIPES).name, "--plugin", plugin_file.name)
    return lambda root: (
        *given,
        "--data-root",
        str(data_root),
        "--run-root",
        root,
        "--device",
        "cpu",
    )


def identities(root: str) -> dict[tuple[str, int], str]:
    """Return the identity of every run below a folder, by recipe and seed."""
    found = {}
    for path in Path(root).glob("*/*/seed-*"):
        spec = RunDirectory(path).spec()
        if spec is not None:
            recorded = json.loads((path / "provenance.json").read_text())
            found[spec.recipe, spec.seed] = recorded["identity_sha256"]
    return found


SET = ("--set", "losses.mse.weight=2", "--set", "data.validation=held", "--data", "my photos")


@pytest.mark.slow
def test_every_printed_command_makes_the_same_identity(
    zoo: Zoo, project: Callable[..., tuple[str, ...]]
) -> None:
    trained = zoo("train", "plain-net", "-p", "smoke", "--seed", "0", *SET, *project("runs"))
    assert trained.exit_code == 0, trained.stderr
    (wanted,) = identities("runs").values()
    (run,) = Path("runs").glob("*/*/seed-*")
    assert run.parent.name.startswith("smoke+losses.mse.weight=2+data.source=my-photos+")
    scored = zoo("bench", run, "--suite", "tiny.yaml", "-p", "smoke", *project("runs"))
    assert scored.exit_code == 0, scored.stderr
    records = [one for one in read_records(Path("runs/records")) if one.target.kind == "run"]
    book = load_book([Path("mine.yaml")])
    page = reproduce(select(Path("runs/records"), book=book), book, suite="tiny.yaml")
    missing = zoo("bench", "plain-net", "-p", "smoke", "--seeds", "1", *SET, *project("absent"),
                  "--suite", "tiny.yaml")  # fmt: skip
    listed = [line for line in missing.stderr.splitlines() if line.startswith("  zoo train")]
    training = find_model(run).details.training
    assert training is not None
    commands = {
        "its record": records[0].target.command,
        "how to do it again": page.bench,
        "its row": next(row.command for row in page.rows if row.name != "bicubic"),
        "what is missing": listed[0].partition("   # ")[0].strip(),
        "its model": training.command,
    }
    for number, (name, command) in enumerate(commands.items()):
        words = [word for word in shlex.split(command or "") if word != "absent"]
        words = [word for word in words if word != "--run-root"]
        again = zoo(*words[1:], "--run-root", f"again-{number}", "--device", "cpu")
        assert again.exit_code == 0, (name, again.stderr)
        assert identities(f"again-{number}") == {("plain-net", 0): wanted}, name
    report = zoo(*shlex.split(page.report)[1:])
    assert report.exit_code == 0, report.stderr


@pytest.mark.slow
def test_the_command_of_a_claim_trains_its_recipes(
    zoo: Zoo, project: Callable[..., tuple[str, ...]]
) -> None:
    """A run with other settings is no side of the claim: what makes that side is printed."""
    for recipe, options in (("plain-net", SET), ("other-net", ("--set", "data.validation=held"))):
        result = zoo("train", recipe, "-p", "smoke", *options, *project("runs"))
        assert result.exit_code == 0, result.stderr
    runs = sorted(Path("runs").glob("*/*/seed-0"))
    result = zoo("bench", *runs, "--suite", "tiny.yaml", "-p", "smoke", *project("runs"))
    assert result.exit_code == 0, result.stderr
    said = " ".join(result.stdout.split())
    assert "not enough data" in said
    assert "excluded from claims and factorials: plain-net losses.mse.weight=2" in said
    command = said.partition("no record of plain-net: ")[2].partition(".py")[0]
    assert command.startswith("zoo bench plain-net other-net --profile smoke --train")
    words = shlex.split(command + ".py")
    again = zoo(*words[1:], "--seeds", "1", "--run-root", "again", "--device", "cpu",
                *project("")[4:6])  # fmt: skip
    assert again.exit_code == 0, again.stderr
    assert identities("again").keys() == {("plain-net", 0), ("other-net", 0)}


def test_a_run_of_a_recipe_that_nobody_knows_here_keeps_what_it_told(tmp_path: Path) -> None:
    spec = specify(load_book(), "srresnet", "smoke", settings=["training.steps=5"])
    other = spec.model_copy(update={"recipe": "elsewhere"})
    directory = RunDirectory(tmp_path / "elsewhere")
    told = SESSION | {"sources": ["--registry", "theirs.yaml"]}
    finish_run(directory, begin_run(directory, other, session=told))
    target = run_candidate(directory.path, load_book()).target
    assert target.name == "elsewhere training.steps=5"
    assert target.command == (
        "zoo train elsewhere --profile smoke --seed 0 --set training.steps=5 --registry theirs.yaml"
    )
