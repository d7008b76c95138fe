from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from zoo.generators.base import Generator
from zoo.generators.bicubic import Bicubic, bicubic_upscale
from zoo.models.trial import MIN_CORRELATION, SIDE, smooth_image, try_generator


class Changed(Generator):
    """Bicubic interpolation, then something else."""

    def __init__(self, change: Callable[[Tensor], Tensor]) -> None:
        super().__init__(scale=4)
        self.change = change

    def forward(self, lr_image: Tensor) -> Tensor:
        return self.change(bicubic_upscale(lr_image, self.scale))


def test_bicubic_agrees_with_itself() -> None:
    trial = try_generator(Bicubic())
    assert trial.passed
    assert trial.correlation == pytest.approx(1.0)
    assert trial.difference == 0.0


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda image: 2 * image - 1, "its output is in [-1, 1], not [0, 1]"),
        (lambda image: 255 * image, "about 255 times the image plus"),
        (lambda image: image.flip(1), "in the order BGR"),
        (torch.zeros_like, "it is a residual"),
        (lambda image: image.flip(3), "the correlation of its output with bicubic is -"),
        (lambda image: image / 0, "it has NaN or infinite values"),
        (torch.ones_like, "the correlation of its output with bicubic is 0.000"),
        (lambda image: 1 - image, "is -1.000"),
    ],
    ids=["range", "bytes", "bgr", "residual", "mirrored", "infinite", "constant", "negative"],
)
def test_what_is_wrong_is_measured_and_named(change: Callable[[Tensor], Tensor], told: str) -> None:
    trial = try_generator(Changed(change))
    assert not trial.passed
    assert told in trial.problem


def test_a_network_of_any_scale_is_judged_where_real_ones_pass_with_room() -> None:
    """At 32 pixels a sound x2 network correlated by 0.83."""
    assert SIDE == 64
    assert MIN_CORRELATION == 0.9


def test_the_image_shows_an_exchange_of_any_two_channels() -> None:
    correlations = torch.corrcoef(smooth_image().flatten(2)[0])
    assert (correlations - torch.eye(3)).abs().max() < 0.1
