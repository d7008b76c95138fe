"""`zoo bench` accepts no wrong number: edited plugins, run files and records, and odd clocks."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.commands.conftest import Bench, Zoo
from zoo.records.record import Record, read_records, record_bytes, record_path
from zoo.report.selection import select

PLUGIN = """
from torch import nn

from zoo import Generator, register_generator
from beside import GAIN


@register_generator("edited-net")
class EditedNet(Generator):
    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)
        self.body = nn.Sequential(nn.Conv2d(3, 3 * scale**2, 3, padding=1), nn.PixelShuffle(scale))

    def forward(self, lr_image):
        return GAIN * self.body(lr_image)  # here
"""
RECIPES = "version: 1\nrecipes: {edited: {summary: s, generator: edited-net, losses: {l1: 1}}}\n"


def rows_of(result: Result) -> dict[str, dict[str, Any]]:
    rows = json.loads(result.stdout)
    return {row["recipe"]: row for row in rows if row["dataset"] in ("Tiny", None)}


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a module in the plugin's folder, which the plugin imports."""
    path = tmp_path / "beside.py"
    path.write_text("GAIN = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    return path


@pytest.mark.slow
def test_an_edited_plugin_is_refused_and_no_record_of_it_is_served(
    zoo: Zoo, bench: Bench, run_root: Path, tmp_path: Path, beside: Path
) -> None:
    plugin, recipes = tmp_path / "edited.py", tmp_path / "edited.yaml"
    plugin.write_text(PLUGIN)
    recipes.write_text(RECIPES)
    given = ("--registry", recipes, "--plugin", plugin)
    size = ("-p", "smoke", "--device", "cpu", "--run-root", run_root)
    assert zoo("train", "edited", *size, *given).exit_code == 0
    run = run_root / "edited" / "smoke" / "seed-0"
    true = rows_of(bench(run, "--json", *given))["edited"]["psnr_y"]["mean"]

    plugin.write_text(PLUGIN.replace("return GAIN", "return 0.3 + GAIN"))
    refused = bench(run, "--json", *given)
    assert refused.exit_code == 3
    (error,) = (row["error"] for row in rows_of(refused).values() if row.get("error"))
    assert error.startswith(f"{run} was trained with other code of generator edited-net")

    weights = bench(run / "weights.safetensors", "--generator", "edited-net", "--json", *given)
    assert rows_of(weights)["weights"]["psnr_y"]["mean"] != pytest.approx(true, abs=0.01)

    plugin.write_text(PLUGIN.replace("# here", "# there"))
    assert bench(run, "--json", *given).exit_code == 3, "the file's bytes count, as for training"
    plugin.write_text(PLUGIN)
    for what in (run, "edited"):
        served = bench(what, "--seeds", "1", "--json", *given)
        assert rows_of(served)["edited"]["psnr_y"]["mean"] == true
        assert not [one.error for one in records_of(run_root) if one.error]
    weights = bench(run / "weights.safetensors", "--generator", "edited-net", "--json", *given)
    assert rows_of(weights)["weights"]["psnr_y"]["mean"] == true
    report = select(run_root / "records")
    assert report.groups["weights (weights)"][0].target.code_sha256 is not None

    beside.write_text("GAIN = 2.0\n")
    assert bench(run, "--json", *given).exit_code == 3, "what the plugin imports beside it too"


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        ("summary.json", '"verdict": "hardly-learned"', '"verdict": "critic-won"'),
        ("metrics.jsonl", '"psnr_y": ', '"psnr_y": 1'),
        ("recipe.yaml", "learning_rate: 0.0001", "learning_rate: 0.01"),
        ("provenance.json", '"seed": 0', '"seed": 1'),
    ],
)
def test_an_edited_file_of_a_run_is_named_and_costs_its_row(
    bench: Bench, run_root: Path, file: str, before: str, after: str
) -> None:
    path = run_root / "srresnet-nobn" / "smoke" / "seed-0" / file
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    result = bench(path.parent, "srresnet", "--seeds", "1", "--json")
    assert result.exit_code == 3
    rows = rows_of(result)
    assert rows["srresnet"]["psnr_y"]["mean"] > 0
    (error,) = (row["error"] for row in rows.values() if row.get("error"))
    assert error.startswith(str(path))


def test_a_copied_seed_never_counts_as_a_second_one(bench: Bench, run_root: Path) -> None:
    first = run_root / "srresnet-nobn" / "smoke" / "seed-0"
    second = Path(shutil.copytree(first, first.with_name("seed-1")))
    recipe = second / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("seed: 0", "seed: 1"))
    for targets in (("srresnet-nobn", "--seeds", "2"), (first, second)):
        result = bench(*targets, "--json")
        assert result.exit_code == 3
        assert str(recipe) in result.stdout
        assert rows_of(result)["srresnet-nobn"].get("seeds", 1) <= 1
    assert [r.target.seed for r in records_of(run_root) if r.error is None] == [None, 0]


def records_of(run_root: Path) -> list[Record]:
    return read_records(run_root / "records")


def edit(record: Record, root: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    path = record_path(root, record)
    document = json.loads(path.read_bytes())
    change(document["datasets"][0]["images"][0]["scores"])
    path.write_text(json.dumps(document))
    return path


def test_an_edited_record_is_not_served_and_is_made_again(bench: Bench, run_root: Path) -> None:
    true = rows_of(bench("srresnet-nobn", "--seeds", "1", "--json"))
    root = run_root / "records"
    ours = next(record for record in records_of(run_root) if record.target.kind == "run")
    path = edit(ours, root, lambda scores: scores.update(psnr_y=500.0))
    assert ours not in records_of(run_root)
    again = bench("srresnet-nobn", "--seeds", "1", "--json")
    assert again.exit_code == 0
    assert rows_of(again)["srresnet-nobn"]["psnr_y"] == true["srresnet-nobn"]["psnr_y"]
    assert str(path) in {str(record_path(root, record)) for record in records_of(run_root)}


@pytest.mark.slow
def test_bench_and_report_show_the_same_after_a_clock_was_ahead(
    bench: Bench, run_root: Path
) -> None:
    bench("srresnet-nobn", "--seeds", "1")
    ours = next(record for record in records_of(run_root) if record.target.kind == "run")
    odd = ours.model_copy(
        update={
            "key": "f" * 64,
            "provenance": ours.provenance | {"created": "2099-01-01T00:00:00+00:00"},
            "order": 4_000_000_000_000_000,
            "datasets": (),
        }
    )
    record_path(run_root / "records", odd).write_bytes(record_bytes(odd))
    shown = rows_of(bench("srresnet-nobn", "--seeds", "1", "--json"))["srresnet-nobn"]
    (reported,) = select(run_root / "records").groups["srresnet-nobn"]
    assert reported.key == ours.key
    scores = [one["psnr_y"] for one in reported.scored.values()]
    assert shown["psnr_y"]["mean"] == pytest.approx(sum(scores) / len(scores))
