"""How a training shows in Python: lines on standard error, or an observer of one's own."""

from __future__ import annotations

import errno
import inspect
import io
import sys
from pathlib import Path

import numpy as np
import pytest

import zoo
from tests.train.observers import Notes
from zoo.data.images import write_png
from zoo.errors import RecipeError
from zoo.recipes.resolve import parse_settings, written_settings
from zoo.train.lines import tell_on_stderr
from zoo.train.observer import Observer

SETTINGS = {"training.steps": 2, "generator.width": 4, "generator.num_blocks": 1}


def test_a_training_in_python_says_how_it_goes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(observer: Observer | None = None) -> zoo.Run:
        return zoo.train(
            "srresnet",
            profile="smoke",
            settings=SETTINGS,
            run_root=tmp_path,
            device="cpu",
            observer=observer,
        )

    run = train()
    assert run.spec.settings.generator.arguments["width"] == 4
    assert run.summary["steps"] == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "srresnet (content) begins; 2 steps in all" in told.err
    assert f"done: {run.directory}" in told.err
    train(Observer())
    assert capsys.readouterr().err == ""
    notes = Notes()
    train(notes)
    assert notes.notices
    assert capsys.readouterr().err == ""


class Full(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [None, closed(), Full()], ids=["none", "closed", "full"])
def test_progress_that_nobody_takes_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    tell_on_stderr("step 1 of 2")


def test_progress_is_visible(capsys: pytest.CaptureFixture[str]) -> None:
    tell_on_stderr("recipe \x1b[31mred\u202e")
    assert capsys.readouterr().err == "recipe \\x1b[31mred\\u202e\n"


@pytest.mark.parametrize(
    "value",
    [
        *(8, 1e-5, 0.5, True, False, None, "rrdb", "true", "1e-4", "a=b: c # d", "", "~"),
        *([0.0, 0.9], ["a", "b"], "漢字 \N{GRINNING FACE}", "\x1b\x85\u2028\ufeff"),
    ],
)
def test_a_value_in_a_mapping_is_the_value_that_is_read(value: object) -> None:
    (text,) = written_settings({"losses.l1.weight": value})
    (leaf,) = parse_settings([text]).values()
    assert leaf.value == value
    assert type(leaf.value) is type(value)


def test_settings_are_a_mapping_a_list_or_one() -> None:
    assert written_settings({"data.source": Path("a b")}) == ['data.source="a b"']
    assert written_settings(["a=1", "b=2"]) == ["a=1", "b=2"]
    assert written_settings("a=1") == ["a=1"]
    assert written_settings({}) == written_settings(()) == []
    with pytest.raises(RecipeError, match=r"settings: a\.b: a recipe cannot contain a object"):
        written_settings({"a.b": object()})
    with pytest.raises(RecipeError, match="one value at a time, with its full path"):
        parse_settings(written_settings({"generator": {"width": 8}}))


@pytest.mark.parametrize("name", ["\N{GRINNING FACE}", "line\u2028"])
def test_a_folder_of_any_name_is_trained_on(tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    folder.mkdir()
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 255, (96, 96, 3), dtype=np.uint8)
        write_png(folder / f"{number}.png", pixels)
    run = zoo.train(
        "srresnet",
        profile="smoke",
        settings=SETTINGS,
        data=folder,
        run_root=tmp_path / "runs",
        device="cpu",
        observer=Observer(),
    )
    assert run.spec.settings.data.source == str(folder)


@pytest.mark.parametrize(("called", "first"), [(zoo.train, "recipe"), (zoo.bench, "targets")])
def test_packages_that_can_be_called_show_their_signatures(called: object, first: str) -> None:
    parameters = inspect.signature(called).parameters  # type: ignore[arg-type]
    assert next(iter(parameters)) == first
    assert {"profile", "settings", "run_root"} <= parameters.keys()
    shown = inspect.getdoc(called) or ""
    assert f"{called.__name__}({'*' if first == 'targets' else ''}{first}:" in shown
    assert "    Args:\n" in shown
    assert shown.startswith(("Training: ", "Scoring: ")), "what the package is for comes first"
