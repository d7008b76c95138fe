"""Closed forms: kernels, resizing, noise, JPEG, and chains of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from zoo.data.resize import downscale
from zoo.degradations.base import to_pixels, to_unit
from zoo.degradations.bicubic import Bicubic
from zoo.degradations.blur import Blur
from zoo.degradations.chain import Chain
from zoo.degradations.jpeg import JPEG, compressed
from zoo.degradations.kernels import FAMILIES, filtered, gaussian, plateau, sinc
from zoo.degradations.noise import Noise, with_gaussian, with_poisson
from zoo.degradations.resampling import Method, resample
from zoo.recipes.arguments import complaints

FLAT = np.full((64, 48, 3), 0.5, dtype=np.float32)


def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def picture() -> np.ndarray:
    return rng().integers(0, 256, (64, 48, 3), dtype=np.uint8)


def test_pixels_survive_a_round_trip() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert np.array_equal(to_pixels(to_unit(levels)), levels)


@pytest.mark.parametrize("family", FAMILIES)
def test_kernels_sum_to_one_and_are_symmetric(family: str) -> None:
    function, is_anisotropic, has_shape = FAMILIES[family]
    axes = (1.5, 3.0) if is_anisotropic else (2.0, 2.0)
    kernel = function(21, axes, angle=0.7, shape=1.7 if has_shape else 1.0)
    assert math.isclose(kernel.sum(), 1, rel_tol=1e-5)
    assert np.allclose(kernel, kernel[::-1, ::-1])
    assert np.allclose(kernel, kernel.T) != is_anisotropic


def test_kernels_have_their_closed_forms() -> None:
    wide = gaussian(21, (1.5, 1.5))
    assert math.isclose(wide[10, 11] / wide[10, 10], math.exp(-0.5 / 1.5**2), rel_tol=1e-5)
    flat = plateau(21, (2.0, 2.0), shape=2.0)
    assert math.isclose(flat[10, 12] / flat[10, 10], 0.5, rel_tol=1e-5)
    turned = gaussian(21, (1.0, 3.0), angle=math.pi / 2)
    assert np.allclose(turned, gaussian(21, (3.0, 1.0)), atol=1e-7)
    moved = gaussian(21, (1.0, 1.0), shift=2)
    assert np.unravel_index(moved.argmax(), moved.shape) == (12, 12)


def test_a_sinc_filter_removes_what_is_above_its_cutoff() -> None:
    columns = np.arange(128)
    for frequency, expected in ((0.25 * math.pi, 1.0), (0.9 * math.pi, 0.0)):
        wave = np.sin(frequency * columns, dtype=np.float32)
        image = np.broadcast_to(wave[None, :, None], (64, 128, 3))
        rest = filtered(image, sinc(21, math.pi / 2))[16:-16, 16:-16]
        assert abs(rest.std() / image.std() - expected) < 0.1


def test_a_filter_is_a_convolution_and_leaves_a_flat_image() -> None:
    assert np.allclose(filtered(FLAT, gaussian(21, (2.0, 3.0))), FLAT, atol=1e-6)
    dot = np.zeros((31, 33, 1), dtype=np.float32)
    dot[15, 16] = 1
    kernel = gaussian(7, (1.0, 2.0), angle=0.4, shift=0.5)
    assert np.allclose(filtered(dot, kernel)[12:19, 13:20, 0], kernel, atol=1e-6)


@pytest.mark.parametrize("method", ["nearest", "area", "bilinear", "bicubic"])
def test_resizing_keeps_flat_images_ramps_and_sizes(method: Method) -> None:
    assert np.allclose(resample(FLAT, 23, 71, method), 0.5, atol=1e-6)
    assert np.array_equal(resample(FLAT, 64, 48, method), FLAT)
    ramp = np.broadcast_to(np.arange(40, dtype=np.float32)[:, None, None], (40, 8, 1))
    made = resample(ramp, 20, 8, method)[2:-2, 0, 0]
    centre = 0.0 if method == "nearest" else 0.5
    assert np.allclose(made, 2 * np.arange(20)[2:-2] + centre, atol=1e-4)


def test_area_averages_whole_blocks() -> None:
    image = to_unit(picture())
    blocks = image.reshape(16, 4, 12, 4, 3).mean(axis=(1, 3))
    assert np.allclose(resample(image, 16, 12, "area"), blocks, atol=1e-6)


def test_gaussian_noise_has_its_standard_deviation() -> None:
    noise = (with_gaussian(FLAT, 10.0, rng()) - FLAT) * 255
    assert abs(noise.std() - 10) < 0.3
    assert abs(np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1]) < 0.1
    grey = with_gaussian(FLAT, 10.0, rng(), grey=True)
    assert np.array_equal(grey[..., 0], grey[..., 2])


def test_poisson_noise_grows_with_the_root_of_the_intensity() -> None:
    ramp = np.tile(np.linspace(0, 1, 256, dtype=np.float32)[None, :, None], (400, 1, 3))
    noise = with_poisson(ramp, 1.0, rng()) - to_unit(to_pixels(ramp))
    found = noise.std(axis=(0, 2))
    assert np.allclose(found[8:], np.sqrt(ramp[0, 8:, 0] / 256), rtol=0.15)
    half = with_poisson(ramp, 0.5, rng()) - to_unit(to_pixels(ramp))
    assert np.allclose(half, noise / 2, atol=1e-6)


def test_single_values_are_applied_to_whole_images_once() -> None:
    assert not Bicubic().per_sample
    assert not Blur(sigma=(1.6, 1.6)).per_sample
    assert not JPEG(quality=(40, 40)).per_sample
    assert Blur().per_sample
    assert JPEG().per_sample
    assert Noise().per_sample


def test_a_chain_downscales_first_and_then_keeps_the_size() -> None:
    image = picture()
    chain = Chain(steps=({"name": "bicubic"}, {"name": "jpeg", "quality": [40, 40]}))
    assert not chain.per_sample
    made = chain(image, scale=4, rng=rng())
    assert np.array_equal(made, compressed(downscale(image, 4), 40))
    assert Chain(steps=({"name": "bicubic"}, {"name": "noise"})).per_sample
    assert np.array_equal(Blur(sigma=(0.0, 0.0))(image, scale=4, rng=rng()), downscale(image, 4))


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("chain", {"steps": []}, "at least one step"),
        ("chain", {"steps": [{"name": "blurr"}]}, "step 1: unknown degradation 'blurr'"),
        ("chain", {"steps": [{"name": "jpeg"}, {}]}, "step 2: unknown degradation ''"),
        ("chain", {"steps": [{"name": "jpeg", "qualty": 3}]}, "did you mean 'quality'"),
        ("chain", {"steps": [{"name": "jpeg", "quality": [0, 3]}]}, "go from 1 to 100"),
        ("jpeg", {"quality": [90, 30]}, "is no range of JPEG qualities"),
        ("blur", {"sigma": [3, 1]}, "is no range"),
        ("noise", {"grey_probability": 1.5}, "is no probability"),
    ],
)
def test_wrong_arguments_are_explained(name: str, arguments: dict, message: str) -> None:
    (found,) = complaints("degradations", name, arguments)
    assert message in found.message
