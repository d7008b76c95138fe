"""Where one training step spends its time: its kernels, the longest first.

    python -m benchmarks.step_profile [--family esrgan-wgangp] [--size paper] [--output FILE.json]

The step is zoo's own, as `benchmarks.speed` times it, after warm-up steps; torch.profiler watches
it. On a GPU rows are kernels by their own time on the device, on the CPU operators by their own
time there. A profiled step is slower than others: read the shares, not the seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import torch
from torch.autograd.profiler_util import FunctionEventAvg
from torch.profiler import ProfilerActivity, profile

from benchmarks.speed import script
from benchmarks.speed.loops import ZooLoop, synchronise
from benchmarks.speed.sizes import FAMILIES, SIZES, specify
from zoo.recipes.schema import RunSpec
from zoo.runs.provenance import machine, revision, versions
from zoo.train.prepare import Options, autotune, prepare

WARM_STEPS = 3
NAME_LENGTH = 90


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile a step, print its table and write it."""
    parser = argparse.ArgumentParser(description="Profile one training step.")
    parser.add_argument("--family", choices=FAMILIES, default="esrgan-wgangp")
    parser.add_argument("--size", choices=SIZES, default="paper")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--source", default="samples", help="training images, as data.source")
    parser.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="override a setting"
    )
    parser.add_argument("--rows", type=int, default=20, help="how many kernels; default 20")
    parser.add_argument("--output", type=Path, help="a .json file; its page goes beside it")
    options = parser.parse_args(arguments)
    spec = specify(options.family, options.size, source=options.source, settings=options.set)
    about = {"family": options.family, "size": options.size, "settings": options.set}
    document = about | measure(spec, options.device, options.rows)
    text = markdown(document)
    print(text)
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=2) + "\n")
        options.output.with_suffix(".md").write_text(text)


def measure(spec: RunSpec, device: str, rows: int) -> dict[str, Any]:
    """Take warm-up steps, one timed and one profiled; return what the last did."""
    options = Options(device=device)
    prepared = autotune(spec, prepare(spec, options), options, begun=None)
    loop = ZooLoop(spec, prepared)
    loop.switches.apply()
    on_gpu = loop.device.type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if on_gpu else [])]
    with closing(loop.batches()) as batches:
        for _ in range(WARM_STEPS):
            loop.step(next(batches))
        batch = next(batches)
        synchronise(loop.device)
        since = time.perf_counter()
        loop.step(batch)
        synchronise(loop.device)
        seconds = time.perf_counter() - since
        with profile(activities=activities, acc_events=True) as profiler:
            loop.step(batch)
            synchronise(loop.device)
    found = operator_rows(profiler.key_averages(), on_gpu=on_gpu)
    total = sum(row["microseconds"] for row in found)
    return {
        "device": torch.cuda.get_device_name(loop.device) if on_gpu else "cpu",
        "machine": machine(),
        "versions": versions(),
        "revision": revision(),
        "threads": torch.get_num_threads(),
        "execution": prepared.execution.describe(),
        "batch_size": loop.batch_size,
        "step_seconds": seconds,
        "busy_seconds": total / 1e6,
        "kinds": len(found),
        "rows": [row | {"share": row["microseconds"] / total} for row in found[:rows]],
    }


def markdown(document: Mapping[str, Any]) -> str:
    """Return the kernels as a table."""
    made = document["revision"] or {}
    command = f"python -m benchmarks.step_profile --family {document['family']}"
    caption = (
        f"`{command} --size {document['size']}`; {document['device']}, {document['machine']}; "
        f"torch {document['versions']['torch']}, {document['threads']} threads; commit "
        f"{str(made.get('commit'))[:7]}{' and changes' if made.get('dirty') else ''}. "
        f"One step of {document['family']} at size {document['size']} on {document['device']}, "
        f"batch {document['batch_size']}: {1000 * document['step_seconds']:.1f} ms; under the "
        f"profiler {1000 * document['busy_seconds']:.1f} ms in {document['kinds']} kinds."
    )
    lines = [
        caption,
        "",
        "| kernel | calls | ms | share |",
        "|---|---:|---:|---:|",
    ]
    for row in document["rows"]:
        name = row["name"].replace("|", "\\|")
        name = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
        milliseconds = row["microseconds"] / 1000
        lines.append(f"| `{name}` | {row['calls']} | {milliseconds:.2f} | {row['share']:.1%} |")
    return "\n".join(lines) + "\n"


def operator_rows(events: Iterable[FunctionEventAvg], *, on_gpu: bool) -> list[dict[str, Any]]:
    """Return what took time by itself, the longest first; on a GPU kernels, not their callers."""
    kind = "CUDA" if on_gpu else "CPU"
    spent: list[dict[str, Any]] = [
        {
            "name": str(event.key),
            "calls": int(event.count),
            "microseconds": float(
                event.self_device_time_total if on_gpu else event.self_cpu_time_total
            ),
        }
        for event in events
        if event.device_type.name == kind and not event.is_user_annotation  # a range of kernels
    ]
    busy = [row for row in spent if row["microseconds"] > 0]
    return sorted(busy, key=lambda row: -row["microseconds"])


if __name__ == "__main__":
    script.run("benchmarks.step_profile", main)
