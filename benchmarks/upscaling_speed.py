"""What upscaling costs: megapixels of output a second, and peak memory against image size.

    python benchmarks/upscaling_speed.py [--model NAME] [--tile 192] [--megapixels 1 2 4 8]

Throughput is measured with the whole picture at once and in tiles, in turns in one process, so that
both see the same machine; the largest difference between the two pictures is measured on the same
run. Peak memory is the resident memory of a fresh process for each point: loading zoo, the picture
and the network are in it, and written beside it. Pictures are photographs of scikit-image's wheel,
mirrored to the size wanted. Writes `benchmarks/results/upscaling_speed.json` and `.md`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

import numpy as np
import torch

from zoo.data.images import Image, read_image, to_rgb
from zoo.data.pairs import find_pairs
from zoo.files import write_atomically
from zoo.generators.base import Generator
from zoo.models.find import find_model
from zoo.runs.device import choose_device, peak_memory
from zoo.runs.provenance import machine, revision, versions
from zoo.upscaling.enlarging import enlarge
from zoo.upscaling.tiles import TiledUpscaler

RESULTS: Final = Path(__file__).parent / "results"
MIB: Final = 1 << 20


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print and write; or, for one point of memory, measure and print."""
    options = _options(arguments)
    if options.point is not None:
        megapixels, tile = options.point.split(",")
        point = memory_point(options.model, float(megapixels), _tile(tile))
        print(json.dumps(point))
        return
    document = measure(options)
    text = as_markdown(document)
    print(text)
    options.output.mkdir(parents=True, exist_ok=True)
    content = json.dumps(document, indent=2) + "\n"
    write_atomically(options.output / "upscaling_speed.json", content.encode())
    write_atomically(options.output / "upscaling_speed.md", text.encode())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure the speed and memory of upscaling.")
    parser.add_argument("--model", help="a name, file or run directory; else the default model")
    parser.add_argument("--tile", type=int, default=192, help="side of tiles, in input pixels")
    parser.add_argument("--speed-megapixels", type=float, default=2.0, metavar="MP")
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.5, 1, 2, 4, 8])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR")
    parser.add_argument("--point", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return speed, difference and memory, with what they were measured with."""
    generator, name = open_generator(options.model)
    ways = {"whole": "0", "automatic": "auto", f"tiles of {options.tile}": str(options.tile)}
    memory = [
        {"way": way, **_memory_in_a_fresh_process(options.model, megapixels, tile)}
        for megapixels in options.megapixels
        for way, tile in ways.items()
    ]
    return {
        "command": " ".join(["python", "benchmarks/upscaling_speed.py", *sys.argv[1:]]),
        "model": name,
        "parameters": sum(tensor.numel() for tensor in generator.parameters()),
        "scale": generator.scale,
        "versions": versions(),
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "revision": revision(),
        "speed": speed(generator, options.speed_megapixels, options.tile, options.repeats),
        "memory": memory,
    }


def open_generator(model: str | None) -> tuple[Generator, str]:
    """Return a generator and what it is called."""
    found = find_model(model)
    return found.build(), found.details.name


def speed(generator: Generator, megapixels: float, tile: int, repeats: int) -> dict[str, Any]:
    """Return throughput whole and in tiles, in turns, and how the two pictures differ."""
    picture = photograph(megapixels, generator.scale).astype(np.float32) / 255
    whole, tiled = TiledUpscaler(generator, tile=0), TiledUpscaler(generator, tile=tile)
    # The first of each warms up, looks for the context and shows the difference.
    reference, _ = enlarge(whole, picture)
    cut, tiling = enlarge(tiled, picture)
    difference = float(np.abs(reference - cut).max())
    pixels = reference.shape[0] * reference.shape[1] / 1e6
    del reference, cut
    rates: dict[str, list[float]] = {"whole": [], "tiled": []}
    for _ in range(repeats):
        for way, upscaler in (("whole", whole), ("tiled", tiled)):
            since = time.perf_counter()
            enlarge(upscaler, picture)
            rates[way].append(pixels / (time.perf_counter() - since))
    ratios = [one / other for one, other in zip(rates["tiled"], rates["whole"], strict=True)]
    return {
        "megapixels": round(pixels, 3),
        "input": list(picture.shape[:2]),
        "tile": tile,
        "num_tiles": tiling.num_tiles,
        "context": tiling.context,
        "repeats": repeats,
        "whole": _spread(rates["whole"]),
        "tiled": _spread(rates["tiled"]),
        "tiled_over_whole": _spread(ratios),
        "largest_difference": difference * 255,
        "largest_seam": tiling.seam * 255,
    }


def memory_point(model: str | None, megapixels: float, tile: int | None) -> dict[str, Any]:
    """Upscale one picture in this process and return its peak memory, before and after."""
    generator, _ = open_generator(model)
    upscaler, device = TiledUpscaler(generator, tile=tile), choose_device("cpu")
    enlarge(
        TiledUpscaler(generator, tile=0), photograph(0.01, generator.scale)
    )  # loads the libraries
    picture = photograph(megapixels, generator.scale)
    before = peak_memory(device)
    result, tiling = enlarge(upscaler, picture)
    return {
        "megapixels": round(result.shape[0] * result.shape[1] / 1e6, 3),
        "num_tiles": tiling.num_tiles,
        "side": tiling.side,
        "before": before,
        # Linux sums the count over processors and may read a few pages less the second time.
        "peak": max(before, peak_memory(device)),
    }


def photograph(megapixels: float, scale: int) -> Image:
    """Return a 3:2 photograph that becomes so many megapixels when it is enlarged."""
    source = to_rgb(read_image(find_pairs("samples", scale)[0].hr_file))
    height = max(1, round((megapixels * 1e6 / 1.5) ** 0.5 / scale))
    width = round(1.5 * height)
    rows, columns = (
        _mirrored(own, wanted)
        for own, wanted in zip(source.shape[:2], (height, width), strict=True)
    )
    return np.ascontiguousarray(source[rows][:, columns])


def _mirrored(size: int, wanted: int) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Return indices that run to and fro over an axis."""
    places = np.arange(wanted) % (2 * size)
    return np.minimum(places, 2 * size - 1 - places)


def as_markdown(document: dict[str, Any]) -> str:
    """Return the figures as a page."""
    speed, made = document["speed"], document["revision"] or {}
    provenance = (
        f"`{document['command']}`: {document['model']}, {document['parameters']:,} parameters, "
        f"x{document['scale']}; {document['machine']}, {document['threads']} threads, torch "
        f"{document['versions']['torch']}, float32; commit {str(made.get('commit'))[:7]}"
        f"{' and changes' if made.get('dirty') else ''}."
    )
    tiles = f"{speed['num_tiles']} tiles of {speed['tile']} pixels, {speed['context']} of context"
    lines = [
        "# Upscaling: speed and memory",
        "",
        provenance,
        "",
        f"## Megapixels of output a second, at {speed['megapixels']} megapixels",
        "",
        f"Median (least to most) of {speed['repeats']} repeats, whole and tiled in turns.",
        "",
        "| | |",
        "|---|---|",
        f"| whole picture | {_told(speed['whole'])} |",
        f"| {tiles} | {_told(speed['tiled'])} |",
        f"| tiled / whole | {_told(speed['tiled_over_whole'])} |",
        f"| largest difference | {speed['largest_difference']:.4f}/255 |",
        f"| largest step at a seam | {speed['largest_seam']:.4f}/255 |",
        "",
        "## Peak memory, in MiB",
        "",
        "Resident memory of a fresh process; in brackets what it had before upscaling.",
        "",
        *_memory_table(document["memory"]),
        "",
    ]
    return "\n".join(lines)


def _memory_table(points: Sequence[dict[str, Any]]) -> list[str]:
    ways = list(dict.fromkeys(point["way"] for point in points))
    sizes = list(dict.fromkeys(point["megapixels"] for point in points))
    found = {(point["way"], point["megapixels"]): point for point in points}
    rows = [[f"{size:g}", *(_memory_cell(found[way, size]) for way in ways)] for size in sizes]
    heading = ["megapixels of output", *ways]
    cells = [heading, ["---"] * len(heading), *rows]
    return [f"| {' | '.join(row)} |" for row in cells]


def _memory_cell(point: dict[str, Any]) -> str:
    return f"{point['peak'] / MIB:,.0f} ({point['before'] / MIB:,.0f})"


def _memory_in_a_fresh_process(model: str | None, megapixels: float, tile: str) -> dict[str, Any]:
    command = [sys.executable, str(Path(__file__).resolve()), "--point", f"{megapixels},{tile}"]
    command += [] if model is None else ["--model", model]
    return answer_of(command)


def answer_of(command: Sequence[str]) -> dict[str, Any]:
    """Run a script in a process of its own and return the JSON document it prints last."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603  our own
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _tile(text: str) -> int | None:
    return None if text == "auto" else int(text)


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": median(values), "least": min(values), "most": max(values)}


def _told(spread: dict[str, float]) -> str:
    return f"{spread['median']:.2f} ({spread['least']:.2f} to {spread['most']:.2f})"


if __name__ == "__main__":
    main()
