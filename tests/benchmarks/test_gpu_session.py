"""A session on a borrowed GPU, run on the CPU at smoke size: what it leaves, and how it resumes."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from benchmarks.gpu_session import (
    DONE,
    FAILED,
    RECIPES,
    STOPPED,
    USAGE,
    Outcome,
    exit_status,
    stage_environment,
)
from benchmarks.take_home import MOST_PICTURE_BYTES, half_precision, panels_of, small_png
from zoo.data.panels import NAMES, side_by_side
from zoo.runs.checkpoint import latest_step

SCRIPT = Path(__file__).resolve().parents[2] / "benchmarks" / "gpu.sh"
ENDLESS = ("--set", "training.steps=1000000", "--set", "training.checkpoint_every=1000000")


def session(
    *arguments: str | Path, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env={**os.environ, "PYTHON": python, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """Return a folder of small smooth images."""
    folder = tmp_path / "photographs"
    folder.mkdir()
    random_numbers = np.random.default_rng(0)
    for number in range(4):
        pixels = random_numbers.integers(0, 256, (12, 12, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((96, 96), Image.Resampling.BICUBIC).save(
            folder / f"{number}.png"
        )
    return folder


@pytest.mark.slow
def test_a_session_is_done_once_and_leaves_what_is_to_be_carried_home(
    photographs: Path, tmp_path: Path
) -> None:
    out, suite = tmp_path / "out", tmp_path / "quick.yaml"
    suite.write_text(
        "version: 1\nsummary: quick\nscale: 4\ndatasets: [samples]\nmetrics: [psnr-y]\n"
    )
    command = (photographs, out, "--device", "cpu", "--profile", "smoke", "--minutes", "4")
    command = (*command, "--suite", suite)
    first = session(*command)
    assert first.returncode == DONE, first.stdout + first.stderr
    for name in ("tests", *RECIPES, "bench", "take home"):
        assert f"{name}: done after" in first.stdout
    home = out / "home"
    assert "skipped" in (home / "tests.txt").read_text() or torch.cuda.is_available()
    summary = (home / "summary.md").read_text()
    for recipe in RECIPES:
        (folder,) = home.glob(f"{recipe}-smoke*-seed-0")
        assert folder.name in summary
        record = json.loads((folder / "record.json").read_text())
        assert record["finished"]
        assert record["summary"]["psnr_y_bicubic"] > 0
        rows = gzip.decompress((folder / "metrics.jsonl.gz").read_bytes()).splitlines()
        assert json.loads(rows[-1])["step"] == record["num_steps"]
        weights = safetensors.torch.load_file(folder / "weights.fp16.safetensors")
        assert {tensor.dtype for tensor in weights.values()} == {torch.float16}
        assert {"recipe.yaml", "provenance.json", *record["summary"]["pictures"]} <= {
            path.name for path in folder.iterdir()
        }
    files = [path for path in home.rglob("*") if path.is_file()]
    assert max(len(path.relative_to(out).parts) for path in files) == 3
    assert sum(path.stat().st_size for path in files) < 2**20

    names = [path.name for path in (home / "records").glob("*.json")]
    assert all(any(name.startswith(f"quick-{recipe}-") for name in names) for recipe in RECIPES)
    assert all(recipe in (home / "bench.txt").read_text() for recipe in RECIPES)

    second = session(*command)
    assert second.returncode == DONE
    assert "tests:" not in second.stdout
    for recipe in RECIPES:
        assert "already trained" in (out / "logs" / f"{recipe}.txt").read_text()


@pytest.mark.slow
def test_a_session_whose_time_is_up_says_so_and_goes_on_where_it_stopped(
    photographs: Path, tmp_path: Path
) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    options = ("--device", "cpu", "--profile", "smoke", "--no-tests", "--resume-tar", *ENDLESS)
    first = session(photographs, out, "--minutes", "0.7", *options)
    assert first.returncode == STOPPED, first.stdout + first.stderr
    assert f"{RECIPES[0]}: stopped after" in first.stdout
    assert f"{RECIPES[1]}: not begun" in first.stdout
    (run,) = (path.relative_to(out) for path in out.glob(f"runs/{RECIPES[0]}/smoke*/seed-0"))
    reached = latest_step(out / run / "checkpoints")
    assert reached > 0
    folder = out / "home" / "-".join(run.parts[-3:])
    record = json.loads((folder / "record.json").read_text())
    assert not record["finished"]
    assert record["summary"]["steps"] == reached
    assert all((folder / name).is_file() for name in record["summary"]["pictures"])
    assert "not finished" in (out / "home" / "summary.md").read_text()

    elsewhere.mkdir()
    subprocess.run(["tar", "-C", elsewhere, "-xf", out / "resume.tar"], check=True)
    second = session(photographs, elsewhere, "--minutes", "0.7", *options)
    assert second.returncode == STOPPED
    assert f"resumes at step {reached}" in (elsewhere / "logs" / f"{RECIPES[0]}.txt").read_text()
    assert latest_step(elsewhere / run / "checkpoints") > reached


@pytest.mark.slow
def test_a_stage_that_fails_shows_why_and_does_not_stop_the_others(
    photographs: Path, tmp_path: Path
) -> None:
    command = (photographs, tmp_path / "out", "--device", "cpu", "--profile", "smoke", "--no-tests")
    ended = session(*command, "--recipes", "srresnet-nobm", "srresnet-nobn")
    assert ended.returncode == FAILED
    assert "srresnet-nobm: failed" in ended.stdout
    assert "did you mean 'srresnet-nobn'" in ended.stdout
    assert "srresnet-nobn: done" in ended.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "data_dir, out_dir"),
        (("/no/such/folder", "out"), "/no/such/folder is not a folder"),
        ((".", "out", "--minutes", "0"), "above 0"),
    ],
)
def test_wrong_usage_is_explained(arguments: tuple[str, ...], message: str) -> None:
    ended = session(*arguments)
    assert ended.returncode == USAGE
    assert message in ended.stderr


def test_a_missing_interpreter_is_explained() -> None:
    ended = session(".", "out", python="python-of-nobody")
    assert ended.returncode == 5
    assert "PYTHON=" in ended.stderr


def test_carried_wheels_can_be_imported(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "carried_by_us-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("carried_by_us.py", "where = __file__\n")
    environment = stage_environment(tmp_path, tmp_path / "packages")
    code = "import carried_by_us, zoo; print(carried_by_us.where)"
    where = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert where.stdout.startswith(str(tmp_path / "packages"))


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["done", "done"], DONE),
        (["done", "stopped", "not begun"], STOPPED),
        (["failed", "stopped", "done"], FAILED),
    ],
)
def test_a_failure_outweighs_a_lack_of_time(statuses: list[str], expected: int) -> None:
    assert exit_status([Outcome("", status) for status in statuses]) == expected  # type: ignore[arg-type]


def test_a_large_picture_is_cut_to_the_middle_of_its_panels() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (640, 800, 3), dtype=np.uint8)
    black = np.zeros_like(noise)
    whole = side_by_side(dict(zip(NAMES, (black, black, noise, noise), strict=True)))
    content = small_png(Image.fromarray(whole))
    assert len(content) < MOST_PICTURE_BYTES
    with Image.open(io.BytesIO(content)) as cut:
        pixels = np.asarray(cut)
    panels = panels_of(pixels)
    assert np.array_equal(panels["SR"], panels["HR"])
    height, width = panels["SR"].shape[:2]
    top, left = (640 - height) // 2, (800 - width) // 2
    assert np.array_equal(panels["SR"], noise[top:, left:][:height, :width])


def test_weights_beyond_float16_are_refused_and_counters_kept() -> None:
    halved = half_precision({"a": torch.ones(2), "n": torch.tensor(70000)})
    assert halved["a"].dtype == torch.float16
    assert int(halved["n"]) == 70000
    with pytest.raises(ValueError, match="b does not fit"):
        half_precision({"b": torch.tensor([1e6])})
