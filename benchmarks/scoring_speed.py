"""What scoring costs: seconds a generator on five images of 500x500, and where they go.

    python benchmarks/scoring_speed.py [--generators NAME ...] [--repeats 3] [--output FILE.json]

Measuring what a generator costs is left out. What is left when the time in piq and in networks
(the generator, feature networks) is taken off is zoo's own share: reading images, the protocol's
rounding and luma, the high-frequency spectrum, the record. The images are cut from the photographs
inside scikit-image's wheel.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import piq
import torch

from zoo.bench import evaluate
from zoo.bench.candidates import callable_candidate
from zoo.bench.evaluate import Clock, Scorer, create_metrics
from zoo.bench.records import write_record
from zoo.bench.suites import open_suite
from zoo.data.images import Image, read_image, write_png
from zoo.data.pairs import find_pairs
from zoo.recipes.schema import Runtime
from zoo.registry import GENERATORS
from zoo.runs.device import choose_device, plan_execution
from zoo.runs.provenance import versions

SIDE = 500
NUM_IMAGES = 5
PARTS = ("total", "network", "metrics")
PIQ = ("psnr", "ssim", "haarpsi", "multi_scale_gmsd")
SUITE = "version: 1\nsummary: five images of 500x500\nscale: 4\ndatasets: [Five]\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the scoring of each generator and print a row for it."""
    parser = argparse.ArgumentParser(description="Time the scoring of generators.")
    parser.add_argument("--generators", nargs="+", default=["bicubic", "srresnet"], metavar="NAME")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(options.generators, options.repeats, options.device, Path(folder))
    print(f"{'generator':12} {'seconds':>8} {'network':>8} {'metrics':>8} {'own':>6}")
    for row in rows:
        parts = "".join(f" {row[name]:8.2f}" for name in PARTS)
        print(f"{row['generator']:12}{parts} {row['own_share']:6.1%}")
    if options.output is not None:
        machine = {"device": options.device, "threads": torch.get_num_threads()}
        document = {"versions": versions(), **machine, "rows": rows}
        options.output.write_text(json.dumps(document, indent=2) + "\n")


def measure(names: Sequence[str], repeats: int, device: str, folder: Path) -> list[dict[str, Any]]:
    """Return, for each generator, the median seconds of each part of scoring."""
    images = folder / "Five" / "HR"
    images.mkdir(parents=True)
    for number, image in enumerate(_images()):
        write_png(images / f"{number}.png", image)
    (folder / "five.yaml").write_text(SUITE)
    return [_row(name, folder, device, repeats) for name in names]


def _row(name: str, folder: Path, device: str, repeats: int) -> dict[str, Any]:
    candidate = callable_candidate(name, GENERATORS.get(name)(), scale=4)
    execution = plan_execution(Runtime(), choose_device(device))
    suite_file, metrics = str(folder / "five.yaml"), create_metrics()
    suite = open_suite(suite_file, data_root=folder)
    Scorer(suite, metrics, execution, folder / "records").score(candidate)  # loads networks
    clocks, shares = [], []
    for _ in range(repeats):
        clock, library = Clock(), LibraryClock()
        since = time.perf_counter()
        with library.running(), patch.object(evaluate, "measured_cost", return_value={}):
            opened = open_suite(suite_file, data_root=folder)
            scorer = Scorer(opened, metrics, execution, folder / "records")
            write_record(scorer.records, scorer.score(candidate, clock))
        clocks.append(clock)
        shares.append(1 - library.seconds / (time.perf_counter() - since))
    return {
        "generator": name,
        **{part: median(getattr(clock, part) for clock in clocks) for part in PARTS},
        "own_share": median(shares),
    }


class LibraryClock:
    """Adds up the time in piq's functions and in torch modules, outermost calls only."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._depth = 0

    def timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and is timed."""

        def call(*arguments: Any, **named: Any) -> Any:
            self._depth += 1
            since = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                self._depth -= 1
                if self._depth == 0:
                    self.seconds += time.perf_counter() - since

        return call

    @contextmanager
    def running(self) -> Iterator[None]:
        """Time everything inside."""
        with ExitStack() as stack:
            for place, name in ((torch.nn.Module, "__call__"), *((piq, name) for name in PIQ)):
                timed = self.timed(getattr(place, name))
                stack.enter_context(patch.object(place, name, timed))
            yield


def _images() -> list[Image]:
    paths = [pair.hr_file for name in ("samples", "samples-grey") for pair in find_pairs(name, 4)]
    pixels = [read_image(path) for path in paths]
    large = [image for image in pixels if min(image.shape[:2]) >= SIDE]
    chosen = [large[number % len(large)] for number in range(NUM_IMAGES)]
    rgb = [np.stack([one] * 3, axis=2) if one.ndim == 2 else one for one in chosen]
    return [np.ascontiguousarray(one[:SIDE, :SIDE]) for one in rgb]


if __name__ == "__main__":
    main()
