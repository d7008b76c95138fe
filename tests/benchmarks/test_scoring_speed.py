"""The benchmark of scoring: the loop beside it computes the same, and what is timed is right."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from benchmarks.scoring_speed import LibraryClock, main, make_images
from zoo.bench.suites import open_suite


def test_only_outermost_calls_of_networks_are_counted() -> None:
    class Slow(torch.nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            time.sleep(0.05)
            return image

    clock, nested = LibraryClock(), torch.nn.Sequential(torch.nn.Sequential(Slow()), Slow())
    with clock.running():
        nested(torch.zeros(1))
        time.sleep(0.2)
    assert 0.1 <= clock.seconds < 0.2
    nested(torch.zeros(1))
    assert clock.seconds < 0.2, "it counts while it runs"


@pytest.mark.slow
def test_both_ways_score_the_same_and_a_row_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "scoring.json"
    sizes = ("--images", "1", "--side", "96", "--repeats", "1")
    main(["--generators", "bicubic", *sizes, "--device", "cpu", "--output", str(output)])
    document = json.loads(output.read_text())
    (row,) = document["rows"]
    assert row["generator"] == "bicubic"
    assert row["largest_difference"] < 1e-4, "one mathematics, written twice"
    for name, way in (("ratio", "first"), ("ratio_further", "further")):
        expected = row["loop_seconds"] / row[f"{way}_seconds"]
        assert row[name] == pytest.approx(dict.fromkeys(("median", "low", "high"), expected))
    assert 0 < row["own_share"] < 1
    page = output.with_suffix(".md").read_text()
    assert page == capsys.readouterr().out.removesuffix("\n")
    assert f"| bicubic | {row['loop_seconds']:.2f} |" in page


def test_low_resolution_files_are_read_by_both_ways(tmp_path: Path) -> None:
    make_images(tmp_path, 1, 64)
    (dataset,) = open_suite(str(tmp_path / "cut.yaml"), data_root=tmp_path).datasets
    assert dataset[0].lr_file == tmp_path / "Cut" / "LR_x4" / "0.png"
    assert dataset[0].hr_image.shape == (64, 64, 3)
