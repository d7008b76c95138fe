"""What a run's JSON files may hold: anything else is an error that says which file and where."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runs.made_up import begin_run, finish_run
from zoo.errors import CheckpointError
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.runs.directory import RunDirectory
from zoo.runs.shapes import read_row

SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda _: [],
    "null": lambda _: None,
    "a number": lambda _: 3,
    "no keys": lambda _: {},
    "each value null": dict.fromkeys,
    "each value a list": lambda document: {key: [] for key in document},
    "each value text": lambda document: dict.fromkeys(document, "x"),
    "not finite": lambda document: dict.fromkeys(document, float("nan")),
}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """Return a finished run."""
    directory = RunDirectory(tmp_path / "run")
    spec = complete(resolve(load_book(), "srresnet", "smoke", seed=0)).spec
    finish_run(directory, begin_run(directory, spec))
    return directory


def test_what_training_writes_has_its_shape(run: RunDirectory) -> None:
    provenance, summary = run.provenance(), run.summary()
    assert provenance == json.loads((run.path / "provenance.json").read_text())
    assert summary == json.loads((run.path / "summary.json").read_text())


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("name", ["provenance", "summary"])
def test_another_shape_is_an_error_that_names_the_file(
    run: RunDirectory, name: str, shape: Callable[[dict[str, Any]], Any]
) -> None:
    path = run.path / f"{name}.json"
    path.write_text(json.dumps(shape(json.loads(path.read_text()))))
    with pytest.raises(CheckpointError) as caught:
        getattr(run, name)()
    assert str(caught.value).startswith(f"{path} is damaged: ")
    assert str(caught.value).endswith("with --fresh")


def test_another_shape_is_told_in_words(run: RunDirectory) -> None:
    path = run.path / "provenance.json"
    whole = json.loads(path.read_text())
    for changed, told in (
        ([], "its content is []; it should be a mapping"),
        (whole | {"identity": None}, "identity is null; it should be a mapping"),
        (whole | {"sessions": []}, "sessions is []; it should have at least 1 values"),
    ):
        path.write_text(json.dumps(changed))
        with pytest.raises(CheckpointError, match=re.escape(f"{path} is damaged: {told}; ")):
            run.provenance()


@pytest.mark.parametrize("text", [b"", b"{", 100_000 * b"[", b"\xff", b"9" * 5000, b'{"a": 1} x'])
def test_what_is_not_json_is_an_error_too(run: RunDirectory, text: bytes) -> None:
    (run.path / "summary.json").write_bytes(text)
    with pytest.raises(CheckpointError, match="is damaged: it is not JSON"):
        run.summary()


@pytest.mark.parametrize(
    "place",
    ["identity.settings.data", "identity.execution.device", "sessions.0.command", "sessions"],
)
def test_a_part_that_is_missing_is_named(run: RunDirectory, place: str) -> None:
    path = run.path / "provenance.json"
    document = holder = json.loads(path.read_text())
    *outer, last = place.split(".")
    for key in outer:
        holder = holder[int(key) if isinstance(holder, list) else key]
    del holder[last]
    path.write_text(json.dumps(document))
    with pytest.raises(CheckpointError, match=f"provenance.json is damaged: {place} is missing"):
        run.provenance()


@pytest.mark.parametrize(
    "line",
    [
        *(b"", b"{", b"[]", b"null", b"3", b'{"kind": "train"}', 100_000 * b"["),
        b'{"kind": "train", "step": null}',
        b'{"kind": "train", "step": true}',
        b'{"kind": "train", "step": -1}',
        b'{"kind": "train", "step": 1, "loss_total": null}',
        b'{"kind": "train", "step": 1, "loss_total": NaN}',
        b'{"kind": "train", "step": 1, "loss_total": 1e300}',
        b'{"kind": "validation", "step": 1}',
        b'{"kind": "validation", "step": 1, "validation": 3, "psnr_y": 1, "psnr_y_images": {}}',
        b'{"kind": "diverged", "step": 1}',
        b'{"kind": "rollback", "step": 1, "rollback": "1"}',
    ],
)
def test_a_line_that_is_no_row_is_none(line: bytes) -> None:
    assert read_row(line) is None


def test_a_row_is_returned_as_it_was_written() -> None:
    for row in (
        {"kind": "train", "step": 1, "loss_total": 0.5, "memory_bytes": 3},
        {"kind": "validation", "step": 0, "validation": "a", "psnr_y": 1, "psnr_y_images": {}},
        {"kind": "diverged", "step": 1, "message": "NaN"},
    ):
        assert read_row(json.dumps(row).encode()) == row
