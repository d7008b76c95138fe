"""A pipe, a device or a huge file in the place of a file, and JSON of another shape: one row.

Each costs what it is part of, with an error that names it; what is beside it goes on.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.test_files import make_odd
from zoo.recipes import checks

Zoo = Callable[..., Result]
Bench = Callable[..., Result]
KINDS = {"pipe": "it is a pipe", "device": "it is a device", "sparse file": "21,474,836,480 bytes"}
OF_A_RUN = (
    *("recipe.yaml", "provenance.json", "summary.json", "metrics.jsonl"),
    *("weights.safetensors", "weights.safetensors.sha256"),
)


def run_of(root: Path) -> Path:
    return root / "srresnet" / "smoke" / "seed-0"


@pytest.fixture(autouse=True)
def checked_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the built-in registry as checked: nothing here changes it."""
    monkeypatch.setattr(checks, "check_book", lambda *_, **__: None)


@pytest.fixture
def photo(data_root: Path) -> Path:
    return next((data_root / "Tiny" / "HR").iterdir())


@pytest.fixture
def scored(bench: Bench, run_root: Path) -> Path:
    """Return the folder of records of two seeds and the baseline."""
    assert bench("srresnet", "--seeds", "2", "--metrics", "psnr-y").exit_code == 0
    return run_root / "records" / "tiny"


@pytest.mark.parametrize(("name", "kind"), list(zip(OF_A_RUN, 2 * list(KINDS), strict=True)))
def test_an_odd_file_of_a_run_costs_its_row_and_is_named(
    zoo: Zoo, bench: Bench, run_root: Path, photo: Path, name: str, kind: str
) -> None:
    run = run_of(run_root)
    make_odd(run / name, kind)
    done = bench(run, run_root / "srresnet-nobn" / "smoke" / "seed-0", "--csv")
    assert done.exit_code == 3
    assert "srresnet-nobn" in done.stdout, "the other run is scored"
    assert KINDS[kind] in done.output
    assert str(run / name) in done.output
    if name == "metrics.jsonl":  # of these the weights alone are asked for
        return
    for words in (
        ("upscale", photo, "--model", run, "-o", run_root / "out"),
        ("card", run),
        ("export", run, "-o", run_root / "exported"),
    ):
        refused = zoo(*words)
        assert refused.exit_code in (2, 3, 4), words
        assert KINDS[kind] in refused.output, words
        assert str(run / name) in refused.output, words


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_an_odd_file_that_a_command_is_given_is_refused_at_once(
    zoo: Zoo, bench: Bench, photo: Path, tmp_path: Path, kind: str
) -> None:
    for suffix, words in {
        ".yaml": ("list", "recipes", "--registry"),
        ".py": ("list", "generators", "--plugin"),
        ".pth": ("import",),
        ".safetensors": ("upscale", photo, "-o", tmp_path / "out", "--model"),
        ".npz": ("weights", "add", "vgg16"),
    }.items():
        path = make_odd(tmp_path / f"odd{suffix}", kind)
        done = zoo(*words, path)
        assert done.exit_code in (2, 4), words
        assert f"odd{suffix}" in done.output or KINDS[kind] in done.output, words
    suite = make_odd(tmp_path / "mine.yaml", kind)
    done = zoo("bench", "bicubic", "--suite", suite)
    assert done.exit_code == 2
    assert KINDS[kind] in done.output


@pytest.mark.parametrize("kind", ["pipe", "sparse file"])
def test_an_odd_record_is_left_out_of_the_report_and_named_there(
    zoo: Zoo, scored: Path, run_root: Path, kind: str
) -> None:
    odd = make_odd(next(scored.glob("srresnet-smoke-seed-0-*.json")), kind)
    done = zoo("report", "--run-root", run_root, "--suite", "tiny")
    assert done.exit_code == 3, "some rows are damaged"
    page = (run_root / "report" / "index.html").read_text()
    assert odd.name in page
    assert KINDS[kind] in page
    assert zoo("card", run_of(run_root), "--run-root", run_root).exit_code == 0


SHAPES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a list": lambda _: [],
    "each value null": dict.fromkeys,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ["summary.json", "provenance.json"])
