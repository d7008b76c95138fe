"""How fast `zoo bench` scores, against a per-image loop as the field writes it.

    python benchmarks/scoring_speed.py [--generators NAME ...] [--repeats 5] [--output FILE.json]

The loop reads two PNG files an image, upscales it, fetches the result, rounds it, and computes
score after score on the CPU with piq and timm; it does so anew for each generator. `zoo bench`
decodes and hashes each image once, scores where the images are, and keeps what belongs to the real
images. Both compute the same scores; the largest difference is printed with the times.

The ways take turns in one process. `first` is the first generator of a benchmark, opening the suite
included; `further` is each one after it. What the loop does not do is left out: measuring what a
generator costs, and zoo's second pass through a network with batch norm, for what its scores owe to
the statistics it has learnt. `own` is
what remains of `first` when the time in piq and in networks is taken off: reading, the protocol's
rounding and luma, the spectrum, the record. The images are cut from the photographs inside
scikit-image's wheel.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np
import piq
import torch
from torch import nn

from benchmarks.scoring_loop import SCORES, lite1_network, loop_scores
from zoo.bench import evaluate
from zoo.bench.candidates import callable_candidate
from zoo.bench.evaluate import Scorer
from zoo.bench.judges import create_metrics
from zoo.bench.suites import open_suite
from zoo.data.images import Image, read_image, write_png
from zoo.data.pairs import find_pairs
from zoo.data.resize import downscale
from zoo.recipes.schema import Runtime
from zoo.records.record import write_record
from zoo.registry import GENERATORS
from zoo.runs.device import Execution, choose_device, plan_execution
from zoo.runs.provenance import machine, versions

SCALE = 4
PIQ = ("psnr", "ssim", "haarpsi", "multi_scale_gmsd")
SUITE = "version: 1\nsummary: cut photographs\nscale: 4\ndatasets: [Cut]\nmetrics: [{}]\n"
COLUMNS = ("generator", "loop", "first", "further", "ratio first", "ratio further", "own")

Scores = Mapping[str, Mapping[str, float]]
"""By image, by score."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Time the scoring of each generator both ways and print a row for it."""
    parser = argparse.ArgumentParser(description="Time the scoring of generators.")
    parser.add_argument("--generators", nargs="+", default=["bicubic", "srresnet"], metavar="NAME")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--images", type=int, default=5, help="how many; default 5")
    parser.add_argument("--side", type=int, default=500, help="their side in pixels; default 500")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, help="a .json file; a .md file is written beside it")
    options = parser.parse_args(arguments)
    device = choose_device(options.device)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_images(folder, options.images, options.side)
        rows = [measure(each, folder, device, options.repeats) for each in options.generators]
    document = {
        "benchmark": "scoring",
        "device": _device_name(device),
        "machine": machine(),
        "versions": versions(),
        "threads": torch.get_num_threads(),
        "images": options.images,
        "side": options.side,
        "repeats": options.repeats,
        "scores": list(SCORES),
        "rows": rows,
    }
    text = markdown(document)
    print(text)
    if options.output is not None:
        options.output.write_text(json.dumps(document, indent=2) + "\n")
        options.output.with_suffix(".md").write_text(text)


def make_images(folder: Path, count: int, side: int) -> None:
    """Write square images and their low-resolution images as a dataset, and a suite of it."""
    places = folder / "Cut" / "HR", folder / "Cut" / "LR_x4"
    for place in places:
        place.mkdir(parents=True)
    for number, hr_image in enumerate(_cut(count, side)):
        for place, image in zip(places, (hr_image, downscale(hr_image, SCALE)), strict=True):
            write_png(place / f"{number}.png", image)
    (folder / "cut.yaml").write_text(SUITE.format(", ".join(SCORES)))


