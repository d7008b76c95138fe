"""Parity with other tools: the same weights in zoo, in spandrel and in an ONNX runtime.

    python benchmarks/parity.py [--output benchmarks/results/parity.md] [--small]

Each network has random weights that all matter, and a path that carries the colours through, so
that its output is nearly an image in [0, 1]. It is written as a model file, loaded by spandrel, and
its outputs are compared on random images of several sizes; the state dict that spandrel holds is
saved and imported again. Then the network is exported to ONNX, which compares by itself.

A difference says something only if a wrong weight would show: the table has how far the output
moves when the tensor that matters least is changed by a tenth.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from spandrel import MAIN_REGISTRY, ModelDescriptor, ModelLoader
from torch import Tensor, nn

from zoo.exchange.onnx import export_onnx
from zoo.exchange.spandrel import install
from zoo.files import write_atomically
from zoo.generators.base import Generator
from zoo.models.details import Details
from zoo.models.file import write_model
from zoo.models.foreign import import_model
from zoo.models.model import Model
from zoo.registry import GENERATORS

SIZES = ((2, 2), (17, 9), (48, 33))
COLOURS = 3
LEVEL, COLOUR_LEVEL = 0.3, 0.03
"""Root mean square of what random weights make of an image, and what of it goes into a colour."""

PACKAGES = ("torch", "spandrel", "onnx", "onnxscript", "onnxruntime")
SMALL: dict[str, dict[str, Any]] = {
    "rrdb": {"width": 16, "num_blocks": 1},
    "srresnet": {"width": 8, "num_blocks": 1},
    "msrresnet": {"width": 8, "num_blocks": 1},
}
NETWORKS: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("rrdb", 4, {}),
    ("rrdb", 4, {"width": 32, "num_blocks": 4}),
    ("rrdb", 2, {"width": 16, "num_blocks": 1}),
    ("rrdb", 8, {"width": 16, "num_blocks": 1}),
    ("srresnet", 4, {}),
    ("srresnet", 3, {"width": 32, "num_blocks": 4, "norm": "none"}),
    ("msrresnet", 4, {}),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One network. Differences are the largest absolute ones, of outputs in about [0, 1].

    Attributes:
        network: name, scale and arguments.
        parameters: their number.
        architecture: what spandrel took it for.
        least: difference when one tensor is changed by a tenth, of the tensor that matters least.
        spandrel: difference of spandrel's output.
        back: difference after the way back into zoo.
        onnx: difference of the ONNX runtime's output.
    """

    network: str
    parameters: int
    architecture: str
    least: float
    spandrel: float
    back: float
    onnx: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare every network and print a table."""
    parser = argparse.ArgumentParser(description="Compare outputs with spandrel and ONNX.")
    parser.add_argument("--output", type=Path)
    parser.add_argument("--small", action="store_true", help="Small networks only: seconds.")
    options = parser.parse_args(arguments)
    networks = NETWORKS
    if options.small:
        networks = tuple((name, 4, sizes) for name, sizes in SMALL.items())
    text = table(list(measure(networks)))
    print(text)
    if options.output is not None:
        write_atomically(options.output, text.encode())


def measure(networks: Sequence[tuple[str, int, dict[str, Any]]]) -> Iterator[Row]:
    """Yield a row for each network: name, scale, arguments."""
    registry = MAIN_REGISTRY.copy()
    install(registry)
    loader = ModelLoader(registry=registry)
    for name, scale, settings in networks:
        network = random_network(name, scale, settings)
        with tempfile.TemporaryDirectory() as folder:
            yield _row(name, settings, network, loader, Path(folder))


@torch.no_grad()
def random_network(name: str, scale: int, settings: dict[str, Any]) -> Generator:
    """Return a network of random weights, every one of which matters, that makes an image.

    Each convolution is drawn and scaled while an image passes through it: what it makes is as large
    as what it gets in residual blocks, whose features grow, and of one size elsewhere. The first
    channels carry the colours through, with a share of all others in them.
    """
    torch.manual_seed(0)
    network: Generator = GENERATORS.get(name)(scale=scale, **settings).eval()
    hooks = []
    for key, layer in network.named_modules():
        if isinstance(layer, nn.BatchNorm2d):
            _draw_norm(layer)
        elif isinstance(layer, nn.Conv2d):
            residual = key.startswith(("body", "trunk", "conv_body"))
            adds_image = name == "msrresnet" and key == "conv_last"
            carries = not (residual or adds_image)
            drawn = partial(_draw, carries=carries, in_block=key.startswith("body"))
            hooks.append(layer.register_forward_hook(drawn))
    network(torch.rand(1, COLOURS, *SIZES[-1]))
    for hook in hooks:
        hook.remove()
    return network


def _draw(
    conv: nn.Conv2d, inputs: tuple[Tensor], _: Tensor, *, carries: bool, in_block: bool
) -> Tensor:
    """Draw the weights of a convolution for its input, and return its output with them."""
    ends = COLOURS in (conv.in_channels, conv.out_channels)
    copies = 1 if ends or not carries else conv.out_channels // conv.in_channels
    level = torch.full((conv.out_channels,), LEVEL)
    level[: COLOURS * copies] = COLOUR_LEVEL
    if in_block:
        level[:] = max(LEVEL, float(inputs[0].square().mean().sqrt()))
    noise = torch.randn_like(conv.weight)
    size = F.conv2d(inputs[0], noise, padding=conv.padding).square().mean((0, 2, 3)).sqrt()
    conv.weight.copy_(noise * (level / size)[:, None, None, None])
    conv.bias.copy_(level * torch.randn_like(level) / 3)  # type: ignore[union-attr]
    if carries:  # one output a colour, or factor^2 of a pixel shuffle
        middle = conv.kernel_size[0] // 2
        for output in range(COLOURS * copies):
            conv.weight[output, output // copies, middle, middle] += 1
    return F.conv2d(inputs[0], conv.weight, conv.bias, padding=conv.padding)


def _draw_norm(norm: nn.BatchNorm2d) -> None:
    """Draw statistics and weights; the channels with the colours are shifted less."""
    level = torch.full((norm.num_features,), LEVEL)
    level[:COLOURS] = COLOUR_LEVEL
    norm.weight.uniform_(0.5, 1.5)
    norm.bias.copy_(level * torch.randn_like(level) / 3)
    norm.running_mean.copy_(level * torch.randn_like(level) / 3)  # type: ignore[union-attr]
    norm.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr]


def _row(
    name: str, settings: dict[str, Any], network: Generator, loader: ModelLoader, folder: Path
) -> Row:
    details = Details(
        name=name, generator={"name": name, **settings}, scale=network.scale, origin="imported"
    )
    write_model(folder / "ours.safetensors", Model(details, network.state_dict()))
    theirs = loader.load_from_file(folder / "ours.safetensors")
    save_file(theirs.model.state_dict(), folder / "theirs.safetensors")
    back = import_model(folder / "theirs.safetensors").model.build()
    told = ", ".join(f"{key} {value}" for key, value in settings.items()) or "the paper's size"
    return Row(
        f"{name} x{network.scale}, {told}",
        sum(parameter.numel() for parameter in network.parameters()),
        str(theirs.architecture.name),
        least_effect(network),
        difference(network, theirs.model),
        difference(network, back),
        export_onnx(network, folder / "ours.onnx").difference,
    )


@torch.no_grad()
def difference(first: Generator, second: nn.Module | ModelDescriptor) -> float:
    """Return the largest difference of two networks' outputs over `SIZES`."""
    random = torch.Generator().manual_seed(1)
    images = [torch.rand(1, COLOURS, *size, generator=random) for size in SIZES]
    return max(float((first(image) - second(image)).abs().max()) for image in images)


