from __future__ import annotations

import pytest
import torch

from zoo.errors import ShapeError
from zoo.losses.pixel import L1, MSE


def test_constant_offset() -> None:
    hr_image = torch.rand(2, 3, 5, 7)
    sr_image = (hr_image + 0.25).requires_grad_()
    assert MSE()(sr_image, hr_image).item() == pytest.approx(0.0625)
    assert L1()(sr_image, hr_image).item() == pytest.approx(0.25)
    (gradient,) = torch.autograd.grad(MSE()(sr_image, hr_image), sr_image)
    torch.testing.assert_close(gradient, torch.full_like(gradient, 2 * 0.25 / hr_image.numel()))


@pytest.mark.parametrize("loss", [MSE(), L1()])
def test_mean_over_the_batch(loss: MSE | L1) -> None:
    first, second = torch.rand(3, 3, 4, 4), torch.rand(3, 3, 4, 4)
    each = [loss(a[None], b[None]) for a, b in zip(first, second, strict=True)]
    torch.testing.assert_close(loss(first, second), torch.stack(each).mean())


def test_shapes_must_agree() -> None:
    with pytest.raises(ShapeError, match=r"\(1, 3, 4, 4\) and \(1, 3, 4, 5\)"):
        MSE()(torch.rand(1, 3, 4, 4), torch.rand(1, 3, 4, 5))


def test_nothing_else_shaped_the_value() -> None:
    assert MSE().provenance() == {}
