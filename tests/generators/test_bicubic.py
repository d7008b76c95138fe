from __future__ import annotations

import numpy as np
import pytest
import torch

from zoo.generators.bicubic import Bicubic, bicubic_upscale, cubic_kernel, phase_weights

SCALES = [2, 3, 4, 8]


def interpolation_matrix(size: int, scale: int) -> np.ndarray:
    """`(scale * size, size)`: Keys' kernel at every output pixel, edge pixels repeated outwards."""
    matrix = np.zeros((scale * size, size))
    for output in range(scale * size):
        centre = (output + 0.5) / scale - 0.5
        first = int(np.floor(centre)) - 1
        for sample in range(first, first + 4):
            x = abs(centre - sample)
            near = 1.5 * x**3 - 2.5 * x**2 + 1
            far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
            matrix[output, min(max(sample, 0), size - 1)] += near if x <= 1 else far
    return matrix


@pytest.mark.parametrize(
    ("distance", "weight"), [(0, 1), (0.5, 0.5625), (1, 0), (1.5, -0.0625), (2, 0), (3, 0)]
)
def test_kernel_closed_form(distance: float, weight: float) -> None:
    assert cubic_kernel(distance) == pytest.approx(weight, abs=1e-15)
    assert cubic_kernel(-distance) == cubic_kernel(distance)


@pytest.mark.parametrize("scale", SCALES)
def test_phases_sum_to_one_and_mirror(scale: int) -> None:
    weights = np.array(phase_weights(scale))
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-15)
    np.testing.assert_allclose(weights[::-1, ::-1], weights, atol=1e-15)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("size", [(1, 1), (1, 6), (2, 3), (9, 14)])
def test_equals_the_kernel_sum(scale: int, size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size, dtype=torch.float64)
    rows, columns = (interpolation_matrix(length, scale) for length in size)
    expected = np.einsum("Hh,nchw,Ww->ncHW", rows, image.numpy(), columns)
    np.testing.assert_allclose(bicubic_upscale(image, scale).numpy(), expected, atol=1e-14)
    np.testing.assert_allclose(bicubic_upscale(image.float(), scale), expected, atol=1e-6)


@pytest.mark.parametrize("scale", SCALES)
def test_constant_and_ramp_are_reproduced(scale: int) -> None:
    ramp = torch.arange(10.0).expand(1, 3, 4, 10)
    upscaled = bicubic_upscale(ramp, scale)
    expected = (torch.arange(10 * scale) + 0.5) / scale - 0.5
    inside = slice(2 * scale, -2 * scale)
    torch.testing.assert_close(upscaled[0, 0, 0, inside], expected[inside])
    torch.testing.assert_close(
        bicubic_upscale(torch.full((1, 1, 3, 5), 0.25), scale).std(), ramp.new_zeros(())
    )


def test_half_precision_is_computed_in_float32() -> None:
    image = torch.rand(1, 3, 5, 4).bfloat16()
    upscaled = bicubic_upscale(image, 4)
    assert upscaled.dtype == torch.bfloat16
    assert torch.equal(upscaled, bicubic_upscale(image.float(), 4).bfloat16())


def test_gradient() -> None:
    image = torch.rand(1, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: bicubic_upscale(x, 3), (image,))


def test_nothing_to_train() -> None:
    assert not Bicubic.trainable
    assert not list(Bicubic(scale=2).state_dict())
