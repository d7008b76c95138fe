"""How surely the study decides each claim: its statistics, on effects and spreads of trial runs.

Reads `benchmarks/results/study/trials.json` (what trial runs say of each claim: effect, and the
standard deviations over seeds, over images and of the rest) and writes `power.md` beside it. All
claims are drawn and judged together, as `zoo.compare.verdicts` does. Run from the repository root:

    python -m benchmarks.study_power
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics_simulation import RESULTS
from zoo.compare.statistics import Interval, holm, paired_interval
from zoo.compare.verdicts import SIGNIFICANCE, verdict_of
from zoo.files import write_atomically
from zoo.recipes.book import load_book
from zoo.recipes.claims import Claim

Floats = NDArray[np.float64]
Trial = Mapping[str, Any]
STUDY: Final = RESULTS / "study"
SIZES: Final = ((5, 19), (3, 79), (5, 79), (8, 79))
"""Seeds and images: Set5 and Set14 alone, then with 60 photographs more. The third is the study."""
STUDY_SIZE: Final = SIZES[2]
DECIDED: Final = ("supported", "contradicted", "excluded")
"""Verdicts that say which: the third is that no effect is as large as matters."""


def draw(generator: np.random.Generator, trial: Trial, num_seeds: int, num_images: int) -> Floats:
    """Draw `[seed, image]` differences of a claim's two sides as trial runs showed them."""
    images = 1 if trial["whole_run"] else num_images
    sds = (float(trial[name]) for name in ("seed_sd", "image_sd", "rest_sd"))
    shapes = ((num_seeds, 1), (1, images), (num_seeds, images))
    parts = [sd * generator.normal(size=shape) for sd, shape in zip(sds, shapes, strict=True)]
    return np.asarray(float(trial["effect"]) + parts[0] + parts[1] + parts[2], dtype=np.float64)


def outcome(claim: Claim, found: Interval, p_value: float) -> str:
    """Return the verdict; `excluded` for no effect shown where one that matters is ruled out."""
    smallest = claim.smallest_effect
    verdict = verdict_of(found, p_value, direction=claim.direction, smallest_effect=smallest)
    is_open = verdict == "no effect shown"
    return "excluded" if is_open and found.within(smallest) else verdict


def simulate(
    trials: Mapping[str, Trial], claims: Mapping[str, Claim], size: tuple[int, int], *, rounds: int
) -> dict[str, Counter[str]]:
    """Return how often each claim got each outcome, all judged together in every round."""
    generator = np.random.default_rng([14, *size])
    counts: dict[str, Counter[str]] = {name: Counter() for name in trials}
    for _ in range(rounds):
        found = {name: paired_interval(draw(generator, t, *size)) for name, t in trials.items()}
        p_values = holm([one.p_value or 0.0 for one in found.values()])
        for (name, interval), p_value in zip(found.items(), p_values, strict=True):
            counts[name][outcome(claims[name], interval, p_value)] += 1
    return counts


def markdown(
    trials: Mapping[str, Trial],
    tables: Mapping[tuple[int, int], Mapping[str, Counter[str]]],
    rounds: int,
) -> str:
    """Return the share of rounds in which each claim was decided, by seeds and images."""
    percent = f"{SIGNIFICANCE:.0%}"
    heads = [f"decided, {seeds} seeds, {images} images" for seeds, images in tables]
    columns = ["claim", "effect", "sd of seeds", "of images", "of the rest", *heads, "mostly"]
    lines = [
        "# Power of the study",
        "",
        f"`python -m benchmarks.study_power --rounds {rounds}`: {rounds} rounds, in each of which",
        f"all {len(trials)} claims are drawn with effects and spreads of trials.json and judged",
        f"together at {percent}. Decided is supported, contradicted, or shown to be smaller than",
        "matters. Mostly: the most frequent outcome with the seeds of the study.",
        "",
        "| " + " | ".join(columns) + " |",
        "|---|" + "---:|" * (len(columns) - 2) + "---|",
    ]
    for name, trial in trials.items():
        spreads = [f"{trial[key]:.3g}" for key in ("seed_sd", "image_sd", "rest_sd")]
        shares = [sum(counts[name][one] for one in DECIDED) / rounds for counts in tables.values()]
        mostly = tables[STUDY_SIZE][name].most_common(1)[0][0]
        cells = [name, f"{trial['effect']:+.3g}", *spreads, *(f"{100 * s:.0f} %" for s in shares)]
        lines.append("| " + " | ".join([*cells, mostly]) + " |")
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the simulation, print the table and write it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="Of each number of seeds.")
    parser.add_argument("--study", type=Path, default=STUDY, help="Folder of trials.json.")
    given = parser.parse_args(arguments)
    trials = json.loads((given.study / "trials.json").read_text(encoding="utf-8"))["claims"]
    claims = load_book().claims
    tables = {size: simulate(trials, claims, size, rounds=given.rounds) for size in SIZES}
    text = markdown(trials, tables, given.rounds)
    write_atomically(given.study / "power.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
