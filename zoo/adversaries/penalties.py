"""Penalties on the gradient of a critic with respect to its input."""

from __future__ import annotations

import torch
from torch import Tensor

from zoo.adversaries.base import Critic
from zoo.adversaries.logits import at_least_float32, batch_mean


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return E[(|grad C(x_hat)| - 1)^2] and E[|grad C(x_hat)|] (Gulrajani et al. 2017, Eq. 3).

    x_hat lies between a real and a fake image, at a place drawn once per image from the device's
    global generator. The norm is that of the whole gradient of one image: taken over channels
    alone, as some frameworks do, it would ask for a slope of sqrt(H * W).

    Autocast is off in here: a slope near one, squared and differentiated twice, is lost in half
    precision. A vector norm has the gradient zero where the slope is zero; a square root of a sum
    of squares has NaN.

    Args:
        critic: scores images; where it scores patches, an image's score is their mean.
        real: `(N, 3, H, W)` images, RGB in [0, 1].
        fake: `(N, 3, H, W)` generated images; no gradient reaches them.

    Returns:
        The penalty, differentiable in the critic's parameters, and the mean slope for the log, two
        scalars.
    """
    with torch.autocast(device_type=real.device.type, enabled=False):
        slopes = _slopes(critic, _between(real, fake))
        return batch_mean((slopes - 1).square()), batch_mean(slopes.detach())


def _between(real: Tensor, fake: Tensor) -> Tensor:
    """Return one point on the line from each fake image to its real one: `(N, 3, H, W)`."""
    real, fake = at_least_float32(real.detach()), at_least_float32(fake.detach())
    factor = torch.rand((len(real), 1, 1, 1), device=real.device, dtype=real.dtype)
    return torch.lerp(fake, real, factor)


def _slopes(critic: Critic, image: Tensor) -> Tensor:
    """Return the norm of each image's gradient, `(N,)`, with its graph."""
    image.requires_grad_()
    scores = at_least_float32(critic(image)).flatten(1).mean(1)
    # No image's score depends on another image, so the gradient of the sum holds each one's own.
    (gradient,) = torch.autograd.grad(scores.sum(), image, create_graph=True)
    slopes: Tensor = torch.linalg.vector_norm(gradient.flatten(1), dim=1)
    return slopes
