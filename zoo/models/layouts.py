"""The checkpoint layouts that zoo can read: how a file is recognised, and zoo's names.

Each layout is exact: `zoo.models.foreign` refuses a file with one key too many or too few. The
facts about other tools' files come from their public sources.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import torch

from zoo.generators.base import Generator
from zoo.generators.msrresnet import MSRResNet
from zoo.generators.rrdb import RRDBNet
from zoo.generators.srresnet import SRResNet
from zoo.generators.srresnet_tanh import TanhSRResNet
from zoo.models.sizes import Sizes, Tensors, msrresnet_sizes, rrdb_sizes, srresnet_sizes

Rename = Callable[[Tensors], dict[str, torch.Tensor]]


@dataclass(frozen=True, slots=True)
class Layout:
    """One way in which the weights of a generator are named.

    Attributes:
        title: what it is, for people.
        generator: the class of ours that computes the same.
        marks: names that a file in it has; the first layout that fits a file is taken.
        rename: from the file's names to ours.
        sizes: from tensors under our names to constructor arguments.
        remark: what a user should know of files in it, empty if there is nothing.
    """

    title: str
    generator: type[Generator]
    marks: tuple[str, ...]
    rename: Rename
    sizes: Callable[[Tensors], Sizes]
    remark: str = ""


def _by_rules(*rules: tuple[str, str]) -> Rename:
    """Rename by the first pattern that matches a whole name; a name without one stays."""
    compiled = [(re.compile(pattern), name) for pattern, name in rules]

    def rename(tensors: Tensors) -> dict[str, torch.Tensor]:
        return {_renamed(name, compiled): value for name, value in tensors.items()}

    return rename


def _renamed(name: str, rules: list[tuple[re.Pattern[str], str]]) -> str:
    for pattern, replacement in rules:
        match = pattern.fullmatch(name)
        if match is not None:
            return match.expand(replacement)
    return name


_NUMBERED = re.compile(r"model\.(\d{1,2})\.")
_TRUNK = re.compile(r"model\.1\.sub\.(\d{1,3})\.")


def _esrgan_2018(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Rename the sequential layout: its last layers are numbered after the upsampling stages.

    0 is the first convolution, 1 the trunk whose last part is the convolution after the blocks,
    then three numbers a stage, of which the second is a convolution, and two convolutions with an
    activation between.
    """
    last = max((int(match[1]) for name in tensors if (match := _NUMBERED.match(name))), default=0)
    trunk = [int(match[1]) for name in tensors if (match := _TRUNK.match(name))]
    rules = [
        (r"model\.0\.(weight|bias)", r"conv_first.\1"),
        (rf"model\.1\.sub\.{max(trunk, default=0)}\.(weight|bias)", r"conv_body.\1"),
        (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.(weight|bias)", r"body.\1.rdb\2.conv\3.\4"),
        (rf"model\.{last - 2}\.(weight|bias)", r"conv_hr.\1"),
        (rf"model\.{last}\.(weight|bias)", r"conv_last.\1"),
    ]
    stages = range(3, last - 2, 3)
    rules += [(rf"model\.{n}\.(weight|bias)", rf"conv_up{n // 3}.\1") for n in stages]
    return _by_rules(*rules)(tensors)


_BLOCK_PARTS = {"conv1": 0, "bn1": 1, "prelu": 2, "conv2": 3, "bn2": 4}
_BLOCK = re.compile(r"block(\d{1,3})\.(conv1|bn1|prelu|conv2|bn2)\.(\w+)")
_STAGE = re.compile(r"block\d{1,3}\.(\d)\.(conv|prelu)\.(\w+)")


def _leftthomas(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Rename blocks 1 to n: the head, the residual blocks, the trunk's end, the upsampler."""
    numbers = [int(match[1]) for name in tensors if (match := re.match(r"block(\d{1,3})\.", name))]
    final = max(numbers, default=0)
    trunk = final - 3  # residual blocks: all but the first and the last two
    stages = {match[1] for name in tensors if (match := _STAGE.fullmatch(name))}
    ends = [
        (re.compile(r"block1\.(\d)\.(\w+)"), r"head.\1.\2"),
        (re.compile(rf"block{final - 1}\.0\.(\w+)"), rf"trunk.{trunk}.\1"),
        (re.compile(rf"block{final - 1}\.1\.(\w+)"), rf"trunk.{trunk + 1}.\1"),
        (re.compile(rf"block{final}\.{len(stages)}\.(weight|bias)"), r"tail.\1"),
    ]

    def rename(name: str) -> str:
        if block := _BLOCK.fullmatch(name):
            return f"trunk.{int(block[1]) - 2}.branch.{_BLOCK_PARTS[block[2]]}.{block[3]}"
        if stage := _STAGE.fullmatch(name):
            layer = 3 * int(stage[1]) + (0 if stage[2] == "conv" else 2)
            return f"upsampler.{layer}.{stage[3]}"
        return _renamed(name, ends)

    return {rename(name): value for name, value in tensors.items()}


def _lornatang(tensors: Tensors) -> dict[str, torch.Tensor]:
    """Rename, and add the zero biases that its convolutions before batch norm do without."""
    blocks = {match[1] for name in tensors if (match := re.match(r"trunk\.(\d{1,3})\.rcb\.", name))}
    trunk = len(blocks)
    stages = {match[1] for name in tensors if (match := re.match(r"upsampling\.(\d)\.", name))}
    rules = [
        (r"conv(?:_block)?1\.(\d)\.(\w+)", r"head.\1.\2"),
        (r"trunk\.(\d+)\.rcb\.(\d)\.(\w+)", r"trunk.\1.branch.\2.\3"),
        (r"conv(?:_block)?2\.0\.(\w+)", rf"trunk.{trunk}.\1"),
        (r"conv(?:_block)?2\.1\.(\w+)", rf"trunk.{trunk + 1}.\1"),
        (r"conv(?:_block)?3\.(weight|bias)", r"tail.\1"),
    ]
    for stage in range(len(stages)):
        rules += [
            (rf"upsampling\.{stage}\.upsample_block\.{k}\.(\w+)", rf"upsampler.{3 * stage + k}.\1")
            for k in (0, 2)
        ]
    renamed = _by_rules(*rules)(tensors)
    convs = [f"trunk.{n}.branch.{k}" for n in range(trunk) for k in (0, 3)] + [f"trunk.{trunk}"]
    for conv in convs:
        weight = renamed.get(f"{conv}.weight")
        if weight is not None and weight.ndim:
            renamed.setdefault(f"{conv}.bias", torch.zeros(weight.shape[0]))
    return renamed


def _same(tensors: Tensors) -> dict[str, torch.Tensor]:
    return dict(tensors)


_ESRGAN_2019 = _by_rules(
    (r"RRDB_trunk\.(\d+)\.RDB(\d)\.conv(\d)\.(weight|bias)", r"body.\1.rdb\2.conv\3.\4"),
    (r"trunk_conv\.(weight|bias)", r"conv_body.\1"),
    (r"upconv(\d)\.(weight|bias)", r"conv_up\1.\2"),
    (r"HRconv\.(weight|bias)", r"conv_hr.\1"),
)
_MSRRESNET_2019 = _by_rules(
    (r"recon_trunk\.(\d+)\.(conv\d)\.(weight|bias)", r"body.\1.\2.\3"),
    (r"HRconv\.(weight|bias)", r"conv_hr.\1"),
)
_CLAMPED = "that code clamps its output to [0, 1]; zoo clamps when it writes an image"

LAYOUTS = (
    Layout(
        "RRDBNet with the names of BasicSR, Real-ESRGAN and zoo",
        RRDBNet,
        ("conv_first.weight", "body.0.rdb1.conv1.weight", "conv_body.weight"),
        _same,
        rrdb_sizes,
    ),
    Layout(
        "RRDBNet of ESRGAN's first release (old architecture)",
        RRDBNet,
        ("model.0.weight", "model.1.sub.0.RDB1.conv1.0.weight"),
        _esrgan_2018,
        rrdb_sizes,
    ),
    Layout(
        "RRDBNet of ESRGAN's second release (new architecture)",
        RRDBNet,
        ("conv_first.weight", "RRDB_trunk.0.RDB1.conv1.weight", "trunk_conv.weight"),
        _ESRGAN_2019,
        rrdb_sizes,
    ),
    Layout(
        "MSRResNet with the names of BasicSR and zoo",
        MSRResNet,
        ("conv_first.weight", "body.0.conv1.weight", "upconv1.weight", "conv_hr.weight"),
        _same,
        msrresnet_sizes,
    ),
    Layout(
        "MSRResNet of KAIR and of BasicSR's first release",
        MSRResNet,
        ("conv_first.weight", "recon_trunk.0.conv1.weight", "HRconv.weight"),
        _MSRRESNET_2019,
        msrresnet_sizes,
    ),
    Layout(
        "SRResNet with zoo's names",
        SRResNet,
        ("head.0.weight", "trunk.0.branch.0.weight", "tail.weight"),
        _same,
        srresnet_sizes,
        "weights do not show a residual_scaling or interpolation_skip, so zoo assumes none; model "
        "files and run directories of zoo record them",
    ),
    Layout(
        "SRResNet of Lornatang/SRGAN-PyTorch",
        SRResNet,
        ("conv1.0.weight", "trunk.0.rcb.0.weight", "conv3.weight"),
        _lornatang,
        srresnet_sizes,
        _CLAMPED,
    ),
    Layout(
        "SRResNet of Lornatang/SRGAN-PyTorch, 2022",
        SRResNet,
        ("conv_block1.0.weight", "trunk.0.rcb.0.weight", "conv_block3.weight"),
        _lornatang,
        srresnet_sizes,
        _CLAMPED,
    ),
    Layout(
        "SRResNet of leftthomas/SRGAN",
        TanhSRResNet,
        ("block1.0.weight", "block2.conv1.weight", "block2.bn1.weight"),
        _leftthomas,
        srresnet_sizes,
    ),
    Layout(
        "SRResNet with a tanh, with zoo's names: only on request",
        TanhSRResNet,
        ("head.0.weight", "trunk.0.branch.0.weight", "tail.weight"),
        _same,
        srresnet_sizes,
    ),
)
