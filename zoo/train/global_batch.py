"""The mathematics of a batch that is spread over the processes of a run.

Every process computes its share of the batch. A mean over the batch is the mean of the processes'
means, so their gradients are averaged before each update. Three things are not such means: batch
normalisation, random numbers of samples, and norms that are logged. They are here. Means inside an
adversary's function are in `zoo.adversaries.logits`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.overrides import TorchFunctionMode

from zoo.runs.world import World

_OF_SIZES: Final = {torch.rand, torch.randn}
_OF_IMAGES: Final = {torch.rand_like, torch.randn_like}
_BUCKET_BYTES: Final = 32 * 2**20
"""Gradients are averaged in messages of about this size."""


class GlobalBatchNorm(_BatchNorm):
    """Batch normalisation with the statistics of the batch of all processes, on any device.

    `torch.nn.SyncBatchNorm` does this on GPUs only. Parameters, buffers and the result are those of
    `torch.nn.BatchNorm2d` on the whole batch; the gradient passes through the statistics, twice if
    it is asked for. In evaluation mode no process waits for another.
    """

    def forward(self, features: Tensor) -> Tensor:
        """Normalise `(N, C, ...)` values, N a process's share, over all dimensions but C."""
        if not (self.training or self.running_mean is None):
            return super().forward(features)
        dims = [0, *range(2, features.dim())]
        shape = (1, -1, *(1,) * (features.dim() - 2))
        values = features.to(torch.promote_types(features.dtype, torch.float32))
        mean = _global(values.mean(dims))
        centred = values - mean.view(shape)
        variance = _global(centred.square().mean(dims))
        self._follow(mean.detach(), variance.detach(), values.numel() // values.shape[1])
        normalised = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            normalised = normalised * self.weight.view(shape) + self.bias.view(shape)
        return normalised.to(features.dtype)

    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Update the running statistics as torch does, with the unbiased variance."""
        if self.running_mean is None or self.running_var is None:
            return
        whole = count * dist.get_world_size()
        factor = self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            factor = 1 / float(self.num_batches_tracked) if factor is None else factor
        factor = 0.0 if factor is None else factor
        unbiased = variance * (whole / max(whole - 1, 1))
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), factor)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), factor)

    def _check_input_dim(self, _features: Tensor) -> None:
        """Accept any number of dimensions, as this module does."""


def globalise(network: nn.Module, world: World, device: torch.device) -> nn.Module:
    """Return a network whose batch normalisation has the statistics of all processes.

    Names and values of parameters and buffers stay. On GPUs torch's own module does it.
    """
    if not world.is_shared:
        return network
    if device.type == "cuda":
        return cast("nn.Module", nn.SyncBatchNorm.convert_sync_batchnorm(network))
    if isinstance(network, _BatchNorm):
        return _global_form(network)
    for name, child in network.named_children():
        setattr(network, name, globalise(child, world, device))
    return network


def _global_form(layer: _BatchNorm) -> GlobalBatchNorm:
    made = GlobalBatchNorm(
        layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats
    )
    made.weight, made.bias = layer.weight, layer.bias
    made.running_mean, made.running_var = layer.running_mean, layer.running_var
    made.num_batches_tracked = layer.num_batches_tracked
    made.training = layer.training
    return made


class _GlobalDraws(TorchFunctionMode):
    """Draws random numbers of each sample for the whole batch, and returns this process's.

    All processes have the same random state, and keep it: each draws what one process would.
    """

    def __init__(self, world: World, num_samples: int) -> None:
        super().__init__()
        self._world, self._num_samples = world, num_samples

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Widen a draw whose first dimension is the samples of this process."""
        named = dict(kwargs or {})
        if func in _OF_IMAGES and len(args) == 1 and args[0].dim():
            like = args[0]
            named = {"dtype": like.dtype, "device": like.device} | named
            named.pop("memory_format", None)
            func = torch.rand if func is torch.rand_like else torch.randn
            args = (like.shape,)
        if func not in _OF_SIZES:
            return func(*args, **named)
        if "size" in named:
            args = (named.pop("size"),)
        sizes = tuple(args[0]) if len(args) == 1 and not isinstance(args[0], int) else tuple(args)
        if not sizes or sizes[0] != self._num_samples:
            return func(*args, **named)
        whole = func((sizes[0] * self._world.size, *sizes[1:]), **named)
        return whole.narrow(0, self._world.rank * sizes[0], sizes[0])


def global_draws(world: World, num_samples: int) -> AbstractContextManager[object]:
    """Return a context in which sample n gets its random numbers whoever draws them.

    Args:
        world: the processes.
        num_samples: samples of this process.
    """
    return _GlobalDraws(world, num_samples) if world.is_shared else nullcontext()


def average_gradients(network: nn.Module, world: World) -> None:
    """Replace each gradient by its mean over the processes: that of the whole batch."""
    if not world.is_shared:
        return
    gradients = [each.grad for each in network.parameters() if each.grad is not None]
    for bucket in _buckets(gradients):
        flat = torch.cat([gradient.flatten() for gradient in bucket])
        dist.all_reduce(flat)
        flat /= world.size
        parts = flat.split([gradient.numel() for gradient in bucket])
        for gradient, part in zip(bucket, parts, strict=True):
            gradient.copy_(part.view(gradient.shape))


def _buckets(gradients: Iterable[Tensor]) -> list[list[Tensor]]:
    """Return the gradients in lists of one type and about one size."""
    made: list[list[Tensor]] = []
    room = 0
    for gradient in gradients:
        size = gradient.numel() * gradient.element_size()
        if not made or room < size or made[-1][0].dtype != gradient.dtype:
            made.append([])
            room = _BUCKET_BYTES
        made[-1].append(gradient)
        room -= size
    return made


def global_norm(world: World, gradient: Tensor) -> Tensor:
    """Return the norm of the gradient of the whole batch at the images of all processes.

    A process has the gradient of its own mean, at its own images: `size` times its share.
    """
    norm: Tensor = gradient.norm()
    if not world.is_shared:
        return norm
    return _summed(norm.square()).sqrt() / world.size


def global_std(world: World, values: Tensor) -> Tensor:
    """Return the standard deviation of the values of all processes, unbiased."""
    if not world.is_shared:
        return values.std()
    mean = _summed(values.mean()) / world.size
    count = values.numel() * world.size
    variance = _summed((values - mean).square().sum()) / (count - 1)
    return variance.sqrt()


def _summed(value: Tensor) -> Tensor:
    dist.all_reduce(value)
    return value


class _Sum(torch.autograd.Function):
    """The sum of a tensor over the processes; gradients are summed too, any number of times."""

    @staticmethod
    def forward(_context: Any, value: Tensor) -> Tensor:
        return _summed(value.clone())

    @staticmethod
    def backward(_context: Any, gradient: Tensor) -> Tensor:
        return cast("Tensor", _Sum.apply(gradient.contiguous()))


def _global(mean: Tensor) -> Tensor:
    return cast("Tensor", _Sum.apply(mean)) / dist.get_world_size()
