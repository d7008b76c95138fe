"""`zoo train`: what it passes to the library, what it prints, how it stops. Runs are smoke size."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import Result

from zoo.commands import training_progress
from zoo.commands.train import _resume_command
from zoo.commands.training_progress import BarObserver
from zoo.data.images import write_png
from zoo.train import run as training
from zoo.train.interrupts import Interrupted
from zoo.train.lines import LineObserver, summarise, tell_on_stderr

Zoo = Callable[..., Result]
SMOKE = ("train", "srresnet", "--profile", "smoke", "--device", "cpu")


def test_trains_and_prints_where_everything_is(zoo: Zoo, tmp_path: Path) -> None:
    result = zoo(*SMOKE, "--run-root", tmp_path)
    assert result.exit_code == 0
    directory = tmp_path / "srresnet" / "smoke" / "seed-0"
    lines = result.stdout.splitlines()
    assert lines[0].startswith("PSNR_Y ")
    assert f"run: {directory}" in lines
    pictures = [line.rpartition(": ")[2] for line in lines if line.startswith("sample image")]
    assert pictures
    assert all(Path(picture).is_file() for picture in pictures)
    assert "srresnet (content) begins; 12 steps in all" in result.stderr

    again = zoo(*SMOKE, "--run-root", tmp_path, "--json")
    assert "already trained" in again.stderr
    document = json.loads(again.stdout)
    assert document["schema"] == "zoo.train/1"
    assert document["directory"] == str(directory)
    assert document["summary"]["steps"] == 12


def test_what_a_folder_has_and_how_many_images_are_used_is_said(zoo: Zoo, tmp_path: Path) -> None:
    rng, photos = np.random.default_rng(0), tmp_path / "photos"
    for number in range(5):
        for folder, side in (("GT", 128), ("LQ", 32)):
            pixels = rng.integers(0, 256, (side, side, 3), np.uint8)
            write_png(photos / folder / f"{number}.png", pixels)
    said = [
        f"{photos}/GT: 5 images taken",
        f"{photos}/LQ: 5 not used as HR images: low-resolution images, by the name of the folder",
        "images: 4 for training, 1 for validation",
    ]
    command = (*SMOKE, "--data", photos, "--run-root", tmp_path)
    dry = zoo(*command, "--dry-run", "--json")
    assert dry.exit_code == 0, dry.stderr
    assert [line for line in dry.stderr.splitlines() if line in said] == said
    document = json.loads(dry.stdout)["stages"][0]
    assert (document["training_images"], document["validation_images"]) == (4, 1)
    same = zoo(*command, "--set", f"data.validation={photos}")
    assert same.exit_code == 2
    assert "no training images remain" in same.stderr


@pytest.mark.slow
def test_a_damaged_store_is_not_trained_on(zoo: Zoo, tmp_path: Path, private_home: Path) -> None:
    """Every seventh byte of it zeroed, the run would go on under the identity of true pixels."""
    whole = json.loads(zoo(*SMOKE, "--run-root", tmp_path / "whole", "--json").stdout)
    (store,) = private_home.glob("cache/patches/*/hr.bin")
    data = bytearray(store.read_bytes())
    data[::7] = bytes(len(data[::7]))
    store.write_bytes(data)
    result = zoo(*SMOKE, "--run-root", tmp_path / "again", "--json")
    assert "hr.bin differ from the stored ones; zoo builds it again" in result.stderr
    again = json.loads(result.stdout)
    assert again["summary"]["psnr_y_images"] == whole["summary"]["psnr_y_images"]
    quiet = zoo(*SMOKE, "--run-root", tmp_path / "third", "--json")
    assert "zoo builds it again" not in quiet.stderr


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Replace the training by a list of what was asked for; it is stopped by SIGINT at step 7."""
    calls: list[tuple[Any, Any]] = []

    def train(spec: Any, options: Any) -> None:
        calls.append((spec, options))
        raise Interrupted(signal.SIGINT, 7)

    monkeypatch.setattr(training, "train", train)
    return calls


def test_options_reach_the_library(
    zoo: Zoo, asked: list[tuple[Any, Any]], tmp_path: Path, plugin_file: Path
) -> None:
    zoo(
        *SMOKE,
        *("--seed", "3", "--fresh", "--data", "Set: 5", "--data-root", tmp_path),
        *("--plugin", plugin_file, "--set", "generator=plugged-net", "--run-root", tmp_path / "r"),
    )
    spec, options = asked[0]
    assert (spec.recipe, spec.profile, spec.seed) == ("srresnet", "smoke", 3)
    assert spec.settings.data.source == "Set: 5"
    assert spec.settings.generator.name == "plugged-net"
    assert (options.run_root, options.data_root) == (tmp_path / "r", tmp_path)
    assert (options.device, options.fresh) == ("cpu", True)


def test_ctrl_c_exits_130_with_the_way_on(
    zoo: Zoo, asked: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["zoo", *SMOKE])
    result = zoo(*SMOKE)
    assert len(asked) == 1
    assert result.exit_code == 130
    assert result.stdout == ""
    assert "stopped by SIGINT at step 7, saved; resume with: zoo train srresnet" in result.stderr


