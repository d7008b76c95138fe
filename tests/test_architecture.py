"""docs/architecture.md against the source: packages, their lines, arrows and files."""

from __future__ import annotations

import ast
import re

import pytest

from tests.test_house import LAYERS, ROOT, SOURCES, imported_parts, part_of

TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROOMS = sorted(path.parent.name for path in (ROOT / "zoo").glob("*/__init__.py"))


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_has_the_line_of_its_docstring(room: str) -> None:
    doc = ast.get_docstring(ast.parse((ROOT / "zoo" / room / "__init__.py").read_text()))
    assert doc is not None
    assert f"| `{room}` | {doc.splitlines()[0]} |\n" in TEXT


def test_no_room_is_listed_that_is_not_there() -> None:
    assert sorted(re.findall(r"^\| `(\w+)` \|", TEXT, re.MULTILINE)) == ROOMS


def test_every_module_beside_the_rooms_is_named() -> None:
    (paragraph,) = re.findall(
        r"^Modules beside the packages.*?\n\n", TEXT, re.DOTALL | re.MULTILINE
    )
    named = set(re.findall(r"`(\w+)`", paragraph))
    assert named == set.union(*LAYERS) - {*ROOMS, "commands", "cli", "__main__"}


def test_every_arrow_is_an_import_and_every_room_is_drawn() -> None:
    (drawing,) = re.findall(r"```mermaid\n(.*?)```", TEXT, re.DOTALL)
    imports = {(part_of(path), other) for path in SOURCES for _, other in imported_parts(path)}
    arrows = {
        (source, target)
        for source, targets in re.findall(r"(\w+) --> ([\w &]+)", drawing)
        for target in targets.split(" & ")
    }
    assert arrows <= imports
    assert set(ROOMS) == {room for arrow in arrows for room in arrow}


def test_every_file_it_names_is_there() -> None:
    files = re.findall(r"`((?:zoo|tests)/[\w/]+\.py)`", TEXT)
    assert len(files) > 20
    assert [file for file in files if not (ROOT / file).is_file()] == []
