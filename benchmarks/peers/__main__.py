"""zoo against what users would pick instead.

    python -m benchmarks.peers [train] [upscale] [score] [--site FOLDER]

Measures the parts named, or all three, prints the page and writes it and a JSON document to
`benchmarks/results/`; parts that are not measured stay as they are there. A peer that is not on the
machine is named with the reason, and the others are measured. How to install them is in
`benchmarks/peers/requirements.txt`.

Exit status: 0; 1 if a peer's step is not zoo's; 2 and 5 as zoo's own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.peers import packages, score, train, upscale
from benchmarks.peers.page import as_markdown
from benchmarks.peers.tasks import TASKS
from benchmarks.speed import script
from zoo.files import write_atomically

PARTS: Final = ("train", "upscale", "score")
RESULTS: Final = Path(__file__).parents[1] / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and write; return the exit status."""
    options = _options(arguments)
    packages.add_site(options.site, options.basicsr)
    if options.threads is not None:
        torch.set_num_threads(options.threads)
    clock = "cpu" if options.cpu_time else "wall"
    if options.point is not None:
        way, file = options.point
        point = upscale.memory_point(way, Path(file), options.megapixels, options.tile)
        print(json.dumps(point))
        return 0
    for part in options.parts or PARTS:
        measured = _measure(part, options, clock)
        document = _read(options.output) | {part: measured}
        _write(document, options.output)
    print(as_markdown(document))
    return 0 if _all_alike(document.get("train", {})) else 1


def _measure(part: str, options: argparse.Namespace, clock: str) -> dict[str, Any]:
    if part == "train":
        return train.measure(
            options.task,
            clock=clock,
            steps=options.steps,
            repeats=options.repeats,
            seconds=options.seconds,
            settings=tuple(options.set),
        )
    if part == "upscale":
        return upscale.measure(
            options.network,
            clock=clock,
            megapixels=options.megapixels,
            tile=options.tile,
            repeats=options.repeats,
            site=options.site,
        )
    return score.measure(
        options.images,
        clock=clock,
        count=options.count,
        side=options.side,
        repeats=options.repeats,
    )


def _all_alike(part: dict[str, Any]) -> bool:
    """Tell whether every peer that trained took zoo's step."""
    checks = (check for task in part.get("tasks", {}).values() for check in task["checks"].values())
    return all(check["passed"] for check in checks)


def _read(folder: Path) -> dict[str, Any]:
    path = folder / "peers.json"
    document: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return document


def _write(document: dict[str, Any], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    content = json.dumps(document, indent=2) + "\n"
    write_atomically(folder / "peers.json", content.encode())
    write_atomically(folder / "peers.md", as_markdown(document).encode())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description="Time zoo against other tools."
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="|".join(PARTS))
    parser.add_argument("--site", type=Path, help="folder that the peers are installed in")
    parser.add_argument("--basicsr", type=Path, help="a checkout, in place of its package")
    parser.add_argument("--threads", type=int, help="of torch and onnxruntime; default: torch's")
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="on a busy machine: time of the processor, not of the wall; with --threads 1",
    )
    parser.add_argument("--repeats", type=int, default=5, help="turns; default 5")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR")
    training = parser.add_argument_group("train")
    training.add_argument("--task", nargs="+", choices=TASKS, default=list(TASKS))
    training.add_argument("--steps", type=int, default=2, help="timed steps in a turn; default 2")
    training.add_argument(
        "--seconds", type=float, default=900.0, help="a task's, after which 3 turns are enough"
    )
    training.add_argument(
        "--set", action="append", default=[], metavar="PATH=VALUE", help="a setting of zoo's"
    )
    upscaling = parser.add_argument_group("upscale")
    upscaling.add_argument(
        "--network", nargs="+", choices=upscale.NETWORKS, default=list(upscale.NETWORKS)
    )
    upscaling.add_argument(
        "--megapixels", type=float, default=1.0, help="of the picture that is upscaled; default 1"
    )
    upscaling.add_argument("--tile", type=int, default=192, help="realesrgan's; default 192")
    upscaling.add_argument("--point", nargs=2, help=argparse.SUPPRESS)
    scoring = parser.add_argument_group("score")
    scoring.add_argument(
        "--images", type=Path, nargs="+", default=[], metavar="DIR", help="folders of PNG files"
    )
    scoring.add_argument("--count", type=int, default=20, help="pictures at most; default 20")
    scoring.add_argument(
        "--side", type=int, default=500, help="of the squares that are cut where no folder is named"
    )
    options = parser.parse_args(arguments)
    if options.cpu_time and options.threads != 1:
        parser.error("--cpu-time adds up all threads: it needs --threads 1")
    return options


if __name__ == "__main__":
    script.run("benchmarks.peers", main)
