"""What the numbers rest on: each thing once, readable, and warnings where records differ."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.report.synthetic import make_record, make_records
from zoo.recipes.book import Book
from zoo.records.record import Record, write_record
from zoo.report.facts import provenance
from zoo.report.model import Fact
from zoo.report.page import build_page
from zoo.report.selection import select


def knowing(record: Record, **known: Any) -> Record:
    return record.model_copy(update={"provenance": record.provenance | known})


def facts_of(root: Path, term: str) -> list[Fact]:
    return [fact for fact in provenance(select(root)) if fact.term == term]


def fail(root: Path, recipe: str, seed: int, error: str) -> None:
    record = make_record(recipe, seed)
    write_record(root, record.model_copy(update={"error": error, "datasets": (), "cost": {}}))


def test_a_failure_is_told_once_and_without_the_folders_of_a_machine(
    tmp_path: Path, book: Book
) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=2, pictures=False)
    fail(tmp_path, "rrdb", 2, "/home/me/work/runs/rrdb/demo/seed-2/w.pt is damaged")
    page = build_page(select(tmp_path), tmp_path, book=book)
    assert [fact.text for fact in page.failed] == ["…/rrdb/demo/seed-2/w.pt is damaged"]
    assert not [fact for fact in page.facts if "damaged" in fact.text]


def test_other_notes_stay(tmp_path: Path) -> None:
    make_records(tmp_path, recipes=["rrdb"], seeds=1, pictures=False)
    fail(tmp_path, "rrdb", 1, "out of memory")
    assert any("LPIPS" in fact.text for fact in facts_of(tmp_path, "Note"))


def test_seeds_are_those_of_most_recipes_and_of_the_others_by_name(tmp_path: Path) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb", "srresnet"], pictures=False)
    assert [fact.text for fact in facts_of(tmp_path, "Seeds")] == ["0, 1 and 2, of every recipe"]
    write_record(tmp_path, make_record("srgan", 2))
    make_records(tmp_path, recipes=["esrgan"], seeds=2, pictures=False)
    assert [fact.text for fact in facts_of(tmp_path, "Seeds")] == [
        "0, 1 and 2; seeds 0 and 1 only: esrgan; seed 2 only: srgan"
    ]


def test_the_machine_and_its_threads_are_named(tmp_path: Path) -> None:
    execution = {"precision": "float32", "threads": 2}
    known = knowing(make_record("rrdb", 0), machine="Xeon 8, 4 cores", execution=execution)
    write_record(tmp_path, known)
    assert facts_of(tmp_path, "Scored on") == [
        Fact("Scored on", "cpu, Xeon 8, 4 cores, float32, 2 threads")
    ]


def test_several_machines_are_a_warning(tmp_path: Path) -> None:
    for seed, threads in ((0, 1), (1, 2)):
        execution = {"precision": "float32", "threads": threads}
        write_record(tmp_path, knowing(make_record("rrdb", seed), execution=execution))
    (fact,) = facts_of(tmp_path, "Scored on")
    assert fact.warning
    assert fact.text == "cpu, float32, 1 thread; cpu, float32, 2 threads"


def test_the_self_test_is_shown_by_dataset(tmp_path: Path) -> None:
    found = {"Set5": "28.42 dB", "samples": "no published value", "grey": "no published value"}
    write_record(tmp_path, knowing(make_record("rrdb", 0), self_test=found))
    write_record(tmp_path, knowing(make_record("rrdb", 1), self_test=found))
    assert [fact.text for fact in facts_of(tmp_path, "Self-test")] == [
        "Set5: 28.42 dB",
        "samples and grey: no published value",
    ]


def test_without_a_self_test_there_is_nothing(tmp_path: Path) -> None:
    write_record(tmp_path, make_record("rrdb", 0))
    assert facts_of(tmp_path, "Self-test") == []
