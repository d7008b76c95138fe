"""The commands of a page: they are whole, they are of this page, and what has none says so."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

from tests.report.synthetic import PROFILE, make_cells, make_record, make_records, told_by
from zoo.commands.app import app
from zoo.compare.factorial import effects
from zoo.recipes.book import Book
from zoo.recipes.variants import specify
from zoo.records.record import Record, Target, read_records, write_record
from zoo.report.page import build_page, render
from zoo.report.reproduce import reproduce
from zoo.report.selection import select
from zoo.runs.commands import train_command


def with_command(record: Record, *words: str) -> Record:
    return record.model_copy(update={"provenance": record.provenance | {"command": list(words)}})


def callable_record() -> Record:
    record = make_record("bicubic", None)
    target = Target(name="mine", kind="callable")
    return record.model_copy(update={"target": target, "key": "e" * 64})


def test_the_commands_of_the_page_name_recipes_suite_and_profile(
    tmp_path: Path, book: Book
) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb", "srgan"], seeds=2, pictures=False)
    found = reproduce(select(tmp_path), book)
    assert found.bench == (
        f"zoo bench rrdb srgan --suite samples-x4 --profile {PROFILE} --seeds 2 --train"
    )
    assert found.report == f"zoo report --suite samples-x4 --profile {PROFILE}"


def test_cells_are_asked_for_as_a_factorial(tmp_path: Path, book: Book) -> None:
    (matrix,) = book.matrices.values()
    make_cells(tmp_path, matrix.cells[:3], seeds=1)
    ending = f"--suite samples-x4 --profile {PROFILE} --seeds 1 --train"
    assert reproduce(select(tmp_path), book).bench == f"zoo bench --matrix {matrix.name} {ending}"


def test_all_recipes_are_all(tmp_path: Path, book: Book) -> None:
    for name, entry in book.recipes.items():
        if entry.matrix is None:
            seed = None if name == "bicubic" else 0
            write_record(tmp_path, make_record("rrdb" if seed == 0 else name, seed, name=name))
    assert reproduce(select(tmp_path), book).bench.startswith("zoo bench --all --suite samples-x4")


def test_what_a_command_was_given_is_part_of_every_command(tmp_path: Path, book: Book) -> None:
    given = ("--registry", "my own.yaml", "--plugin=net.py", "--data-root", "/data", "--set", "a=1")
    words = ("zoo", "bench", "--all", "--run-root", "elsewhere", *given)
    write_record(tmp_path, with_command(make_record("bicubic", None), *words))
    write_record(tmp_path, with_command(make_record("rrdb", 0), *words))
    found = reproduce(select(tmp_path), book, suite="suites/mine.yaml")
    shared = "--registry 'my own.yaml' --plugin net.py --data-root /data"
    for command in (found.bench, found.report, *(row.command for row in found.rows)):
        assert command.endswith(shared)
        assert "elsewhere" not in command
    assert "--set a=1" in found.bench
    assert "--suite suites/mine.yaml" in found.report
    assert found.rows[0].command == f"zoo bench bicubic --suite suites/mine.yaml {shared}"


def test_a_command_of_another_program_is_not_taken_for_ours(tmp_path: Path, book: Book) -> None:
    record = with_command(make_record("rrdb", 0), "my.py", "--plugin", "theirs.py")
    write_record(tmp_path, record)
    assert "theirs" not in reproduce(select(tmp_path), book).bench


def test_failed_seeds_and_callables_have_a_note(tmp_path: Path, book: Book) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=1, pictures=False)
    write_record(tmp_path, callable_record())
    for recipe, seed in (("rrdb", 1), ("srgan", 0), ("srgan", 2)):
        failed = make_record(recipe, seed)
        changed = {"error": "out of memory", "datasets": (), "cost": {}}
        write_record(tmp_path, failed.model_copy(update=changed))
    page = build_page(select(tmp_path), tmp_path, book=book)
    rows = {row.name: row for row in page.reproduction.rows}
    assert rows["rrdb"].note == "failed: seed 1"
    assert len(rows["rrdb"].command.splitlines()) == 2
    assert rows["srgan"].note == "failed: seed 0 and 2"
    assert rows["mine (callable)"].command == ""
    assert "no command: a Python callable" in rows["mine (callable)"].note
    assert "no command: a Python callable" in render(page)


@pytest.mark.parametrize("recipes", [["bicubic"], ["bicubic", "rrdb"]])
def test_the_commands_have_options_that_exist(
    recipes: list[str], tmp_path: Path, book: Book
) -> None:
    make_records(tmp_path, recipes=recipes, seeds=1, pictures=False)
    found = reproduce(select(tmp_path), book)
    for command in (found.bench, found.report, *(row.command for row in found.rows)):
        words = shlex.split(command)
        known = {option for one in _parameters(words[1]) for option in one}
        assert words[0] == "zoo"
        assert {word for word in words if word.startswith("-")} <= known


def _parameters(command: str) -> list[list[str]]:
    from typer.main import get_command

    group = get_command(app)
    return [parameter.opts for parameter in group.commands[command].params]  # type: ignore[attr-defined]


def variant_record(book: Book, seed: int, *settings: str, sources: tuple[str, ...] = ()) -> Record:
    """Return a record of a run with what was set beside its recipe, and where that came from."""
    spec = specify(book, "rrdb", "demo", seed=seed, settings=settings)
    key = f"{len(settings)}{seed}".ljust(64)
    return told_by(make_record("rrdb", seed), spec, key=key, command=train_command(spec, sources))


def test_runs_with_other_settings_have_commands_and_rows_of_their_own(
    tmp_path: Path, book: Book
) -> None:
    given = ("--plugin", "net.py")
    changed = ("losses.l1=2", "data.source=photos", "data.validation=held")
    for seed in (0, 1):
        write_record(tmp_path, variant_record(book, seed))
        write_record(tmp_path, variant_record(book, seed, *changed, sources=given))
    page = build_page(select(tmp_path, book=book), tmp_path, book=book)
    ending = "--plugin net.py"
    plain, other = page.reproduction.bench.splitlines()
    common = "zoo bench rrdb --suite samples-x4 --profile demo --seeds 2 --train"
    assert plain == f"{common} {ending}"
    assert other.startswith(common)
    assert other.endswith(ending)
    options = shlex.split(other)
    for words in (("--set", "losses.l1.weight=2"), ("--data", "photos"), ("--set", changed[2])):
        assert words in itertools.pairwise(options)
    name = "rrdb losses.l1.weight=2 data.source=photos data.validation=held"
    rows = {row.name: row.command.splitlines() for row in page.reproduction.rows}
    assert {label: len(commands) for label, commands in rows.items()} == {"rrdb": 2, name: 2}
    assert all("--set losses.l1.weight=2" in command for command in rows[name])
    assert page.reproduction.report.endswith(ending)
    notes = [fact.text for fact in page.facts if "excluded from claims" in fact.text]
    (note,) = notes
    assert note.startswith(
        f"excluded from claims and factorials: {name} (seeds 0, 1), because it is not "
    )
    assert note.endswith(" rrdb under profile demo")
    assert name in render(page)


def test_a_page_says_what_a_claim_and_a_factorial_left_out(tmp_path: Path, book: Book) -> None:
    (matrix,) = book.matrices.values()
    make_cells(tmp_path, matrix.cells)
    whole = effects(
        matrix.cells, read_records(tmp_path), "psnr-y", profile=PROFILE, suite="samples-x4"
    )
    assert not whole.problem
    first = read_records(tmp_path)[0]
    update = {"name": f"{first.target.recipe} training.steps=5", "variant": ("training.steps=5",)}
    changed = first.model_copy(update={"target": first.target.model_copy(update=update)})
    records = [changed, *read_records(tmp_path)[1:]]
    found = effects(matrix.cells, records, "psnr-y", profile=PROFILE, suite="samples-x4")
    assert found.num_seeds == whole.num_seeds - 1
    assert any(f"{update['name']} (seed 0), because it is not" in note for note in found.notes)
