"""What bfloat16 does to a training on a CPU: scores and seconds a step, beside float32.

    python -m benchmarks.precision [--recipe NAME ...] [--profile demo] [--seeds 3]

Trains each recipe with each seed in both precisions, its pretraining too, and scores them: the
same command goes on where it was stopped. The difference of a score is bfloat16 minus float32 of
the same seed and image, with zoo's interval over seeds and images. Then both precisions of a recipe
take training steps in turns, in one process. Writes `precision.json` and `precision.md`.

A CPU without units for bfloat16 emulates it. Its scores count; its speeds say nothing, and the page
says so.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch

import zoo
from benchmarks.speed import script
from benchmarks.speed.precision import EMULATED, PRECISIONS, in_precision, measure_precision
from benchmarks.tables import as_table, spread_text
from zoo.bench.api import Request, run_benchmark
from zoo.compare.samples import pair, scores_of
from zoo.compare.statistics import paired_interval
from zoo.files import write_atomically
from zoo.recipes.book import Book, load_book
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import specify
from zoo.records.record import Record
from zoo.runs.device import has_bfloat16_units
from zoo.runs.provenance import machine, revision, versions
from zoo.train.prepare import Options

RESULTS = Path(__file__).parent / "results"
RECIPES = ("srresnet-nobn", "rrdb", "esrgan-wgangp")
METRICS = {"psnr_y": "psnr-y", "lpips": "lpips", "lite1_distance": "lite1-distance"}
"""Names of metrics by their key in records."""
PSNR_AIM = 0.03
"""Largest difference of PSNR_Y that is aimed at, in dB."""
SPEED_AIM = 2.0
"""Times as many steps a second as in float32 that are aimed at."""
FLAGS = ("avx2", "avx512_f", "avx512_bf16", "amx_tile", "amx_bf16", "bf16", "sve_bf16")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, score, time, print the page and write it."""
    options = _options(arguments)
    options.output.mkdir(parents=True, exist_ok=True)  # before hours of training
    book = load_book()
    document: dict[str, Any] = {
        "command": " ".join(["python -m benchmarks.precision", *(arguments or sys.argv[1:])]),
        "profile": options.profile,
        "seeds": options.seeds,
        "suite": options.suite,
        "has_units": has_bfloat16_units(),
        "flags": [name for name in FLAGS if torch.cpu.get_capabilities().get(name)],
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "versions": versions(),
        "revision": revision(),
        "speed": {},
    }
    _train(options)
    document["scores"] = _scores(book, options)
    where = Options(options.run_root, options.data_root, device="cpu")
    for recipe in options.recipe:
        document["speed"][recipe] = measure_precision(
            partial(_specify, book, recipe, options.profile),
            where,
            steps=options.steps,
            repeats=options.repeats,
            seconds=float("inf"),
        )
    text = as_markdown(document)
    print(text)
    content = json.dumps(document, indent=2, allow_nan=False) + "\n"
    write_atomically(options.output / "precision.json", content.encode())
    write_atomically(options.output / "precision.md", text.encode())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.precision", description="Compare bfloat16 with float32 on a CPU."
    )
    parser.add_argument("--recipe", nargs="+", default=list(RECIPES), metavar="NAME")
    parser.add_argument("--profile", default="demo")
    parser.add_argument("--seeds", type=int, choices=range(1, 101), default=3, metavar="NUMBER")
    parser.add_argument("--suite", default="samples-x4")
    parser.add_argument("--data-root", type=Path, help="folder of datasets")
    parser.add_argument("--run-root", type=Path, default=Path("runs/precision"))
    parser.add_argument("--steps", type=int, default=3, help="timed steps in a block")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of blocks")
    parser.add_argument("--output", type=Path, default=RESULTS, metavar="DIR")
    return parser.parse_args(arguments)


def _specify(book: Book, recipe: str, profile: str, settings: Sequence[str]) -> RunSpec:
    return specify(book, recipe, profile, settings=settings)


def _train(options: argparse.Namespace) -> None:
    for seed in range(options.seeds):
        for recipe in options.recipe:
            for precision in PRECISIONS:
                print(f"{recipe}, seed {seed}, {precision}", file=sys.stderr, flush=True)
                zoo.train(
                    recipe,
                    profile=options.profile,
                    seed=seed,
                    settings=in_precision(precision),
                    data_root=options.data_root,
                    run_root=options.run_root,
                    device="cpu",
                )


def _scores(book: Book, options: argparse.Namespace) -> dict[str, Any]:
    """Return each recipe's differences by metric key, and how its trainings went."""
    records = {precision: _records(book, options, precision) for precision in PRECISIONS}
    found: dict[str, Any] = {}
    for recipe in options.recipe:
        sides = [
            [one for one in records[each] if one.target.recipe == recipe] for each in PRECISIONS
        ]
        found[recipe] = {
            "verdicts": dict(zip(PRECISIONS, map(_verdicts, sides), strict=True)),
            "metrics": {key: _difference(sides, key) for key in METRICS},
        }
    return found