def test_json_of_another_shape_costs_its_row_and_is_named(
    zoo: Zoo, bench: Bench, run_root: Path, photo: Path, name: str, shape: str
) -> None:
    run = run_of(run_root)
    (run / name).write_text(json.dumps(SHAPES[shape](json.loads((run / name).read_text()))))
    done = bench(run, run_root / "srresnet-nobn" / "smoke" / "seed-0", "--csv")
    assert done.exit_code == 3
    assert "srresnet-nobn" in done.stdout
    assert f"{run / name} is damaged" in done.output
    done = bench("srresnet", "srresnet-nobn", "--seeds", "1", "--csv")
    assert done.exit_code == 3
    assert f"{run / name} is damaged" in done.output
    for words in (
        ("upscale", photo, "--model", run, "-o", run_root / "out"),
        ("card", run),
        ("export", run, "-o", run_root / "exported"),
    ):
        done = zoo(*words)
        assert done.exit_code in (3, 4), words
        assert f"{run / name} is damaged" in done.output, words


@pytest.mark.parametrize("shape", SHAPES)
def test_training_makes_a_damaged_summary_again(zoo: Zoo, run_root: Path, shape: str) -> None:
    path = run_of(run_root) / "summary.json"
    before = json.loads(path.read_text())
    path.write_text(json.dumps(SHAPES[shape](dict(before))))
    words = ("train", "srresnet", "-p", "smoke", "--run-root", run_root, "--device", "cpu")
    assert zoo(*words).exit_code == 0
    assert json.loads(path.read_text())["psnr_y"] == before["psnr_y"]
    path.write_text(json.dumps(SHAPES[shape](dict(before))))
    shutil.rmtree(path.with_name("checkpoints"))
    done = zoo(*words)
    assert done.exit_code == 4, "there is nothing to make it from, and nothing is trained over it"
    assert f"{path} is damaged" in done.output


def test_a_damaged_run_of_a_recipe_is_no_reason_to_take_another(
    zoo: Zoo, run_root: Path, photo: Path
) -> None:
    (run_of(run_root) / "summary.json").write_text("[]")
    done = zoo("upscale", photo, "--model", "srresnet", "--run-root", run_root, "-o", run_root)
    assert done.exit_code == 2
    assert "srresnet has 2 finished runs" in done.output


def changed(**parts: Any) -> Callable[[dict[str, Any]], None]:
    """Return what puts parts into a record; a part may be `target__command`."""

    def change(record: dict[str, Any]) -> None:
        for place, value in parts.items():
            *outer, last = place.split("__")
            holder = record
            for key in outer:
                holder = holder[key]
            holder[last] = value

    return change


def test_records_of_another_shape_are_left_out_of_the_report_and_named_there(
    zoo: Zoo, scored: Path, run_root: Path
) -> None:
    path = next(scored.glob("srresnet-smoke-seed-0-*.json"))
    record = json.loads(path.read_text())
    odd = {
        "quote": changed(target__command="zoo train 'srresnet"),
        "null": changed(provenance__command=None),
        "list": changed(provenance__execution=[]),
    }
    for name, change in odd.items():
        other = json.loads(json.dumps(record))
        change(other)
        path.with_name(f"{name}.json").write_text(json.dumps(other))
    path.unlink()
    done = zoo("report", "--run-root", run_root, "--suite", "tiny", "--markdown")
    assert done.exit_code == 3
    page = (run_root / "report" / "index.html").read_text()
    for name in odd:
        assert f"{name}.json" in done.output
        assert f"{name}.json" in page
    assert "| srresnet | 1 (" in (run_root / "report" / "tables.md").read_text()
    assert zoo("card", run_of(run_root), "--run-root", run_root).exit_code == 0


def test_bench_makes_a_damaged_record_again(bench: Bench, scored: Path) -> None:
    path = next(scored.glob("srresnet-smoke-seed-0-*.json"))
    os.truncate(path, 100)
    done = bench("srresnet", "--seeds", "2", "--metrics", "psnr-y")
    assert done.exit_code == 0
    assert json.loads(path.read_text())["target"]["seed"] == 0
