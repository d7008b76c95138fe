"""Losses against independent computations: NumPy, SciPy, Pillow, piq."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import piq
import pytest
import scipy.ndimage
import torch
from PIL import Image
from torch import Tensor

from zoo.data.resize import taps
from zoo.errors import ShapeError
from zoo.losses import consistency
from zoo.losses.artifacts import LocallyDiscriminative
from zoo.losses.charbonnier import Charbonnier
from zoo.losses.consistency import Consistency, downscaled
from zoo.losses.frequency import FocalFrequency, Fourier
from zoo.losses.gradient import FLAT, Gradient, TotalVariation
from zoo.losses.kinds import PreciseLoss, Seen
from zoo.losses.structure import MultiScaleSSIM
from zoo.recipes.book import load_book
from zoo.recipes.resolve import resolve

Array = npt.NDArray[np.float64]


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    hr_image = torch.rand(*shape, dtype=torch.float64, generator=generator)
    noise = torch.rand(*shape, dtype=torch.float64, generator=generator)
    return hr_image + 0.2 * (noise - 0.5), hr_image


def focal(sr_image: Array, hr_image: Array) -> float:
    distances = np.abs(np.fft.fft2(sr_image) - np.fft.fft2(hr_image)) / np.sqrt(sr_image[0, 0].size)
    largest = distances.max(axis=(2, 3), keepdims=True)
    return float((distances / largest * distances**2).mean())


def sobel_maps(image: Array) -> Array:
    planes = image.reshape(-1, *image.shape[2:])
    slopes = [[scipy.ndimage.sobel(plane, axis) / 8 for plane in planes] for axis in (1, 0)]
    across, down = np.array(slopes)[:, :, 1:-1, 1:-1]
    return np.asarray(np.sqrt(across**2 + down**2 + FLAT))


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (Charbonnier(), lambda a, b: np.hypot(a - b, 1e-3).mean()),
        (Charbonnier(epsilon=0.1), lambda a, b: np.hypot(a - b, 0.1).mean()),
        (
            Fourier(),
            lambda a, b: np.stack([(d := np.fft.fft2(a - b)).real, d.imag]).__abs__().mean(),
        ),
        (FocalFrequency(), focal),
        (FocalFrequency(alpha=0), lambda a, b: ((a - b) ** 2).mean()),  # Parseval's theorem
        (Gradient(), lambda a, b: np.abs(sobel_maps(a) - sobel_maps(b)).mean()),
        (
            TotalVariation(),
            lambda a, b: np.abs(np.diff(a, axis=2)).mean() + np.abs(np.diff(a, axis=3)).mean(),
        ),
    ],
)
def test_formula(loss: PreciseLoss, expected: Callable[[Array, Array], float]) -> None:
    sr_image, hr_image = pair(2, 3, 9, 12)
    value = loss(sr_image, hr_image)
    assert value.item() == pytest.approx(expected(sr_image.numpy(), hr_image.numpy()), rel=1e-9)


def test_the_weight_of_the_gradient_maps_is_that_of_their_paper() -> None:
    rows = torch.rand(2, 1, 1, 1, 16, generator=torch.Generator().manual_seed(0))
    sr_image, hr_image = 5 * rows.double().expand(2, 1, 3, 8, 16)
    across = [(image[..., 2:] - image[..., :-2]).abs() for image in (sr_image, hr_image)]
    published = 0.01 * (across[0] - across[1]).abs().mean().item()
    weight = resolve(load_book(), "esrgan-guided", "smoke").spec.settings.losses["gradient"].weight
    ours = weight * Gradient()(sr_image, hr_image).item()
    assert ours == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize("loss", [Fourier(), FocalFrequency(), Gradient(), Charbonnier()])
def test_equal_images_have_a_finite_gradient(loss: PreciseLoss) -> None:
    image = torch.full((1, 3, 8, 8), 0.5, requires_grad=True)
    (gradient,) = torch.autograd.grad(loss(image, image.detach()), image)
    assert gradient.isfinite().all()


def test_a_ramp_has_its_slope() -> None:
    ramp = torch.linspace(0, 0.9, 10).expand(1, 3, 10, 10)
    assert Gradient()(ramp, torch.zeros_like(ramp)).item() == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize(("scales", "shape"), [(5, (2, 3, 163, 170)), (2, (1, 3, 21, 32))])
def test_ms_ssim_is_that_of_piq(scales: int, shape: tuple[int, ...]) -> None:
    sr_image, hr_image = (image.clamp(0, 1) for image in pair(*shape))
    weights = torch.tensor([0.0448, 0.2856, 0.3001, 0.2363, 0.1333][:scales], dtype=torch.float64)
    theirs = piq.multi_scale_ssim(sr_image, hr_image, scale_weights=weights)
    ours = MultiScaleSSIM(num_scales=scales)(sr_image, hr_image)
    assert 1 - ours.item() == pytest.approx(theirs.item(), abs=1e-6)


def test_ms_ssim_of_a_negative_has_a_finite_gradient() -> None:
    hr_image = pair(1, 3, 21, 21)[1]
    sr_image = (1 - hr_image).requires_grad_()
    (gradient,) = torch.autograd.grad(MultiScaleSSIM(num_scales=2)(sr_image, hr_image), sr_image)
    assert gradient.isfinite().all()


def test_ms_ssim_needs_room_for_its_scales() -> None:
    with pytest.raises(ShapeError, match="161x161"):
        MultiScaleSSIM()(*pair(1, 3, 160, 200))


def test_ldl_weighs_each_pixel() -> None:
    sr_image, hr_image = pair(2, 3, 9, 10)
    average = hr_image + 0.05
    error = (hr_image - sr_image).abs().numpy()
    residual = error.sum(1)
    padded = np.pad(residual, ((0, 0), (3, 3), (3, 3)), mode="reflect")
    weight = np.empty_like(residual)
    for n, i, j in np.ndindex(*residual.shape):
        local = padded[n, i : i + 7, j : j + 7].var(ddof=1)
        is_worse = residual[n, i, j] >= 3 * 0.05
        weight[n, i, j] = residual[n].var(ddof=1) ** 0.2 * local * is_worse
    assert 0 < (weight > 0).mean() < 1
    expected = (weight[:, None] * error).mean()
    seen = Seen(downscaled(hr_image, 1), lambda: average)
    value = LocallyDiscriminative()(sr_image, hr_image, seen)
    assert value.item() == pytest.approx(expected, rel=1e-9)


def test_downscaling_is_that_of_pillow_inside() -> None:
    image = pair(1, 1, 40, 48)[1]
    plane = Image.fromarray(image[0, 0].numpy().astype(np.float32))
    theirs = np.asarray(plane.resize((12, 10), Image.Resampling.BICUBIC))
    ours = downscaled(image, 4)[0, 0].numpy()
    np.testing.assert_allclose(ours[2:-2, 2:-2], theirs[2:-2, 2:-2], atol=1e-5)


def test_consistency_looks_at_the_input_alone() -> None:
    sr_image, hr_image = pair(2, 3, 16, 24)
    lr_image = downscaled(sr_image, 4) + 0.1
    seen = Seen(lr_image, lambda: hr_image)
    assert Consistency()(sr_image, hr_image, seen).item() == pytest.approx(0.1)
    with pytest.raises(ShapeError, match="no multiple"):
        Consistency()(sr_image, hr_image, Seen(lr_image[..., 1:], lambda: hr_image))


def test_taps_are_computed_once_for_all_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def counted(size: int, new_size: int) -> tuple[npt.NDArray[np.intp], Array]:
        sizes.append(size)
        return taps(size, new_size)

    monkeypatch.setattr(consistency, "taps", counted)
    image = torch.rand(1, 3, 36, 60)
    with torch.inference_mode():
        expected = downscaled(image, 4)
    image.requires_grad_()
    found = downscaled(image, 4)
    found.sum().backward()
    assert torch.equal(found.detach(), expected)
    assert sizes == [36, 60]


def test_a_loss_of_the_step_needs_it() -> None:
    with pytest.raises(TypeError, match="Consistency needs `seen`"):
        Consistency()(*pair(1, 3, 8, 8))
