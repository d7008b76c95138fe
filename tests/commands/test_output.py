"""How commands print: what pipes see, and what terminals see."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from rich.console import Console

from zoo.commands import output
from zoo.commands.output import Table, print_json, print_table, print_text, progress, value_text

LONG = "word " * 60


def test_a_pipe_gets_whole_aligned_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(
        Table("things", ("name", "what"), [("a", LONG.strip()), ("bbbb", "[red]not markup")])
    )
    title, header, first, second = capsys.readouterr().out.splitlines()
    assert (title, header) == ("things", "name  what")
    assert first == f"a     {LONG.strip()}"
    assert second == "bbbb  [red]not markup"


def test_an_empty_table_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(Table("things", ("name",), []))
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_drawn_table_with_whole_cells(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        output, "stdout", lambda: Console(force_terminal=True, width=40, no_color=True)
    )
    print_table(Table("things", ("name",), [("x" * 100,)]))
    drawn = capsys.readouterr().out
    assert "┃" in drawn
    assert drawn.count("x") == 100


def test_json_is_one_document_with_its_schema_first(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("zoo.test/1", {"value": ["ä", LONG]})
    text = capsys.readouterr().out
    assert text.startswith('{\n  "schema": "zoo.test/1"')
    assert json.loads(text)["value"] == ["ä", LONG]


def test_text_is_not_wrapped(capsys: pytest.CaptureFixture[str]) -> None:
    print_text(LONG)
    assert capsys.readouterr().out == f"{LONG}\n"


def test_progress_without_a_terminal_is_a_line_a_tenth(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("counting") as report:
        for done in range(1, 1001):
            report(done, 1000)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [f"counting: {10 * tenth}%" for tenth in range(1, 11)]


def test_something_long_says_the_time_left_as_soon_as_it_knows(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(output, "time", SimpleNamespace(monotonic=lambda: now))
    with progress("upscaling") as report:
        for done in range(1, 101):
            now += 4.0
            report(done, 100)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:3] == [
        "upscaling: about 0:06:36 left",
        "upscaling: 10%, about 0:06:00 left",
        "upscaling: 20%, about 0:05:20 left",
    ]
    assert lines[-2:] == ["upscaling: 90%, about 0:00:40 left", "upscaling: 100%"]


def test_progress_of_nothing_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("counting") as report:
        report(0, 0)
    assert capsys.readouterr().err == ""


def test_values_are_written_as_in_a_registry() -> None:
    assert value_text(None) == "none"
    assert value_text([True]) == "[true]"
    assert value_text((0.0, 0.9)) == "[0.0, 0.9]"


def test_log_records_go_to_stderr_from_their_level_on(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("zoo")
    before = logger.handlers[:], logger.level
    try:
        output.configure_logging(logging.INFO)
        logging.getLogger("zoo.test").info("seen")
        logging.getLogger("zoo.test").debug("not seen")
    finally:
        logger.handlers[:], level = before
        logger.setLevel(level)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "seen\n")
