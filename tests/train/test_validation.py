"""Held-out images of any size and name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmarks.take_home import panels_of
from tests.upscaling.networks import Blur, Pooled
from zoo.data.images import read_image, write_png
from zoo.data.panels import NAME_HEIGHT
from zoo.data.resize import upscale
from zoo.errors import DivergedError
from zoo.recipes.schema import Runtime
from zoo.runs.device import Execution, plan_execution
from zoo.train import validation
from zoo.train.validation import TILE, Validator

SCALE = 4


class Recorded(Blur):
    """Remembers the largest image it was given."""

    def __init__(self) -> None:
        super().__init__(scale=SCALE, steps=6)
        self.seen: list[int] = []

    def __deepcopy__(self, _memo: object) -> Recorded:
        return self

    def forward(self, lr_image: Tensor) -> Tensor:
        self.seen.append(lr_image.shape[-2] * lr_image.shape[-1])
        answer: Tensor = 1.3 * super().forward(lr_image) - 0.1  # out of [0, 1] in places
        return answer


@pytest.fixture
def execution() -> Execution:
    """Return the CPU's."""
    return plan_execution(Runtime(), torch.device("cpu"))


def photograph(path: Path, height: int, width: int, *, grey: bool = False) -> Path:
    """Write high-resolution noise with structure."""
    rows, columns = np.mgrid[0:height, 0:width]
    random = np.random.default_rng(0).integers(0, 90, (height, width))
    levels = (80 * (np.sin(rows / 9) * np.cos(columns / 7) + 1) + random).clip(0, 255)
    image = levels.astype(np.uint8)
    write_png(path, image if grey else np.stack([image, image[::-1], 255 - image], axis=2))
    return path


@pytest.mark.parametrize("grey", [False, True])
def test_a_large_image_goes_through_in_tiles_with_equal_numbers(
    *, tmp_path: Path, execution: Execution, monkeypatch: pytest.MonkeyPatch, grey: bool
) -> None:
    path = photograph(tmp_path / "x.png", 600, 800, grey=grey)
    network = Recorded()
    whole = Validator([path], scale=SCALE)
    (before,) = whole.upscale(network, execution, whole.images)
    row = whole.row(network, execution, step=1)
    assert max(network.seen) == 150 * 200
    network.seen.clear()
    monkeypatch.setattr(validation, "TILE", 96)
    tiled = Validator([path], scale=SCALE)
    (after,) = tiled.upscale(network, execution, tiled.images)
    assert max(network.seen) <= 96**2
    assert torch.allclose(before, after, atol=1e-6)
    again = tiled.row(network, execution, step=1)
    assert again["psnr_y_images"] == pytest.approx(row["psnr_y_images"], abs=1e-6)
    assert again["haarpsi"] == pytest.approx(row["haarpsi"], abs=1e-6)
    (written,) = tiled.write_pictures(network, execution, tmp_path / "samples")
    assert written.exists()
    assert max(network.seen) <= 96**2


def test_images_of_the_benchmarks_go_through_whole() -> None:
    """Their scores are those they have always been."""
    largest = 2040 // SCALE  # DIV2K has 2040 pixels a side at most
    assert largest**2 <= TILE**2


def test_a_network_that_needs_the_whole_picture_gets_it(
    tmp_path: Path, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = photograph(tmp_path / "x.png", 400, 400)
    validator = Validator([path], scale=SCALE)
    (before,) = validator.upscale(Pooled(scale=SCALE), execution, validator.images)
    monkeypatch.setattr(validation, "TILE", 64)
    (after,) = validator.upscale(Pooled(scale=SCALE), execution, validator.images)
    assert torch.allclose(before, after, atol=1e-6)


def test_tiles_that_are_not_finite_are_no_score(
    tmp_path: Path, execution: Execution, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Overflow(Blur):
        def forward(self, lr_image: Tensor) -> Tensor:
            return super().forward(lr_image) * torch.inf

    monkeypatch.setattr(validation, "TILE", 64)
    validator = Validator([photograph(tmp_path / "x.png", 400, 400)], scale=SCALE)
    with pytest.raises(DivergedError, match="the upscaled x has NaN or infinite pixels"):
        validator.row(Overflow(scale=SCALE), execution, step=3)


@pytest.mark.parametrize("name", ["a" * 251, "é" * 125 + "x", "写" * 83])
def test_pictures_are_written_whatever_length_a_name_has(
    tmp_path: Path, execution: Execution, name: str
) -> None:
    """Two folders have each an image of one name, the longest there can be."""
    paths = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        paths.append(photograph(tmp_path / folder / f"{name}.png", 64, 64))
    validator = Validator(paths, scale=SCALE)
    written = validator.write_pictures(Blur(scale=SCALE), execution, tmp_path / "samples")
    assert len({path.name for path in written}) == 2
    assert all(path.exists() for path in written)


def test_pictures_have_their_parts_in_order_and_named(tmp_path: Path, execution: Execution) -> None:
    validator = Validator([photograph(tmp_path / "x.png", 64, 96)], scale=SCALE)
    (image,) = validator.images
    (written,) = validator.write_pictures(Blur(scale=SCALE), execution, tmp_path / "samples")
    picture = read_image(written)
    panels = panels_of(picture)
    assert list(panels) == ["LR", "bicubic", "SR", "HR"]
    assert np.array_equal(panels["LR"][::SCALE, ::SCALE], image.lr_image)
    assert np.array_equal(panels["bicubic"], upscale(image.lr_image, SCALE))
    assert np.array_equal(panels["HR"], image.hr_image)
    names = np.array_split(picture[:NAME_HEIGHT], len(panels), axis=1)
    assert all(name.min() < 128 < name.max() for name in names)
