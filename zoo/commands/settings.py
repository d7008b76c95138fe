"""All settings of a recipe outside its components: type, default and meaning, from the schema.

`zoo show settings` prints them; `python -m zoo.commands.settings` writes `docs/settings.md` of a
clone. Not here: the schema itself (`zoo.recipes.schema`), the values of a recipe (`zoo show NAME`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import zoo
from zoo.commands.output import Table, print_json, print_table, value_text
from zoo.components import type_text
from zoo.errors import UnknownNameError
from zoo.recipes.schema import ComponentSpec, RecipeSettings, StrictModel

SETTINGS = "settings"
SECTIONS = ("training", "data", "runtime")
PUBLISHED = Path(zoo.__file__).parent.parent / "docs" / "settings.md"
_HEADINGS = ("setting", "type", "default", "meaning")
_INTRODUCTION = """\
<!-- written by `python -m zoo.commands.settings` from zoo/recipes/schema.py -->
# Settings

Recipes and profiles can contain these settings besides their components. `--set NAME=VALUE`
changes them: `zoo train srgan --set training.learning_rate=5e-5`. `zoo show settings` prints this
page; `zoo show RECIPE` prints every value of a recipe and where it was set; `zoo show generator
rrdb` prints the arguments of a component.
"""


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting: its dotted path, its type and default as text, and a sentence."""

    path: str
    type: str
    default: str
    meaning: str


def settings_of(section: str | None = None) -> list[Setting]:
    """Return all settings, or those of one section.

    Raises:
        UnknownNameError: if there is no such section.
    """
    if section not in (None, *SECTIONS):
        raise UnknownNameError("section of settings", section, SECTIONS, see="zoo show settings")
    chosen = SECTIONS if section is None else (section,)
    return [row for name in chosen for row in _rows(_default(name), name)]


def show_settings(section: str | None, *, as_json: bool) -> None:
    """Print the settings of a section, or all."""
    rows = settings_of(section)
    if as_json:
        print_json("zoo.settings/1", {"settings": [asdict(row) for row in rows]})
        return
    cells = [(row.path, row.type, row.default, row.meaning) for row in rows]
    print_table(Table(SETTINGS, _HEADINGS, cells))


def page() -> str:
    """Return the settings as the page in docs."""
    parts = [_INTRODUCTION]
    for section in SECTIONS:
        doc = " ".join((type(_default(section)).__doc__ or "").split())
        lines = [f"## {section}", "", doc, "", f"| {' | '.join(_HEADINGS)} |", "|---|---|---|---|"]
        for row in settings_of(section):
            cells = (f"`{row.path}`", f"`{row.type}`", f"`{row.default}`", row.meaning)
            lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _default(section: str) -> StrictModel:
    value: StrictModel = RecipeSettings.model_fields[section].default
    return value


def _rows(model: StrictModel, path: str) -> Iterator[Setting]:
    for name, field in type(model).model_fields.items():
        value: Any = getattr(model, name)
        meaning = " ".join((field.description or "").split())
        if isinstance(value, ComponentSpec):
            yield Setting(f"{path}.{name}", "component", value.name, meaning)
            continue
        if isinstance(value, StrictModel):
            yield from _rows(value, f"{path}.{name}")
            continue
        kind = type_text(field.rebuild_annotation())
        yield Setting(f"{path}.{name}", kind, value_text(value), meaning)


if __name__ == "__main__":
    PUBLISHED.write_text(page(), encoding="utf-8")