def test_the_way_on_does_not_start_over() -> None:
    arguments = ["train", "srgan", "--fresh", "--set", "data.source=my photos"]
    way_on = "train srgan --set 'data.source=my photos'"
    assert _resume_command([".venv/bin/zoo", *arguments]) == f".venv/bin/zoo {way_on}"
    assert _resume_command(["cli.py", *arguments]) == f"python cli.py {way_on}"
    assert _resume_command(["/lib/zoo/__main__.py", *arguments]) == f"python -m zoo {way_on}"


def test_the_summary_of_numbers_leaves_out_what_is_not_there() -> None:
    numbers = {"psnr_y": 28.4213, "loss_total": 0.012345, "step": 3}
    assert summarise(numbers) == "G loss: total 0.01235 | PSNR_Y 28.42 dB"
    assert summarise({}) == ""


def test_the_summary_shows_every_term_of_both_players() -> None:
    numbers = {
        "loss_mse": 0.5,
        "loss_adversarial": 1.5,
        "discriminator_penalty": 0.25,
        "discriminator_d_real": 2.0,
        "discriminator_d_fake": -2.0,
        "images_per_second": 12.34,
        "memory_bytes": 2**30,
    }
    assert summarise(numbers) == (
        "G loss: mse 0.5  adversarial 1.5 | D loss: penalty 0.25  D(real) 2  D(fake) -2 | "
        "12.3 images/s  memory 1,024 MiB"
    )


def test_a_dry_run_is_printed_a_row_a_stage(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = zoo("train", "srresnet", "--profile", "smoke", "--dry-run", "--device", "cpu")
    assert result.exit_code == 0, result.stderr
    assert "srresnet" in result.stdout
    assert "peak memory: predicted" in result.stdout
    assert "training images: on the host" in result.stdout
    assert "eager (not measured: 12 steps are too few to gain from it)" in result.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_ways_to_execute_a_step_are_timed_and_shown(zoo: Zoo, tmp_path: Path) -> None:
    settings = ("runtime.tune=true", "runtime.threads=1", "training.steps=2")
    settings += ("runtime.precision=float32",)  # or a CPU with units tries another
    tuned = [*SMOKE, "--run-root", tmp_path]
    for setting in settings:
        tuned += ["--set", setting]
    result = zoo(*tuned)
    assert result.exit_code == 0, result.stderr
    assert "srresnet: timing 2 ways to execute a step (at most 12 steps)" in result.stderr
    shown = result.stderr.partition("seconds per step: ")[2].splitlines()[0]
    assert [way.rpartition(" ")[0] for way in shown.split(" | ")] == [
        "float32, channels_last, 1 thread, eager",
        "float32, NCHW, 1 thread, eager",
    ]
    (stage,) = json.loads(zoo(*tuned, "--dry-run", "--json").stdout)["stages"]
    assert stage["choice"]["source"] == "recorded"
    assert all(seconds > 0 for seconds in stage["choice"]["seconds"].values())


def test_lines_come_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    observer = LineObserver(tell_on_stderr)
    observer.stage_started("srgan", "adversarial", 4, 100)
    for step in range(5, 100):
        observer.logged({"step": step, "loss_total": 1.0})
    for done in range(1, 21):
        observer.preparing(done, 20)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "srgan (adversarial) resumes at step 4; 100 steps in all"
    assert len(lines) == 1 + 10


def test_a_terminal_gets_a_bar_with_the_numbers_below() -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=120, no_color=True)
    observer = BarObserver(console)
    observer.preparing(3, 3)
    observer.stage_started("srgan", "adversarial", 0, 10)
    observer.stepped(10, 2)
    observer.logged({"step": 10, "loss_mse": 0.5, "psnr_y": 30.0})
    observer.stage_finished(Path("runs"), {"psnr_y": 30.0, "verdict": "stable"})
    console.print(observer.render())
    shown = screen.getvalue()
    for text in ("srgan (adversarial)", "10/10", "mse 0.5", "done: runs, PSNR_Y 30.00 dB, stable"):
        assert text in shown


@pytest.mark.parametrize(("term", "kind"), [("dumb", LineObserver), ("xterm", BarObserver)])
def test_a_terminal_that_moves_no_cursor_gets_the_lines(
    monkeypatch: pytest.MonkeyPatch, term: str, kind: type
) -> None:
    screen, environment = io.StringIO(), {"TERM": term, "COLUMNS": "120", "LINES": "30"}
    console = Console(file=screen, force_terminal=True, _environ=environment, soft_wrap=True)
    monkeypatch.setattr(training_progress, "stderr", lambda: console)
    with training_progress.training_progress() as observer:
        assert type(observer) is kind
        observer.stage_started("srgan\x1b[31m", "content", 0, 10)
        observer.notice("a \x1b[31mred\u202e notice")
    assert "a \\x1b[31mred\\u202e notice" in screen.getvalue()
    assert "srgan\\x1b[31m" in screen.getvalue()


@pytest.mark.slow
def test_a_cell_of_a_matrix_is_trained_like_any_recipe(
    zoo: Zoo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cell = "esrgan-over-srgan-srresnet-batch-vanilla-without"
    options = ("--profile", "smoke", "--dry-run", "--device", "cpu", "--json")
    result = zoo("train", cell, *options)
    assert result.exit_code == 0, result.stderr
    stages = [stage["recipe"] for stage in json.loads(result.stdout)["stages"]]
    assert stages == ["esrgan-over-srgan-pretraining-srresnet-batch", cell]