@torch.no_grad()
def least_effect(network: Generator) -> float:
    """Return how far the output moves when the tensor that matters least changes by a tenth."""
    image = torch.rand(1, COLOURS, *SIZES[1], generator=torch.Generator().manual_seed(1))
    before, effects = network(image), []
    for tensor in network.state_dict().values():
        if tensor.is_floating_point():
            kept = tensor.clone()
            tensor.mul_(1.1)
            effects.append(float((network(image) - before).abs().max()))
            tensor.copy_(kept)
    return min(effects)


def table(rows: Sequence[Row]) -> str:
    """Return the rows in Markdown, with what they were made with."""
    lines = [
        "# Parity",
        "",
        "Largest absolute difference between outputs for the same weights, images in [0, 1]. One",
        "step of an 8-bit image is 0.0039. Weights are random, and a wrong one would show: changed",
        "by a tenth, the tensor that matters least moves the output by `weakest`. Made by",
        "`python benchmarks/parity.py`.",
        "",
        "| network | parameters | read by spandrel as | weakest | spandrel | back in zoo | ONNX |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| {row.network} | {row.parameters:,} | {row.architecture} | {row.least:.1e} | "
        f"{row.spandrel:.1e} | {row.back:.1e} | {row.onnx:.1e} |"
        for row in rows
    ]
    made_with = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n".join([*lines, "", f"CPU, float32; {made_with}.", ""])


if __name__ == "__main__":
    main()
