"""The comparison of precisions: its aims, what it says of emulation, and that it runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import precision
from benchmarks.precision import as_markdown, main, psnr_aim
from zoo.data.images import write_png
from zoo.runs.directory import RunDirectory


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def difference(estimate: float, half: float | None, **changes: Any) -> dict[str, Any]:
    """Return what is told of one metric of a recipe."""
    ends = (None, None) if half is None else (estimate - half, estimate + half)
    about = {"label": "PSNR-Y", "unit": "dB", "float32": 28.0, "bfloat16": 28.0 + estimate}
    return about | {"difference": estimate, "low": ends[0], "high": ends[1]} | changes


@pytest.mark.parametrize(
    ("estimate", "half", "told"),
    [
        (-0.02, 0.005, "held"),
        (0.02, 0.02, "held by the mean, not by its interval"),
        (0.02, None, "held by the mean, not by its interval"),
        (-0.04, 0.05, "**missed**"),
    ],
)
def test_the_aim_is_of_the_difference_and_its_interval(
    estimate: float, half: float | None, told: str
) -> None:
    assert psnr_aim(difference(estimate, half)) == f"within 0.03 dB: {told}"


def document(*, has_units: bool) -> dict[str, Any]:
    def times(value: float) -> dict[str, Any]:
        return {"median": value, "least": value, "most": value, "values": [value]}

    missing = {"label": "LPIPS", "unit": "", "missing": "no weights"}
    return {
        "command": "c", "profile": "demo", "seeds": 3, "suite": "tiny", "has_units": has_units,
        "flags": ["avx2"], "machine": "m", "threads": 1, "versions": {"torch": "2"},
        "revision": None,
        "scores": {
            "rrdb": {
                "verdicts": {"bfloat16": ["stable", "diverged"], "float32": ["stable", "stable"]},
                "metrics": {"psnr_y": difference(0.01, 0.01), "lpips": missing},
            }
        },
        "speed": {
            "rrdb": {"float32": times(0.3), "bfloat16": times(0.1), "ratio": times(3.0)},
            "srgan": {"float32": times(0.3), "bfloat16": times(0.2), "ratio": times(1.5)},
        },
    }  # fmt: skip


def test_the_page_judges_speed_where_there_are_units_alone() -> None:
    page = as_markdown(document(has_units=True))
    assert "+0.0100 (+0.0000 to +0.0200) | within 0.03 dB: held |" in page
    assert "| rrdb | LPIPS |  |  | no weights |  |" in page
    assert "rrdb in bfloat16: stable, diverged." in page
    assert "rrdb in float32" not in page
    assert "3.00 (3.00 to 3.00) | 2x: held |" in page
    assert "1.50 (1.50 to 1.50) | 2x: **missed** |" in page
    assert "mean nothing" not in page
    emulated = as_markdown(document(has_units=False))
    assert "no units for bfloat16 and emulates it. The speeds below mean nothing." in emulated
    assert emulated.count("| not judged |") == 2


@pytest.mark.slow
def test_it_trains_scores_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "METRICS", {"psnr_y": "psnr-y"})
    noise = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    (tmp_path / "Noise" / "HR").mkdir(parents=True)
    write_png(tmp_path / "Noise" / "HR" / "0.png", noise.repeat(4, 0).repeat(4, 1))
    suite = tmp_path / "quick.yaml"
    suite.write_text("version: 1\nsummary: quick\nscale: 4\ndatasets: [Noise]\nmetrics: [psnr-y]\n")
    options = ["--recipe", "srresnet-nobn", "--profile", "smoke", "--seeds", "2"]
    options += ["--suite", str(suite), "--data-root", str(tmp_path), "--repeats", "1"]
    options += ["--run-root", str(tmp_path / "runs"), "--output", str(tmp_path / "out" / "deep")]
    for _ in range(2):
        main(options)
    told = json.loads((tmp_path / "out" / "deep" / "precision.json").read_text())
    found = told["scores"]["srresnet-nobn"]["metrics"]["psnr_y"]
    assert (found["seeds"], found["images"]) == (2, 1)
    assert found["difference"] == pytest.approx(found["bfloat16"] - found["float32"])
    runs = sorted((tmp_path / "runs" / "srresnet-nobn").glob("*/seed-*"))
    recorded = [RunDirectory(run).provenance() for run in runs]
    precisions = [one["identity"]["execution"]["precision"] for one in recorded if one is not None]
    assert precisions == ["bfloat16"] * 2 + ["float32"] * 2
    assert all(len(one["sessions"]) == 1 for one in recorded if one is not None), "trained once"
