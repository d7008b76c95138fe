"""Does the image explain its input? Closed forms, and bicubic interpolation on real images."""

from __future__ import annotations

import math
from pathlib import Path
from statistics import fmean

import numpy as np
import pytest
import torch

from zoo.data.images import read_image
from zoo.data.resize import crop_to_multiple, downscale, upscale
from zoo.errors import ShapeError
from zoo.metrics.base import Comparison
from zoo.metrics.consistency import LRPSNR, device_downscale


def to_tensor(image: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.atleast_3d(image)).permute(2, 0, 1).float() / 255


def random_image(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("shape", [(32, 48, 3), (32, 48)])
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_the_ground_truth_explains_its_input(shape: tuple[int, ...], scale: int) -> None:
    high = crop_to_multiple(random_image(*shape), scale)
    hr_image, lr_image = to_tensor(high), to_tensor(downscale(high, scale))
    comparison = Comparison(hr_image, hr_image, lr_image, scale)
    assert LRPSNR().score(comparison) == pytest.approx(80, abs=1e-9)


def test_a_constant_offset_stays_one() -> None:
    hr_image = torch.full((3, 32, 32), 100 / 255)
    lr_image = torch.full((3, 8, 8), 100 / 255)
    comparison = Comparison(hr_image + 7 / 255, hr_image, lr_image, 4)
    expected = -10 * math.log10((7 / 255) ** 2 + 1e-8)
    assert LRPSNR().score(comparison) == pytest.approx(expected, abs=1e-9)


def test_without_an_input_the_shrunk_ground_truth_stands_in() -> None:
    sr, high = to_tensor(random_image(32, 32, 3)), random_image(32, 32, 3)[::-1].copy()
    comparison = Comparison(sr, to_tensor(high), to_tensor(downscale(high, 4)), 4)
    assert LRPSNR()(sr, to_tensor(high), scale=4) == LRPSNR().score(comparison)


def test_the_ground_truth_is_not_looked_at() -> None:
    sr, lr_image = torch.rand(3, 32, 32), torch.rand(3, 8, 8)
    first = LRPSNR().score(Comparison(sr, torch.rand(3, 32, 32), lr_image, 4))
    assert LRPSNR().score(Comparison(sr, torch.rand(3, 32, 32), lr_image, 4)) == first


def test_the_image_is_rounded_as_saving_would() -> None:
    sr, lr_image = torch.rand(3, 32, 32) * 1.4 - 0.2, torch.rand(3, 8, 8)
    saved = sr.mul(255).add(0.5).floor().clamp(0, 255).div(255)
    first = LRPSNR().score(Comparison(sr, sr, lr_image, 4))
    assert LRPSNR().score(Comparison(saved, sr, lr_image, 4)) == first


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_gpu_shrinks_to_the_same_bits(scale: int, channels: int) -> None:
    """Its operations, run on the CPU; extremes in every second image, where sums are clipped."""
    for number in range(8):
        random = np.random.default_rng(number)
        pixels = random.integers(0, 256, (24 * scale, 17 * scale, channels), dtype=np.uint8)
        pixels = np.where(pixels > 127, 255, 0).astype(np.uint8) if number % 2 else pixels
        expected = torch.from_numpy(downscale(pixels, scale)).permute(2, 0, 1)
        assert device_downscale(torch.from_numpy(pixels).permute(2, 0, 1), scale).equal(expected)


def test_bicubic_on_real_images(shared_data: Path) -> None:
    """Bicubic blurs what it is given, and does not explain it: networks reach 39 to 54 dB."""
    scores = []
    for path in sorted((shared_data / "Set5" / "HR").glob("*.png")):
        high = crop_to_multiple(read_image(path), 4)
        low = downscale(high, 4)
        sr = upscale(low, 4)
        score = LRPSNR().score(Comparison(to_tensor(sr), to_tensor(high), to_tensor(low), 4))
        by_hand = np.mean((downscale(sr, 4).astype(float) - low) ** 2)
        assert score == pytest.approx(10 * math.log10(255**2 / by_hand), abs=0.01)
        scores.append(score)
    assert fmean(scores) == pytest.approx(37.27, abs=0.01)


@pytest.mark.parametrize(
    ("sr_shape", "lr_shape"),
    [
        ((3, 32, 32), (3, 8, 9)),
        ((3, 32, 32), (1, 8, 8)),
        ((4, 32, 32), (4, 8, 8)),
        ((1, 3, 32, 32), (1, 3, 8, 8)),
    ],
)
def test_what_does_not_fit_is_refused(sr_shape: tuple[int, ...], lr_shape: tuple[int, ...]) -> None:
    sr_image = torch.zeros(sr_shape)
    with pytest.raises(ShapeError):
        LRPSNR().score(Comparison(sr_image, sr_image, torch.zeros(lr_shape), 4))
