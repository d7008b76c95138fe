"""Levels, grey and alpha on their way through a network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.upscaling.networks import Blur, Tinted
from zoo.data.resize import upscale as bicubic_levels
from zoo.generators.bicubic import Bicubic
from zoo.upscaling.enlarging import Canvas, enlarge, enlarge_picture, spread_visible, to_unit
from zoo.upscaling.pictures import Picture, Pixels
from zoo.upscaling.tiles import TiledUpscaler


class AnyScale(Blur):
    scales = frozenset(range(1, 17))


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        (np.uint8, 0.5 / 255, 1),
        (np.uint8, 0.49 / 255, 0),
        (np.uint16, 0.5, 32768),
        (np.uint16, 1.0, 65535),
        (np.float64, 0.25, 0.25),
    ],
)
def test_values_are_rounded_once_halves_up(dtype: type, value: float, expected: float) -> None:
    canvas = Canvas(1, 1, np.zeros((1, 1, 3), dtype))
    canvas.write(torch.full((1, 3, 1, 1), value), 0, 0)
    assert canvas.array.dtype == dtype
    assert canvas.array.reshape(-1).tolist() == [expected] * 3


def test_grey_is_luma() -> None:
    canvas = Canvas(1, 1, np.zeros((1, 1), np.uint8))
    canvas.write(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1), 0, 0)
    assert canvas.array.tolist() == [[76]]  # 0.299 * 255 = 76.2


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_levels_survive_a_network_that_changes_nothing(dtype: type) -> None:
    pixels = np.linspace(0, np.iinfo(dtype).max, 48).astype(dtype).reshape(4, 4, 3)
    enlarged, _ = enlarge(TiledUpscaler(Blur(steps=0)), pixels)
    assert np.array_equal(enlarged, pixels.repeat(2, axis=0).repeat(2, axis=1))
    grey, _ = enlarge(TiledUpscaler(Blur(steps=0)), pixels[:, :, 0])
    assert np.array_equal(grey, pixels[:, :, 0].repeat(2, axis=0).repeat(2, axis=1))


def test_white_is_one_in_every_type() -> None:
    for white in (np.uint8(255), np.uint16(65535), np.float32(1)):
        assert float(to_unit(np.full((1, 1), white)).max()) == 1


@pytest.mark.parametrize("scale", [1, 5, 6, 16])
def test_alpha_is_enlarged_as_far_as_the_network_enlarges(colours: Pixels, scale: int) -> None:
    network = AnyScale(scale=scale, steps=0)
    enlarged, _ = enlarge_picture(TiledUpscaler(network), Picture(colours, colours[:, :, 1]))
    assert enlarged.alpha is not None
    assert enlarged.alpha.shape == enlarged.colours.shape[:2]


def test_alpha_is_enlarged_by_bicubic(colours: Pixels) -> None:
    alpha = colours[:, :, 1]
    enlarged, _ = enlarge_picture(TiledUpscaler(Blur(steps=1)), Picture(colours, alpha))
    assert enlarged.alpha is not None
    expected = bicubic_levels(alpha, 2).astype(int)  # rounds between its passes
    assert int(np.abs(enlarged.alpha - expected).max()) <= 1


def test_no_halo_of_what_is_invisible() -> None:
    """A white disc whose invisible surroundings are black stays white to its rim."""
    rows, columns = np.mgrid[0:32, 0:32]
    inside = (rows - 16) ** 2 + (columns - 16) ** 2 < 100
    alpha = np.where(inside, 255, 0).astype(np.uint8)
    disc = np.repeat(alpha[:, :, None], 3, axis=2)
    enlarged, _ = enlarge_picture(TiledUpscaler(Bicubic(scale=2)), Picture(disc, alpha))
    assert enlarged.alpha is not None
    assert int(enlarged.colours[enlarged.alpha > 0].min()) == 255


def test_invisible_pixels_take_the_nearest_visible_colour() -> None:
    colours = np.array([[10, 0, 0, 0, 90]], np.uint8)
    alpha = np.array([[255, 0, 0, 0, 1]], np.uint8)
    assert spread_visible(colours, alpha)[0, [1, 3]].tolist() == [10, 90]
    assert np.array_equal(spread_visible(colours, np.zeros_like(alpha)), colours)
    assert spread_visible(colours, np.ones_like(alpha)) is colours


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_equal_channels_stay_equal_unless_that_is_not_wanted(dtype: type) -> None:
    upscaler, most = TiledUpscaler(Tinted()), 1 if dtype is np.float32 else np.iinfo(dtype).max
    grey = np.linspace(0, most, 48).reshape(6, 8).astype(dtype)
    in_colour = np.stack([grey] * 3, axis=2)
    kept, _ = enlarge(upscaler, in_colour)
    alone, _ = enlarge(upscaler, grey)
    assert kept.dtype == dtype
    assert np.array_equal(kept, np.stack([alone] * 3, axis=2))
    tinted, _ = enlarge(upscaler, in_colour, keep_grey=False)
    assert (tinted[:, :, 0] != tinted[:, :, 2]).all()
    other = in_colour.copy()
    other[3, 4, 1] += most / 255  # one level in one pixel: a picture in colour
    coloured, _ = enlarge(upscaler, other)
    assert (coloured[:, :, 0] != coloured[:, :, 2]).all()


def test_a_grey_picture_with_coloured_pixels_that_nobody_sees_is_grey() -> None:
    colours = np.full((4, 4, 3), 100, np.uint8)
    alpha = np.full((4, 4), 255, np.uint8)
    colours[0, 0], alpha[0, 0] = (255, 0, 0), 0
    enlarged, _ = enlarge_picture(TiledUpscaler(Tinted()), Picture(colours, alpha))
    assert np.ptp(enlarged.colours, axis=2).max() == 0
    tinted, _ = enlarge_picture(TiledUpscaler(Tinted()), Picture(colours, alpha), keep_grey=False)
    assert np.ptp(tinted.colours, axis=2).min() > 0