def _records(book: Book, options: argparse.Namespace, precision: str) -> list[Record]:
    request = Request(
        recipes=tuple(options.recipe),
        profile=options.profile,
        seeds=tuple(range(options.seeds)),
        suite=options.suite,
        data_root=options.data_root,
        run_root=options.run_root,
        device="cpu",
        settings=tuple(in_precision(precision)),
        metrics=tuple(METRICS.values()),
    )
    return run_benchmark(book, request).records


def _verdicts(records: Sequence[Record]) -> list[str]:
    return [one.training.verdict for one in records if one.training is not None]


def _difference(sides: Sequence[Sequence[Record]], key: str) -> dict[str, Any]:
    """Return bfloat16's score, float32's and the paired difference; or why there is none."""
    column = sides[0][0].columns[key]
    scores = [scores_of(side, "image", key) for side in sides]
    told: dict[str, Any] = {"label": column.label, "unit": column.unit}
    told["higher_is_better"] = column.higher_is_better
    if not all(scores):
        return told | {"missing": column.unavailable or "no run of one side has the score"}
    paired = pair(scores)
    interval = paired_interval(paired.values[0] - paired.values[1])
    return told | {
        **{each: float(v.mean()) for each, v in zip(PRECISIONS, paired.values, strict=True)},
        "difference": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "seeds": interval.num_seeds,
        "images": interval.num_images,
    }


def as_markdown(document: Mapping[str, Any]) -> str:
    """Return the page of a document: differences of scores, seconds a step, and the aims."""
    made = document["revision"] or {}
    provenance = (
        f"`{document['command']}`: profile `{document['profile']}`, seeds 0 to "
        f"{document['seeds'] - 1}, suite `{document['suite']}`; {document['machine']} "
        f"({', '.join(document['flags'])}), {document['threads']} threads; torch "
        f"{document['versions']['torch']}; commit {str(made.get('commit'))[:7]}"
        f"{' and changes' if made.get('dirty') else ''}."
    )
    lines = ["# bfloat16 beside float32 on a CPU", "", provenance, "", *_scores_in_words(document)]
    return "\n".join([*lines, *_speeds_in_words(document), ""])


def _scores_in_words(document: Mapping[str, Any]) -> list[str]:
    scores = document["scores"]
    rows = [
        _score_row(recipe, key, told)
        for recipe, found in scores.items()
        for key, told in found["metrics"].items()
    ]
    odd = [
        f"{recipe} in {precision}: {', '.join(verdicts)}."
        for recipe, found in scores.items()
        for precision, verdicts in found["verdicts"].items()
        if {*verdicts} != {"stable"}
    ]
    return [
        "## Scores",
        "",
        "bfloat16 minus float32, paired by seed and image, with the 95 % interval.",
        "",
        *as_table(("recipe", "metric", "float32", "bfloat16", "difference", "aim"), rows),
        "",
        *(["Verdicts on trainings that are not all stable:", "", *odd, ""] if odd else []),
    ]


def _speeds_in_words(document: Mapping[str, Any]) -> list[str]:
    speed, is_told = document["speed"], document["has_units"]
    num_pairs = len(next(iter(speed.values()))["ratio"]["values"])
    caption = (
        f"Seconds a step of a recipe's last stage, median (least to most) of {num_pairs} pairs of "
        "blocks, taken in turns in one process."
    )
    rows = [
        (
            recipe,
            *(spread_text(told[name], 3) for name in ("float32", "bfloat16")),
            spread_text(told["ratio"]),
            _speed_aim(told["ratio"]["median"]) if is_told else "not judged",
        )
        for recipe, told in speed.items()
    ]
    return [
        "## Speed",
        "",
        *([] if is_told else [f"Emulated: {EMULATED}. The speeds below mean nothing.", ""]),
        caption,
        "",
        *as_table(("recipe", "float32", "bfloat16", "ratio", "aim"), rows),
    ]


def _score_row(recipe: str, key: str, told: Mapping[str, Any]) -> tuple[str, ...]:
    label = f"{told['label']}{', ' + told['unit'] if told['unit'] else ''}"
    if "missing" in told:
        return recipe, label, "", "", told["missing"], ""
    one_seed = told["low"] is None
    ends = "one seed has no interval" if one_seed else f"{told['low']:+.4f} to {told['high']:+.4f}"
    return (
        recipe,
        label,
        *(f"{told[name]:.4f}" for name in ("float32", "bfloat16")),
        f"{told['difference']:+.4f} ({ends})",
        psnr_aim(told) if key == "psnr_y" else "",
    )


def psnr_aim(told: Mapping[str, Any]) -> str:
    """Return whether a difference of PSNR_Y is as small as aimed at, and its interval too."""
    aim = f"within {PSNR_AIM} dB"
    if abs(told["difference"]) > PSNR_AIM:
        return f"{aim}: **missed**"
    is_sure = told["low"] is not None and max(abs(told["low"]), abs(told["high"])) <= PSNR_AIM
    return f"{aim}: held" if is_sure else f"{aim}: held by the mean, not by its interval"


def _speed_aim(ratio: float) -> str:
    return f"{SPEED_AIM:g}x: {'held' if ratio >= SPEED_AIM else '**missed**'}"


if __name__ == "__main__":
    script.run("precision", main)
