"""What a feature network costs a training step: seconds a step with each, and ratios.

    python -m benchmarks.feature_network_speed [--size tiny] [--repeats 7] [--output FILE.json]

One recipe, `esrgan-wgangp`, whose perceptual loss compares by EfficientNet-Lite0, by VGG16
(conv5_3) or by VGG19 (conv5_4), and without one. The weights of both VGG are random, by name: they
take as long as trained ones. Blocks of steps take turns in one process, and a ratio is that of two
blocks of one turn.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from benchmarks.speed import script
from benchmarks.speed.loops import ZooLoop, run_block
from benchmarks.speed.sizes import SIZES, specify
from zoo.runs.provenance import machine, versions
from zoo.train.prepare import Options, autotune, prepare

REFERENCE = "EfficientNet-Lite0, blocks.2"
NETWORKS: dict[str, tuple[str, ...]] = {
    REFERENCE: ("losses.vgg19.name=perceptual",),
    "VGG16, conv5_3": (
        *("losses.vgg19.name=vgg16", "losses.vgg19.layer=conv5_3"),
        "losses.vgg19.weights=random",
    ),
    "VGG19, conv5_4": (
        *("losses.vgg19.name=vgg19", "losses.vgg19.layer=conv5_4"),
        "losses.vgg19.weights=random",
    ),
    "none": ("losses.vgg19=null",),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the steps, print the table and write it."""
    parser = argparse.ArgumentParser(description="Time training steps by feature network.")
    parser.add_argument("--size", choices=SIZES, default="tiny")
    parser.add_argument("--repeats", type=int, default=7, help="turns; default 7")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="a .json file; its page goes beside it")
    options = parser.parse_args(arguments)
    document = measure(options.size, options.repeats, options.device)
    text = markdown(document)
    print(text)
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=2) + "\n")
        options.output.with_suffix(".md").write_text(text)


def measure(size: str, repeats: int, device: str) -> dict[str, Any]:
    """Return the seconds a step of each network in each turn, and what they were measured on."""
    options, loops = Options(device=device), {}
    for name, settings in NETWORKS.items():
        spec = specify("esrgan-wgangp", size, settings=settings)
        prepared = autotune(spec, prepare(spec, options), options, begun=None)
        loops[name] = ZooLoop(spec, prepared)
    steps = SIZES[size].steps
    seconds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(repeats):
        for name, loop in loops.items():
            seconds[name].append(run_block(loop, steps).seconds / steps)
    first = next(iter(loops.values()))
    return {
        "size": size,
        "batch_size": first.batch_size,
        "steps": steps,
        "seconds": seconds,
        "threads": torch.get_num_threads(),
        "machine": machine(),
        "device": str(first.device),
        "versions": versions(),
    }


def markdown(document: Mapping[str, Any]) -> str:
    """Return the table: median seconds a step, and the ratio to the reference with its range."""
    reference = document["seconds"][REFERENCE]
    caption = (
        f"`esrgan-wgangp` (five critic steps) at size {document['size']}, batch "
        f"{document['batch_size']}, {len(reference)} turns of {document['steps']} steps in one "
        f"process; {document['device']}, {document['machine']}, {document['threads']} threads. "
        "VGG weights are random, by name."
    )
    lines = [
        caption,
        "",
        "| feature network | s a step | times EfficientNet-Lite0's (range over turns) |",
        "|---|---:|---:|",
    ]
    for name, seconds in document["seconds"].items():
        ratios = [one / other for one, other in zip(seconds, reference, strict=True)]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {name} | {median(seconds):.2f} | {spread} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    script.run("feature_network_speed", main)
