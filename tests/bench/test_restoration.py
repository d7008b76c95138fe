"""Suites of x1: networks that restore an image and leave its size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

import zoo
from zoo.data.images import write_png
from zoo.errors import DataError

SUITE = "version: 1\nsummary: noise\nscale: 1\ndatasets: [noisy]\nmetrics: [psnr-rgb]\n"
NOISE = 6


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "denoising.yaml").write_text(SUITE)
    levels = np.random.default_rng(0).integers(50, 200, (2, 24, 32, 3), dtype=np.uint8)
    for number, image in enumerate(levels):
        write_png(tmp_path / "noisy" / "HR" / f"{number}.png", image)
        write_png(tmp_path / "noisy" / "LR_x1" / f"{number}.png", image + np.uint8(NOISE))
    return tmp_path


def scores(place: Path, *targets: object) -> dict[str, float]:
    frame = zoo.bench(
        *targets,  # type: ignore[arg-type]
        suite=str(place / "denoising.yaml"),
        data_root=place,
        run_root=place / "runs",
        device="cpu",
    )
    return {row.target: row.psnr_rgb for row in frame.itertuples()}


def test_a_network_is_scored_beside_the_degraded_images(place: Path) -> None:
    def restore(lr_image: Tensor) -> Tensor:
        return lr_image - (NOISE - 1) / 255

    found = scores(place, restore)
    assert list(found) == ["input", "restore"]
    assert found["input"] == pytest.approx(20 * np.log10(255 / NOISE), abs=1e-3)
    assert found["restore"] == pytest.approx(20 * np.log10(255), abs=1e-2)


def test_without_degraded_images_there_is_nothing_to_restore(place: Path) -> None:
    (place / "noisy" / "LR_x1").rename(place / "elsewhere")
    with pytest.raises(DataError, match="needs the degraded images as files"):
        scores(place, "bicubic")