def measure(name: str, folder: Path, device: torch.device, repeats: int) -> dict[str, Any]:
    """Return the seconds of both ways for a generator, and how far their scores differ."""
    execution = plan_execution(Runtime(), device)
    network = execution.place(GENERATORS.get(name)()).eval()
    files = [(path, folder / "Cut" / "LR_x4" / path.name) for path in _files(folder)]
    lite1 = lite1_network()
    seconds: dict[str, list[float]] = {way: [] for way in ("loop", "first", "further", "own")}
    apart = 0.0
    for turn in range(repeats + 1):  # the first warms up
        since = time.perf_counter()
        with execution.scoring():
            theirs = loop_scores(network, files, device, lite1)
        loop = time.perf_counter() - since
        ours, *times = _ours(name, network, folder, execution)
        apart = max(apart, _difference(theirs, ours))
        if turn:
            for way, value in zip(seconds, (loop, *times), strict=True):
                seconds[way].append(value)
    return {
        "generator": name,
        **{f"{way}_seconds": median(values) for way, values in seconds.items() if way != "own"},
        "ratio": _ratio(seconds["loop"], seconds["first"]),
        "ratio_further": _ratio(seconds["loop"], seconds["further"]),
        "own_share": median(seconds["own"]),
        "largest_difference": apart,
    }


def markdown(document: Mapping[str, Any]) -> str:
    """Return the rows as a table, with what they were measured on."""
    software = document["versions"]
    caption = (
        f"Scoring {document['images']} images of {document['side']}x{document['side']} pixels, "
        f"seconds (median of {document['repeats']} turns; ratios with the smallest and largest): "
        f"{document['device']}, {document['machine']}, {document['threads']} threads, torch "
        f"{software['torch']}, piq {software['piq']}."
    )
    lines = [
        caption,
        "",
        f"| {' | '.join(COLUMNS)} | difference |",
        "|---|" + "---:|" * len(COLUMNS),
    ]
    for row in document["rows"]:
        cells = [f"{row[f'{way}_seconds']:.2f}" for way in ("loop", "first", "further")]
        cells += [_spread(row["ratio"]), _spread(row["ratio_further"])]
        cells += [f"{row['own_share']:.0%}", f"{row['largest_difference']:.1g}"]
        lines.append(f"| {row['generator']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


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
            for place, name in ((nn.Module, "__call__"), *((piq, name) for name in PIQ)):
                timed = self.timed(getattr(place, name))
                stack.enter_context(patch.object(place, name, timed))
            yield


def _ours(
    name: str, network: nn.Module, folder: Path, execution: Execution
) -> tuple[Scores, float, float, float]:
    """Return the scores, the seconds of a first and a further generator, the first's own share."""
    candidate = callable_candidate(name, network, scale=SCALE)
    library = LibraryClock()
    more_than_scores = (
        patch.object(evaluate, "measured_cost", return_value={}),
        patch.object(evaluate, "has_batch_norm", return_value=False),
    )
    with more_than_scores[0], more_than_scores[1]:
        since = time.perf_counter()
        with library.running():
            suite = open_suite(str(folder / "cut.yaml"), data_root=folder)
            scorer = Scorer(suite, create_metrics(SCORES), execution, folder / "records")
            write_record(scorer.records, scorer.score(candidate))
        first = time.perf_counter() - since
        since = time.perf_counter()
        record = scorer.score(candidate)
        write_record(scorer.records, record)
        further = time.perf_counter() - since
    scores = {image: found for (_, image), found in record.scored.items()}
    return scores, first, further, 1 - library.seconds / first


def _difference(theirs: Scores, ours: Scores) -> float:
    return max(
        abs(scores[name] - ours[image][name.replace("-", "_")])
        for image, scores in theirs.items()
        for name in SCORES
    )


def _ratio(loop: Sequence[float], ours: Sequence[float]) -> dict[str, float]:
    ratios = [slow / fast for slow, fast in zip(loop, ours, strict=True)]
    return {"median": median(ratios), "low": min(ratios), "high": max(ratios)}


def _spread(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _device_name(device: torch.device) -> str:
    on_gpu = device.type == "cuda"
    return torch.cuda.get_device_name(device) if on_gpu else "cpu"


def _files(folder: Path) -> list[Path]:
    return sorted((folder / "Cut" / "HR").glob("*.png"))


def _cut(count: int, side: int) -> list[Image]:
    paths = [pair.hr_file for name in ("samples", "samples-grey") for pair in find_pairs(name, 4)]
    pixels = [read_image(path) for path in paths]
    large = [image for image in pixels if min(image.shape[:2]) >= side]
    chosen = [large[number % len(large)] for number in range(count)]
    rgb = [np.stack([one] * 3, axis=2) if one.ndim == 2 else one for one in chosen]
    return [np.ascontiguousarray(one[:side, :side]) for one in rgb]


if __name__ == "__main__":
    main()
