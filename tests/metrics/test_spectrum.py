"""Energy above the input's Nyquist frequency, in closed form."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data.images import read_image
from zoo.data.resize import crop_to_multiple, downscale, upscale
from zoo.metrics.spectrum import HighFrequencyEnergy, high_frequency_power
from zoo.registry import METRICS


def wave(
    cycles_per_pixel: float, amplitude: float, size: tuple[int, int] = (96, 96)
) -> torch.Tensor:
    columns = torch.arange(size[1], dtype=torch.float64)
    row = 128 + amplitude * torch.cos(2 * math.pi * cycles_per_pixel * columns)
    return row.expand(size)


@pytest.mark.parametrize("size", [(96, 96), (95, 97), (96, 97), (95, 96), (33, 256)])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_wave_above_the_limit_has_half_its_amplitude_squared(
    size: tuple[int, int], *, transposed: bool
) -> None:
    image = wave(0.25, 20, size)
    image = image.T if transposed else image
    assert high_frequency_power(image, 4) == pytest.approx(20**2 / 2, rel=0.06)
    assert high_frequency_power(wave(1 / 16, 20, (96, 96)), 4) < 0.01


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_white_noise_has_its_share(scale: int) -> None:
    noise = torch.randn(256, 256, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    share = 1 - 1 / scale**2
    assert high_frequency_power(10 * noise, scale) == pytest.approx(100 * share, rel=0.03)


def test_at_scale_one_there_is_nothing_above() -> None:
    assert high_frequency_power(torch.rand(32, 32) * 255, 1) == 0


def test_twice_the_amplitude_is_six_decibels() -> None:
    # a frequency in no simple ratio to the pixels: rounding makes no harmonics of it
    pair = [(wave(0.2718, amplitude) / 255)[None] for amplitude in (60, 30)]
    assert HighFrequencyEnergy()(*pair, scale=4) == pytest.approx(20 * math.log10(2), abs=0.02)
    assert HighFrequencyEnergy()(*pair[::-1], scale=4) == pytest.approx(-6.02, abs=0.02)


def test_flat_images_are_finite() -> None:
    flat = torch.full((1, 64, 64), 100 / 255)
    busy = (torch.arange(64) % 2).float().expand(1, 64, 64)
    metric = HighFrequencyEnergy()
    assert metric(flat, flat, scale=4) == 0
    assert metric(flat + 40 / 255, flat, scale=4) == 0
    assert -60 < metric(flat, busy, scale=4) < -40
    assert 40 < metric(busy, flat, scale=4) < 60


def test_neither_direction_is_better() -> None:
    assert METRICS.get("hf-energy").higher_is_better is None


def test_it_measures_luma_without_the_border() -> None:
    generator = torch.Generator().manual_seed(0)
    sr, hr = torch.rand(2, 3, 48, 48, generator=generator)
    framed = sr.clone()
    framed[:, :4], framed[..., -4:] = 0, 1
    metric = HighFrequencyEnergy()
    assert metric(framed, hr, scale=4) == metric(sr, hr, scale=4)


def test_bicubic_is_too_smooth_and_noise_too_rough(shared_data: Path) -> None:
    path = min((shared_data / "Set5" / "HR").glob("*.png"))
    high = crop_to_multiple(read_image(path), 4)
    hr = torch.from_numpy(high).permute(2, 0, 1).float() / 255
    smooth = torch.from_numpy(upscale(downscale(high, 4), 4).copy()).permute(2, 0, 1).float() / 255
    rough = hr + 0.1 * torch.from_numpy(np.random.default_rng(0).standard_normal(hr.shape)).float()
    metric = HighFrequencyEnergy()
    assert metric(smooth, hr, scale=4) < -8
    assert metric(rough, hr, scale=4) > 3
    assert metric(hr, hr, scale=4) == 0
