"""`zoo list runs`, `zoo show RUN_DIR` and `zoo watch`: runs that one can see."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from tests.commands.conftest import Zoo
from tests.runs.made_up import begin_run, finish_run
from zoo.commands.output import Table, _drawn
from zoo.commands.runs import sparkline
from zoo.commands.watch import Seen, live_page
from zoo.recipes.book import load_book
from zoo.recipes.variants import specify
from zoo.runs.directory import RunDirectory, run_path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a folder with a finished run, a stopped one with a setting, and a damaged one."""
    root = tmp_path / "runs"
    for recipe, settings in (("srresnet", []), ("rrdb", ["training.learning_rate=3e-4"])):
        spec = specify(load_book(), recipe, "smoke", settings=settings)
        directory = RunDirectory(run_path(spec, root))
        identity = begin_run(directory, spec)
        for step, psnr in ((1, 25.0), (2, 26.5)):
            directory.append_row({"kind": "train", "step": step, "loss_l1": 0.125})
            row = {"kind": "validation", "validation": "x", "psnr_y_images": {}}
            directory.append_row({**row, "step": step, "psnr_y": psnr})
        if recipe == "srresnet":
            finish_run(directory, identity)
    damaged = root / "edsr" / "smoke" / "seed-1"
    damaged.mkdir(parents=True)
    (damaged / "recipe.yaml").write_text("[")
    return root


def test_list_runs(zoo: Zoo, root: Path) -> None:
    done = zoo("list", "runs", str(root))
    lines = done.stdout.splitlines()
    cells = [line.split() for line in lines[1:]]
    assert cells[0] == ["recipe", "profile", "seed", "set", "stage", "step", "verdict", "size"]
    assert cells[1][:1] + cells[1][-3:-2] == ["edsr", "damaged"]
    assert cells[2][:5] == ["rrdb", "smoke", "0", "training.learning_rate=0.0003", "content"]
    assert "stopped" in cells[2]
    assert "stable" in cells[3]
    assert "cannot read recipe.yaml" in done.stderr
    found = json.loads(zoo("list", "runs", str(root), "--json").stdout)["runs"]
    assert [run["recipe"] for run in found] == ["edsr", "rrdb", "srresnet"]
    assert found[2]["psnr_y"] == 26.5


def test_a_folder_that_is_not_there_is_refused(zoo: Zoo, tmp_path: Path) -> None:
    for words in (("list", "runs"), ("watch",)):
        done = zoo(*words, str(tmp_path / "absent"))
        assert done.exit_code == 2
        assert "absent is not a folder of runs" in done.stderr


def test_show_a_run(zoo: Zoo, root: Path) -> None:
    path = root / "srresnet" / "smoke" / "seed-0"
    text = zoo("show", str(path)).stdout
    assert "▁█ 26.50 dB" in text
    assert "training.learning_rate" in text
    document = json.loads(zoo("show", str(path), "--json").stdout)
    assert (document["kind"], document["verdict"]) == ("run", "stable")
    assert document["values"]["generator"]["name"] == "srresnet"
    done = zoo("show", str(root / "edsr" / "smoke" / "seed-1"))
    assert done.exit_code == 4
    assert "cannot read recipe.yaml" in done.stderr


def test_watch_prints_one_page_where_nothing_can_be_redrawn(zoo: Zoo, root: Path) -> None:
    lines = zoo("watch", str(root)).stdout.splitlines()
    assert lines[0] == "1 damaged, 1 stopped, 1 finished"
    assert "l1 0.125" in lines[3]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_the_page_fits_a_terminal(root: Path, width: int) -> None:
    console = Console(file=io.StringIO(), width=width, height=8)
    console.print(live_page(Seen(root).runs(), console))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(len(line) for line in text.splitlines()) <= width
    assert "1 more do not fit" in text
    assert "▁█ 26.50 dB" in text
    assert ("l1 0.125" in text) == (width >= 160)
    assert "stopped" in text


def test_one_page_has_all_runs_on_a_low_terminal_too(root: Path) -> None:
    runs = Seen(root).runs()
    console = Console(file=io.StringIO(), width=80, height=8)
    console.print(live_page(runs, console, most=len(runs)))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "do not fit" not in text
    assert all(run.recipe in text for run in runs)


def test_a_narrow_terminal_folds_what_was_set_and_nothing_else() -> None:
    console = Console(file=io.StringIO(), width=40)
    cells = ("esrgan", "training.learning_rate=0.0003 data.batch_size=4", "250/3000", "stable")
    columns = ("recipe", "set", "step", "verdict")
    console.print(_drawn(Table("runs", columns, [cells], ("recipe", "set"))))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 40
    assert any("250/3000" in line and "stable" in line for line in lines)
    assert len(lines) > 3, "what was set takes several lines"


def test_a_run_that_did_not_change_is_not_read_again(root: Path) -> None:
    seen = Seen(root)
    first, second = seen.runs(), seen.runs()
    assert all(one is other for one, other in zip(first, second, strict=True))


def test_a_sparkline_has_the_last_value_and_at_most_sixteen_bars() -> None:
    assert sparkline([]) == ""
    assert sparkline([3.0, 3.0]) == "▁▁"
    assert sparkline([float(one) for one in range(100)])[-1] == "█"
    assert len(sparkline([float(one) for one in range(100)])) == 16
