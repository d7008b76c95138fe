"""`zoo report`: a page from a folder of records, and what it says where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.report.synthetic import make_records
from zoo.records.record import write_record

Zoo = Callable[..., Result]


def commands_of(text: str) -> set[str]:
    """Return the commands of a page as they are copied from it."""
    return {re.sub("<[^>]*>", "", code) for code in re.findall("<code>(.*?)</code>", text)}


def test_it_writes_a_page_and_says_where(zoo: Zoo, tmp_path: Path) -> None:
    make_records(tmp_path / "runs" / "records", recipes=["bicubic", "rrdb"], pictures=False)
    done = zoo("report", "--run-root", tmp_path / "runs", "--suite", "samples-x4")
    page = tmp_path / "runs" / "report" / "index.html"
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [f"report: {page}"]
    text = page.read_text(encoding="utf-8")
    assert "<h1>Super-resolution on samples-x4</h1>" in text
    assert "zoo report --suite samples-x4 --profile sweep" in commands_of(text)


def test_a_suite_of_a_file_is_asked_for_by_its_file(zoo: Zoo, tmp_path: Path) -> None:
    make_records(tmp_path / "runs" / "records", recipes=["bicubic"], pictures=False)
    suite = tmp_path / "samples-x4.yaml"
    done = zoo("report", "--run-root", tmp_path / "runs", "--suite", suite)
    assert done.exit_code == 0
    text = (tmp_path / "runs" / "report" / "index.html").read_text(encoding="utf-8")
    wanted = {f"zoo report --suite {suite}", f"zoo bench bicubic --suite {suite}"}
    assert wanted <= commands_of(text)


def test_the_file_of_a_suite_is_known_from_the_records(
    zoo: Zoo, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root, suite = tmp_path / "runs" / "records", tmp_path / "own.yaml"
    asked = ["zoo", "bench", "--all", "--suite", str(suite), "--data-root", "elsewhere"]
    for record in make_records(root, recipes=["bicubic"], pictures=False):
        changed = {"suite": "own", "provenance": record.provenance | {"command": asked}}
        write_record(root, record.model_copy(update=changed))
    done = zoo("report", "--run-root", tmp_path / "runs", "--suite", "own")
    assert done.exit_code == 0
    assert "--suite FILE" in done.stderr  # there is no such file
    text = (tmp_path / "runs" / "report" / "index.html").read_text(encoding="utf-8")
    given = f"--suite {suite} --data-root elsewhere"
    assert {f"zoo report {given}", f"zoo bench bicubic {given}"} <= commands_of(text)


def test_tables_for_papers_lie_beside_it(zoo: Zoo, tmp_path: Path) -> None:
    make_records(tmp_path / "records", recipes=["bicubic", "rrdb"], pictures=False)
    out = tmp_path / "out"
    done = zoo(
        "report", "--records", tmp_path / "records", "--output", out, "--markdown", "--latex"
    )
    assert done.exit_code == 0
    assert {path.name for path in out.iterdir()} == {"index.html", "tables.md", "tables.tex"}
    assert "| rrdb |" in (out / "tables.md").read_text()
    assert r"\toprule" in (out / "tables.tex").read_text()


def test_a_suite_whose_images_are_not_here_costs_pictures_only(
    zoo: Zoo, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "records"
    for record in make_records(root, recipes=["bicubic"], pictures=False):
        write_record(root, record.model_copy(update={"suite": "elsewhere-x4"}))
    done = zoo("report", "--records", root, "--suite", "elsewhere-x4", "--output", tmp_path)
    assert done.exit_code == 0
    assert "the gallery has no ground truth" in done.stderr
    assert (tmp_path / "index.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "zoo bench --all"),
        (("--suite", "no-suite"), "no records of suite 'no-suite'"),
    ],
)
def test_without_records_it_says_what_to_do(
    arguments: tuple[str, ...], said: str, zoo: Zoo, tmp_path: Path
) -> None:
    done = zoo("report", "--run-root", tmp_path, *arguments)
    assert done.exit_code == 2
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []
