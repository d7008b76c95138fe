"""Networks of other tools, in plain functions of their files' tensors, and weights for them.

`passing` makes weights with which a network nearly enlarges the image, so that it passes the trial
of an import, and noise on every tensor, so that a wrong tensor shows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.registry import GENERATORS

State = Mapping[str, Tensor]
NOISE = 3e-3
PASSING = ("conv", "head", "upconv", "upsampler")


@torch.no_grad()
def passing(name: str, **arguments: object) -> Generator:
    """Return a generator of ours that passes colours through, with noise on every number."""
    torch.manual_seed(0)
    network = GENERATORS.get(name)(**arguments)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.weight.normal_(std=NOISE)
            layer.bias.normal_(std=NOISE)
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(std=NOISE)
            layer.running_var.uniform_(0.5, 1.5)
            layer.weight.uniform_(0.5, 1.5)
            layer.bias.normal_(std=NOISE)
    for key, layer in network.named_modules():
        passes = key.startswith(PASSING) and key != "conv_body"
        if passes and isinstance(layer, nn.Conv2d):
            _pass_through(layer)
    if hasattr(network, "tail"):
        _pass_through(network.tail)
    if name == "msrresnet":  # it adds the image itself
        network.conv_last.weight.normal_(std=NOISE)
    if name == "srresnet-tanh":  # tanh is nearly straight from -1 to 1
        network.tail.weight.mul_(2)
        network.tail.bias.sub_(1)
    return network.eval()


def _pass_through(conv: nn.Conv2d) -> None:
    """Copy colour c to each of the outputs that a pixel shuffle makes colour c of."""
    factor = conv.out_channels // conv.in_channels or 1
    if conv.in_channels == 3 or conv.out_channels == 3:
        factor = 1
    middle = conv.kernel_size[0] // 2
    for output in range(min(3 * factor, conv.out_channels)):
        conv.weight[output, output // factor, middle, middle] += 1


def conv(state: State, name: str, image: Tensor) -> Tensor:
    weight = state[f"{name}.weight"]
    return F.conv2d(image, weight, state.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def norm(state: State, name: str, image: Tensor) -> Tensor:
    mean, variance = state[f"{name}.running_mean"], state[f"{name}.running_var"]
    return F.batch_norm(image, mean, variance, state[f"{name}.weight"], state[f"{name}.bias"])


def msrresnet(
    state: State, image: Tensor, *, scale: int, num_blocks: int, trunk: str, last: str
) -> Tensor:
    """Compute MSRResNet as BasicSR and KAIR do; they differ in names only."""
    features = F.leaky_relu(conv(state, "conv_first", image), 0.1)
    for block in range(num_blocks):
        inner = F.relu(conv(state, f"{trunk}.{block}.conv1", features))
        features = features + conv(state, f"{trunk}.{block}.conv2", inner)
    for stage, factor in enumerate({2: (2,), 3: (3,), 4: (2, 2)}[scale], start=1):
        features = F.pixel_shuffle(conv(state, f"upconv{stage}", features), factor)
        features = F.leaky_relu(features, 0.1)
    residual = conv(state, "conv_last", F.leaky_relu(conv(state, last, features), 0.1))
    return residual + F.interpolate(image, scale_factor=scale, mode="bilinear", align_corners=False)


def leftthomas(state: State, image: Tensor, *, num_blocks: int, num_stages: int) -> Tensor:
    """Compute the generator of leftthomas/SRGAN."""
    first = F.prelu(conv(state, "block1.0", image), state["block1.1.weight"])
    features = first
    for block in range(2, num_blocks + 2):
        name = f"block{block}"
        inner = norm(state, f"{name}.bn1", conv(state, f"{name}.conv1", features))
        inner = F.prelu(inner, state[f"{name}.prelu.weight"])
        features = features + norm(state, f"{name}.bn2", conv(state, f"{name}.conv2", inner))
    end, up = f"block{num_blocks + 2}", f"block{num_blocks + 3}"
    features = first + norm(state, f"{end}.1", conv(state, f"{end}.0", features))
    for stage in range(num_stages):
        features = F.pixel_shuffle(conv(state, f"{up}.{stage}.conv", features), 2)
        features = F.prelu(features, state[f"{up}.{stage}.prelu.weight"])
    return (torch.tanh(conv(state, f"{up}.{num_stages}", features)) + 1) / 2


def lornatang(
    state: State, image: Tensor, *, num_blocks: int, num_stages: int, conv_name: str
) -> Tensor:
    """Compute the generator of Lornatang/SRGAN-PyTorch, without its final clamp."""
    first = F.prelu(conv(state, f"{conv_name}1.0", image), state[f"{conv_name}1.1.weight"])
    features = first
    for block in range(num_blocks):
        name = f"trunk.{block}.rcb"
        inner = norm(state, f"{name}.1", conv(state, f"{name}.0", features))
        inner = conv(state, f"{name}.3", F.prelu(inner, state[f"{name}.2.weight"]))
        features = features + norm(state, f"{name}.4", inner)
    features = norm(state, f"{conv_name}2.1", conv(state, f"{conv_name}2.0", features)) + first
    for stage in range(num_stages):
        name = f"upsampling.{stage}.upsample_block"
        features = F.pixel_shuffle(conv(state, f"{name}.0", features), 2)
        features = F.prelu(features, state[f"{name}.2.weight"])
    return conv(state, f"{conv_name}3", features)


def renamed(state: State, *rules: tuple[str, str]) -> dict[str, Tensor]:
    """Give every tensor the name that the first fitting rule makes of it."""
    made = {}
    for name, value in state.items():
        fitting = (re.fullmatch(pattern, name) and (pattern, to) for pattern, to in rules)
        pattern, to = next(rule for rule in fitting if rule)
        made[re.sub(pattern, to, name)] = value.clone()
    return made


def esrgan_2018(state: State, num_blocks: int, num_stages: int) -> dict[str, Tensor]:
    """Name an RRDBNet as `RRDB_ESRGAN_x4.pth` of 2018 does."""
    after = 3 * num_stages
    return renamed(
        state,
        (r"conv_first\.(\w+)", r"model.0.\1"),
        (r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(\w+)", r"model.1.sub.\1.RDB\2.conv\3.0.\4"),
        (r"conv_body\.(\w+)", rf"model.1.sub.{num_blocks}.\1"),
        (r"conv_up1\.(\w+)", r"model.3.\1"),
        (r"conv_up2\.(\w+)", r"model.6.\1"),
        (r"conv_up3\.(\w+)", r"model.9.\1"),
        (r"conv_hr\.(\w+)", rf"model.{after + 2}.\1"),
        (r"conv_last\.(\w+)", rf"model.{after + 4}.\1"),
    )


def esrgan_2019(state: State) -> dict[str, Tensor]:
    """Name an RRDBNet as ESRGAN's second release does."""
    return renamed(
        state,
        (r"body\.(\d+)\.rdb(\d)\.conv(\d)\.(\w+)", r"RRDB_trunk.\1.RDB\2.conv\3.\4"),
        (r"conv_body\.(\w+)", r"trunk_conv.\1"),
        (r"conv_up(\d)\.(\w+)", r"upconv\1.\2"),
        (r"conv_hr\.(\w+)", r"HRconv.\1"),
        (r"(conv_first|conv_last)\.(\w+)", r"\1.\2"),
    )


