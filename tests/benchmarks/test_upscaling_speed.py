"""The benchmark of upscaling: pictures of the size wanted, and a page of what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.upscaling_speed import _mirrored, main, photograph


def test_photographs_have_the_size_wanted() -> None:
    height, width = photograph(0.5, 4).shape[:2]
    assert 16 * height * width == pytest.approx(0.5e6, rel=0.01)
    assert width == pytest.approx(1.5 * height, abs=1)


def test_indices_run_to_and_fro() -> None:
    assert _mirrored(3, 8).tolist() == [0, 1, 2, 2, 1, 0, 0, 1]
    assert np.array_equal(_mirrored(5, 3), [0, 1, 2])


@pytest.mark.slow
def test_it_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--model", "bicubic", "--tile", "64", "--speed-megapixels", "0.1"]
    main([*options, "--megapixels", "0.1", "0.2", "--repeats", "2", "--output", str(tmp_path)])
    told = json.loads((tmp_path / "upscaling_speed.json").read_text())
    assert told["speed"]["largest_difference"] < 1
    assert told["speed"]["num_tiles"] > 1
    assert told["speed"]["whole"]["least"] > 0
    assert len(told["memory"]) == 6
    assert all(point["peak"] >= point["before"] > 0 for point in told["memory"])
    page = (tmp_path / "upscaling_speed.md").read_text()
    assert page in capsys.readouterr().out
    assert "| megapixels of output | whole | automatic | tiles of 64 |" in page
