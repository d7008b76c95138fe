"""The commands in README and docs exist and parse; the files they link to are there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from zoo.commands.app import app

REPOSITORY = Path(__file__).resolve().parents[1]
PAGES = sorted([*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")])
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def shell_lines(page: Path) -> Iterator[str]:
    for language, body in FENCED.findall(page.read_text()):
        if language in ("bash", "sh", "console"):
            whole = body.replace("\\\n", " ")  # a backslash goes on in the next line
            yield from (line for line in whole.splitlines() if line.strip())


COMMANDS = [
    (page.relative_to(REPOSITORY).as_posix(), line)
    for page in PAGES
    for line in shell_lines(page)
    if re.match(r"(\.venv/bin/)?zoo ", line)
]


@pytest.mark.parametrize(("page", "line"), COMMANDS, ids=[line for _, line in COMMANDS])
def test_commands_parse(page: str, line: str) -> None:
    command = typer.main.get_command(app)
    words = shlex.split(line, comments=True)[1:]
    with command.make_context("zoo", words, resilient_parsing=False) as context:
        _parse_deepest(command, context)


def _parse_deepest(command: object, context: object) -> None:
    """Parse the words left for a subcommand, down to the one that would run."""
    resolve = getattr(command, "resolve_command", None)
    if resolve is None:
        return
    words = [*context._protected_args, *context.args]  # type: ignore[attr-defined]
    name, child, rest = resolve(context, words)
    with child.make_context(name, rest, parent=context) as inner:
        _parse_deepest(child, inner)


def test_there_are_commands_to_parse() -> None:
    assert len([page for page, _ in COMMANDS if page == "README.md"]) >= 4


def test_make_targets_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text(), re.MULTILINE))
    used = {
        match
        for page in PAGES
        for line in shell_lines(page)
        for match in re.findall(r"^make ([a-z-]+)", line)
    }
    assert {"demo", "test"} <= used <= targets


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    missing = [link for link in LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert not missing


def test_the_tables_name_recipes_and_models_that_exist() -> None:
    from zoo.models.store import model_files
    from zoo.recipes.book import load_book

    rows = [line for line in (REPOSITORY / "README.md").read_text().splitlines() if "| `" in line]
    named = {name for row in rows for name in re.findall(r"`([a-z0-9-]+)`", row.split("|")[1])}
    suffixes = {name for name in named if name.startswith("-")}
    recipes = set(load_book().written_recipes)
    assert named - suffixes <= recipes | set(model_files())
    ends = tuple(suffixes)
    assert {name for name in recipes if not name.endswith(ends)} <= named
