"""Sizes of zoo's generators, inferred from the shapes of their tensors.

The names are ours; what other tools call the same tensors is in `zoo.models.layouts`. What has no
tensor (a skip, a scaling of residuals) cannot be read here and has the published value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from zoo.errors import WeightsError

Tensors = Mapping[str, torch.Tensor]
_FACTORS = {4: 2, 9: 3}
_PLANES = 3
_MAX_STAGES = 3
_UNSHUFFLED = {12: 2, 48: 1}


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the shapes tell.

    Attributes:
        scale: the upscaling factor.
        arguments: the generator's other constructor arguments.
        scales: the factors the shapes leave open; `scale` is the usual one of them.
    """

    scale: int
    arguments: dict[str, Any]
    scales: tuple[int, ...] = ()


def count(tensors: Tensors, pattern: str) -> int:
    """Return how many numbered parts there are: one more than the largest number in group 1.

    Raises:
        WeightsError: if a number is missing.
    """
    found = {int(match[1]) for name in tensors if (match := re.match(pattern, name))}
    if found and max(found) != len(found) - 1:
        raise WeightsError(
            f"parts are missing: {pattern} appears {len(found)} times, with numbers up to "
            f"{max(found)}"
        )
    return len(found)


def rrdb_sizes(tensors: Tensors) -> Sizes:
    """Read the sizes of an RRDBNet; one upsampling stage may be of two or of three."""
    width, planes = _conv(tensors, "conv_first.weight")[:2]
    if planes in _UNSHUFFLED:
        raise WeightsError(
            f"this RRDB network has {planes} input channels, because it folds the image into "
            f"channels, as Real-ESRGAN's x{_UNSHUFFLED[planes]} does; this is another function "
            "than rrdb's, and zoo has no generator for it"
        )
    _require_rgb(planes, _conv(tensors, "conv_last.weight")[0])
    stages = len([name for name in tensors if re.fullmatch(r"conv_up\d+\.weight", name)])
    scales = {1: (2, 3), 2: (4,), 3: (8,)}.get(stages)
    if scales is None:
        raise WeightsError(f"{stages} upsampling stages: zoo has no RRDBNet with this number")
    norm = "batch" if "body.0.rdb1.norm1.weight" in tensors else "none"
    arguments = {
        "width": width,
        "growth": _conv(tensors, "body.0.rdb1.conv1.weight")[0],
        "num_blocks": count(tensors, r"body\.(\d{1,4})\."),
        "norm": norm,
    }
    return Sizes(scales[0], arguments, scales)


def msrresnet_sizes(tensors: Tensors) -> Sizes:
    """Read the sizes of an MSRResNet."""
    width, planes = _conv(tensors, "conv_first.weight")[:2]
    _require_rgb(planes, _conv(tensors, "conv_last.weight")[0])
    stages = _numbered(tensors, r"upconv(\d+)\.weight")
    scale = _scale(tensors, [f"upconv{stage}.weight" for stage in stages])
    return Sizes(scale, {"width": width, "num_blocks": count(tensors, r"body\.(\d{1,4})\.")})


def srresnet_sizes(tensors: Tensors) -> Sizes:
    """Read the sizes of an SRResNet."""
    width, planes, kernel_size = _conv(tensors, "head.0.weight")[:3]
    _require_rgb(planes, _conv(tensors, "tail.weight")[0])
    layers = [f"upsampler.{one}.weight" for one in _numbered(tensors, r"upsampler\.(\d+)\.weight")]
    scale = _scale(tensors, [name for name in layers if tensors[name].ndim > 1])
    blocks = _numbered(tensors, r"trunk\.(\d+)\.branch\.0\.weight")
    norm = "batch" if any(name.endswith("running_mean") for name in tensors) else "none"
    arguments = {"width": width, "num_blocks": len(blocks), "norm": norm}
    if kernel_size != 9:  # SRGAN has 9, and some generators no argument for it
        arguments["kernel_size"] = kernel_size
    return Sizes(scale, arguments)


def _numbered(tensors: Tensors, pattern: str) -> list[int]:
    return sorted({int(match[1]) for name in tensors if (match := re.fullmatch(pattern, name))})


def _conv(tensors: Tensors, name: str) -> tuple[int, int, int, int]:
    tensor = tensors.get(name)
    if tensor is None or tensor.ndim != 4:  # outputs, inputs, height, width
        shape = "missing" if tensor is None else f"of shape {tuple(tensor.shape)}"
        raise WeightsError(f"{name} is {shape}: it must be the weight of a convolution")
    return tensor.shape[0], tensor.shape[1], tensor.shape[2], tensor.shape[3]


def _scale(tensors: Tensors, stages: list[str]) -> int:
    if len(stages) > _MAX_STAGES:
        raise WeightsError(
            f"{len(stages)} upsampling stages: zoo has no generator with this number"
        )
    return math.prod(_factor(tensors, name) for name in stages)


def _factor(tensors: Tensors, name: str) -> int:
    outputs, inputs = _conv(tensors, name)[:2]
    factor = _FACTORS.get(outputs // inputs if inputs and outputs % inputs == 0 else 0)
    if factor is None:
        raise WeightsError(
            f"{name} is not a sub-pixel convolution for x2 or x3: {inputs} -> {outputs}"
        )
    return factor


def _require_rgb(inputs: int, outputs: int) -> None:
    if (inputs, outputs) != (_PLANES, _PLANES):
        raise WeightsError(
            f"the network has {inputs} input and {outputs} output channels, but zoo's images are "
            "RGB"
        )
