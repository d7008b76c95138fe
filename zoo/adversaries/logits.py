"""How adversaries treat logits: read in full precision, averaged over the batch.

All means over the images of a batch are computed here. A run on several devices would change only
this module to average over all of them.
"""

from __future__ import annotations

import torch
import torch.distributed
from torch import Tensor

from zoo.adversaries.base import Critic


def score(discriminator: Critic, image: Tensor) -> Tensor:
    """Return the logits of `(N, 3, H, W)` images, in float32 at least: half precision saturates."""
    return at_least_float32(discriminator(image))


def score_both(discriminator: Critic, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logits of real and of fake images, `(N, 3, H, W)` each, as `score` does.

    In one pass where the discriminator says that it scores images apart: in larger batches a device
    does more at a time. In two otherwise: what batch normalisation makes of an image would depend
    on the images of the other kind.
    """
    if not getattr(discriminator, "scores_images_apart", False):
        return score(discriminator, real), score(discriminator, fake)
    logits = score(discriminator, torch.cat((real, fake)))
    return logits[: len(real)], logits[len(real) :]


def at_least_float32(values: Tensor) -> Tensor:
    """Return `values` in float32, or as they are if they are more precise."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def batch_mean(values: Tensor) -> Tensor:
    """Return the mean over this process's batch, a scalar.

    A loss that is a plain mean needs no more: data-parallel training averages its gradients.
    """
    return values.mean()


def global_mean(values: Tensor) -> Tensor:
    """Return the mean over the batches of all processes, a scalar that gradients flow through.

    A loss that applies a function to a mean, as the relativistic ones do, needs this one: the
    average of the functions is not the function of the average.
    """
    mean = batch_mean(values)
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return mean
    from torch.distributed.nn.functional import all_reduce  # not in every build of torch

    total: Tensor = all_reduce(mean)
    return total / torch.distributed.get_world_size()


def mean_logits(real_logits: Tensor, fake_logits: Tensor) -> dict[str, Tensor]:
    """Return `d_real` and `d_fake`, the mean logits of real and fake images, for the log."""
    return {
        "d_real": batch_mean(real_logits.detach()),
        "d_fake": batch_mean(fake_logits.detach()),
    }
