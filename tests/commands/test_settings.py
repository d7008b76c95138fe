"""`zoo show settings`, and the page that is written from the same schema."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from zoo.commands.settings import PUBLISHED, SECTIONS, page, settings_of
from zoo.recipes.schema import Data, RecipeSettings, Training

Zoo = Callable[..., Result]


def test_the_published_page_is_the_schemas() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == page(), "run: make schema"


def test_every_setting_has_a_type_a_default_and_a_meaning() -> None:
    rows = settings_of()
    assert all(row.type and row.default and row.meaning.endswith(".") for row in rows)
    defaults = {
        section: RecipeSettings.model_fields[section].default.model_dump() for section in SECTIONS
    }
    known = {
        ".".join((section, name, inner))
        for section, fields in defaults.items()
        for name, value in fields.items()
        for inner in (value if isinstance(value, dict) else ("",))
    }
    # a dump omits them at their defaults
    known |= {f"data.{name}." for name in Data.later}
    known |= {f"training.{name}." for name in Training.later}
    assert {row.path for row in rows} == {path.rstrip(".") for path in known}


def test_types_have_their_bounds() -> None:
    types = {row.path: row.type for row in settings_of()}
    assert types["runtime.threads"] == "int >= 1 <= 1024 | 'auto'"
    assert types["training.schedule.milestones"] == "tuple[float > 0 < 1, ...]"
    assert types["training.steps"] == "int > 0 | None"


def test_settings_are_shown_as_text_and_json(zoo: Zoo) -> None:
    text = zoo("show", "settings").stdout
    rows = json.loads(zoo("show", "settings", "--json").stdout)["settings"]
    assert all(row["path"] in text for row in rows)
    (section,) = {row["path"].partition(".")[0] for row in json.loads(
        zoo("show", "settings", "data", "--json").stdout)["settings"]}  # fmt: skip
    assert section == "data"


def test_an_unknown_section_is_an_error(zoo: Zoo) -> None:
    result = zoo("show", "settings", "trainning")
    assert result.exit_code == 2
    assert "did you mean 'training'?" in result.stderr


@pytest.mark.parametrize(
    ("setting", "known"),
    [
        (
            "training.learning_rat=1",
            "accumulate, betas, checkpoint_every, discriminator_max_gradient_norm",
        ),
        ("data.patchsize=1", "augment, batch_size, degradation, lr_patch_size, pairs"),
        ("zzz=1", "known are: adversary, data, discriminator, "),
        ("generator.zzz=1", "known are: "),
    ],
)
def test_an_unknown_key_comes_with_those_there_are(zoo: Zoo, setting: str, known: str) -> None:
    result = zoo("show", "srresnet", "--set", setting)
    assert result.exit_code == 2
    assert known in " ".join(result.stderr.split())
