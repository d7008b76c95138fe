"""How commands print: what pipes see, and what terminals see."""

from __future__ import annotations

import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console

from zoo.commands import output
from zoo.commands.output import (
    Table,
    note,
    print_error,
    print_json,
    print_table,
    print_text,
    progress,
    value_text,
)
from zoo.errors import ZooError

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
        "upscaling: about 0:06:32 left",  # the first 5 seconds say nothing of the speed
        "upscaling: 10%, about 0:06:00 left",
        "upscaling: 20%, about 0:05:20 left",
    ]
    assert lines[-2:] == ["upscaling: 90%, about 0:00:40 left", "upscaling: 100%"]


def test_progress_of_nothing_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("counting") as report:
        report(0, 0)
    assert capsys.readouterr().err == ""


def test_progress_of_bytes_says_the_total(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("fetching", of_bytes=True) as report:
        for megabytes in (300, 600, 1200):
            report(megabytes * 10**6, 1_200_000_000)
    lines = [f"fetching: {share}% of 1,200.0 MB" for share in (20, 50, 100)]
    assert capsys.readouterr().err.splitlines() == lines
    with progress("fetching", of_bytes=True) as report:
        for megabytes in (300, 301, 600):
            report(megabytes * 10**6, 0)
    told = "of an unknown total"
    lines = [f"fetching: {size} MB {told}" for size in ("300.0", "600.0")]
    assert capsys.readouterr().err.splitlines() == lines


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


HOSTILE = "a\x1b[2Jb\u202ec\udcff"
SHOWN = r"a\x1b[2Jb\u202ec\udcff"


@pytest.fixture
def screens(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], io.StringIO]:
    """Let both consoles be a terminal of a kind; return what is on its screen."""

    def make(term: str) -> io.StringIO:
        screen, environment = io.StringIO(), {"TERM": term, "COLUMNS": "80", "LINES": "25"}
        console = Console(
            file=screen, force_terminal=True, no_color=True, soft_wrap=True, _environ=environment
        )
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(output, name, lambda: console)
        return screen

    return make


def test_a_dumb_terminal_gets_plain_lines(screens: Callable[[str], io.StringIO]) -> None:
    screen = screens("dumb")
    print_table(Table("things", ("name", "what"), [("a", LONG.strip())]))
    with progress("counting") as report:
        report(5, 10)
        report(10, 10)
    lines = screen.getvalue().splitlines()
    assert lines == ["things", f"name  {'what'}", f"a     {LONG.strip()}", *lines[-2:]]
    assert lines[-2:] == ["counting: 50%", "counting: 100%"]


@pytest.mark.parametrize("term", ["pipe", "xterm"])
def test_text_of_a_file_is_visible_wherever_it_is_printed(
    term: str, screens: Callable[[str], io.StringIO], capsys: pytest.CaptureFixture[str]
) -> None:
    screen = screens(term) if term != "pipe" else None
    print_table(Table(HOSTILE, (HOSTILE,), [(f"{HOSTILE}\nsecond",)]))
    print_text(HOSTILE)
    note(HOSTILE)
    print_error(ZooError(HOSTILE))
    with progress(HOSTILE) as report:
        report(1, 1)
    output.LogHandler().emit(logging.makeLogRecord({"msg": HOSTILE, "levelno": 30}))
    captured = capsys.readouterr()
    text = captured.out + captured.err if screen is None else screen.getvalue()
    assert text.count(SHOWN) >= 8, text
    assert not set(HOSTILE) & set(text) & set("\u202e\udcff")
    assert "\x1b[2J" not in text
    assert screen is not None or f"{SHOWN} second\n" in text


def test_json_keeps_every_letter_in_ascii(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("zoo.test/1", {"value": HOSTILE})
    output.print_rows([{"value": HOSTILE}])
    text = capsys.readouterr().out
    assert text.isascii()
    assert text.isprintable() or set(text) - {"\n"} <= set(map(chr, range(32, 127)))
    assert json.loads(text[: text.index("}\n") + 1])["value"] == HOSTILE


def test_only_one_module_makes_text_for_consoles() -> None:
    """All others go through its `shown`, so that nothing unseen is printed."""
    package = Path(output.__file__).parents[1]
    makers = [
        path.name
        for path in package.rglob("*.py")
        if re.search(r"from rich\.text import|rich\.print|typer\.echo|secho", path.read_text())
    ]
    assert makers == ["output.py"]