def msrresnet_2019(state: State) -> dict[str, Tensor]:
    """Name an MSRResNet as KAIR does."""
    return renamed(
        state,
        (r"body\.(.+)", r"recon_trunk.\1"),
        (r"conv_hr\.(\w+)", r"HRconv.\1"),
        (r"(.+)", r"\1"),
    )


def leftthomas_names(state: State, num_blocks: int, num_stages: int) -> dict[str, Tensor]:
    """Name an SRResNet as leftthomas/SRGAN does."""
    parts = ("conv1", "bn1", "prelu", "conv2", "bn2")
    rules = [
        (rf"trunk\.{block}\.branch\.{index}\.(\w+)", rf"block{block + 2}.{part}.\1")
        for block in range(num_blocks)
        for index, part in enumerate(parts)
    ]
    up = num_blocks + 3
    for stage in range(num_stages):
        rules.append((rf"upsampler\.{3 * stage}\.(\w+)", rf"block{up}.{stage}.conv.\1"))
        rules.append((rf"upsampler\.{3 * stage + 2}\.(\w+)", rf"block{up}.{stage}.prelu.\1"))
    return renamed(
        state,
        *rules,
        (r"head\.(.+)", r"block1.\1"),
        (rf"trunk\.{num_blocks}\.(\w+)", rf"block{up - 1}.0.\1"),
        (rf"trunk\.{num_blocks + 1}\.(\w+)", rf"block{up - 1}.1.\1"),
        (r"tail\.(\w+)", rf"block{up}.{num_stages}.\1"),
    )


def lornatang_names(
    state: State, num_blocks: int, num_stages: int, conv_name: str
) -> dict[str, Tensor]:
    """Name an SRResNet as Lornatang/SRGAN-PyTorch does: no bias before batch norm."""
    rules = []
    for stage in range(num_stages):
        for index in (0, 2):
            ours = rf"upsampler\.{3 * stage + index}\.(\w+)"
            rules.append((ours, rf"upsampling.{stage}.upsample_block.{index}.\1"))
    named = renamed(
        state,
        *rules,
        (r"head\.(.+)", rf"{conv_name}1.\1"),
        (r"trunk\.(\d+)\.branch\.(.+)", r"trunk.\1.rcb.\2"),
        (rf"trunk\.{num_blocks}\.(\w+)", rf"{conv_name}2.0.\1"),
        (rf"trunk\.{num_blocks + 1}\.(\w+)", rf"{conv_name}2.1.\1"),
        (r"tail\.(\w+)", rf"{conv_name}3.\1"),
    )
    absent = re.compile(r"trunk\.\d+\.rcb\.[03]\.bias|\w+2\.0\.bias")
    return {name: value for name, value in named.items() if not absent.fullmatch(name)}


def compact(scale: int = 4, **arguments: object) -> nn.Module:
    """Return a small network of spandrel's; it adds the nearest image, so it passes the trial."""
    from spandrel.architectures.Compact import Compact

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Compact(upscale=scale, **{"num_feat": 16, "num_conv": 2} | arguments)
