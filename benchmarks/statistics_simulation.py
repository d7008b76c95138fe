"""How often the intervals hold the truth, and how often verdicts are wrong, on simulated data.

Draws differences of two recipes with known truth and asks `zoo.compare.statistics` about them:
coverage of the 95 % interval, verdicts `supported` where there is no effect, and power. Writes
`benchmarks/results/statistics.json` and `.md`. Run from the repository root:

    python benchmarks/statistics_simulation.py
"""

from __future__ import annotations

import argparse
import itertools
import json
import platform
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import scipy
import scipy.stats
from numpy.typing import NDArray

from zoo.compare.statistics import CONFIDENCE, deviations, holm, paired_interval, unpaired_interval
from zoo.compare.verdicts import verdict_of
from zoo.files import write_atomically

Floats = NDArray[np.float64]
Draw = Callable[[np.random.Generator, tuple[int, ...]], Floats]
RESULTS: Final = Path(__file__).parent / "results"
SEEDS: Final = (3, 5, 10)
IMAGES: Final = (3, 5, 9, 14, 100)
RATIOS: Final = (
    (1.0, 1.0, 1.0),
    (4.0, 1.0, 1.0),
    (1.0, 4.0, 1.0),
    (1.0, 1.0, 4.0),
    (0.25, 1.0, 1.0),
    (1.0, 0.25, 1.0),
    (0.0, 1.0, 1.0),
    (1.0, 0.0, 1.0),
)
"""Variances of seeds, images and residual."""
CORNER: Final = (0.0, 0.0, 1.0)
"""Neither seeds nor images vary: no method can know so from few of them."""
EFFECTS: Final = (0.5, 1.0, 2.0, 4.0, 8.0)
NUM_CLAIMS: Final = 12
PERCENTILES: Final = (2.5, 97.5)


def normal(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw normal effects of variance 1."""
    return np.asarray(generator.normal(size=shape), dtype=np.float64)


def heavy(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw effects of variance 1 with heavy tails: Student's t of 5 degrees of freedom."""
    return np.asarray(generator.standard_t(5, size=shape) * (3 / 5) ** 0.5, dtype=np.float64)


def skewed(generator: np.random.Generator, shape: tuple[int, ...]) -> Floats:
    """Draw effects of variance 1 that lean to one side: gamma of shape 4, centred."""
    return np.asarray((generator.gamma(4, size=shape) - 4) / 2, dtype=np.float64)


def simulate(
    generator: np.random.Generator,
    num_seeds: int,
    num_images: int,
    variances: tuple[float, float, float],
    draw: Draw = normal,
) -> Floats:
    """Return `difference[seed, image]` whose true mean is 0."""
    seeds, images, residual = (variance**0.5 for variance in variances)
    difference: Floats = residual * draw(generator, (num_seeds, num_images))
    difference += seeds * draw(generator, (num_seeds, 1))
    difference += images * draw(generator, (1, num_images))
    return difference


def naive_covers(difference: Floats, generator: np.random.Generator) -> bool:
    """Return whether a percentile bootstrap over seeds and images holds 0: what not to do."""
    num_seeds, num_images = difference.shape
    seeds = generator.integers(num_seeds, size=(1000, num_seeds, 1))
    images = generator.integers(num_images, size=(1000, 1, num_images))
    low, high = np.percentile(difference[seeds, images].mean(axis=(1, 2)), PERCENTILES)
    return bool(low <= 0 <= high)


def coverage(
    num_seeds: int,
    num_images: int,
    variances: tuple[float, float, float],
    *,
    num_simulations: int,
    draw: Draw = normal,
    seed: int = 0,
) -> dict[str, float]:
    """Return how often the interval holds the truth, counted and expected, and its mean half width.

    Of normal data the mean and the interval's width are independent, so the chance that an interval
    of this width holds the truth is known exactly; its mean is the coverage without the noise of
    counting. The half width is in units of the ideal, 1.96 times the true standard error, which
    nobody knows from the data.
    """
    generator = np.random.default_rng(
        [seed, num_seeds, num_images, *(int(100 * v) for v in variances)]
    )
    shares = (1 / num_seeds, 1 / num_images, 1 / (num_seeds * num_images))
    error = sum(v * share for v, share in zip(variances, shares, strict=True)) ** 0.5
    held, widths = 0, []
    for _ in range(num_simulations):
        found = paired_interval(simulate(generator, num_seeds, num_images, variances, draw))
        low, high = found.low or 0.0, found.high or 0.0
        held += low <= 0 <= high
        widths.append((high - low) / 2 / error)
    expected = float(np.mean(2 * scipy.stats.norm.cdf(widths) - 1))
    return {
        "coverage": held / num_simulations,
        "expected": expected if draw is normal else held / num_simulations,
        "width": float(np.mean(widths)) / 1.96,
    }


def naive_coverage(
    num_seeds: int, num_images: int, variances: tuple[float, float, float], num_simulations: int
) -> float:
    """Return how often the naive percentile bootstrap holds the truth."""
    generator = np.random.default_rng([1, num_seeds, num_images])
    return float(
        np.mean(
            [
                naive_covers(simulate(generator, num_seeds, num_images, variances), generator)
                for _ in range(num_simulations)
            ]
        )
    )


def false_verdicts(
    num_seeds: int, num_images: int, *, num_families: int, seed: int = 0
) -> dict[str, float]:
    """Return how often claims of effects that are 0 are judged supported or contradicted.

    Each family has `NUM_CLAIMS` claims, half of them about the difference of the first ones, as
    claims of a registry share recipes. Any size counts as one that matters: the worst case.
    """
    generator = np.random.default_rng([2, seed, num_seeds, num_images])
    supported = contradicted = families = either = 0
    for _ in range(num_families):
        verdicts = _null_family(generator, num_seeds, num_images)
        supported += verdicts.count("supported")
        contradicted += verdicts.count("contradicted")
        families += "supported" in verdicts
        either += "supported" in verdicts or "contradicted" in verdicts
    return {
        "supported_per_claim": supported / num_families / NUM_CLAIMS,
        "contradicted_per_claim": contradicted / num_families / NUM_CLAIMS,
        "supported_per_family": families / num_families,
        "wrong_per_family": either / num_families,
    }


def _null_family(generator: np.random.Generator, num_seeds: int, num_images: int) -> list[str]:
    ratios = itertools.cycle(RATIOS)
    drawn = [simulate(generator, num_seeds, num_images, next(ratios)) for _ in range(NUM_CLAIMS)]
    half = NUM_CLAIMS // 2
    drawn[half:] = [drawn[index] - drawn[index + half] for index in range(half)]
    effects = [paired_interval(difference) for difference in drawn]
    adjusted = holm([effect.p_value or 0.0 for effect in effects])
    return [
        verdict_of(effect, p_value, direction="higher", smallest_effect=1e-9)
        for effect, p_value in zip(effects, adjusted, strict=True)
    ]


def power(
    num_seeds: int, num_images: int, effect: float, *, num_simulations: int
) -> dict[str, float]:
    """Return how often a true effect is found, alone and as the only one of `NUM_CLAIMS`.

    Args:
        num_seeds: seeds.
        num_images: images.
        effect: in standard deviations of a single difference's seed, image and residual part.
        num_simulations: simulations.
    """
    generator = np.random.default_rng([3, num_seeds, num_images, int(10 * effect)])
    alone = among = 0
    for _ in range(num_simulations):
        found = paired_interval(effect + simulate(generator, num_seeds, num_images, RATIOS[0]))
        p_value = found.p_value or 0.0
        alone += p_value < 1 - CONFIDENCE
        among += p_value * NUM_CLAIMS < 1 - CONFIDENCE
    return {"alone": alone / num_simulations, "among_claims": among / num_simulations}


def spread_found(num_seeds: int, ratio: float, *, num_simulations: int) -> float:
    """Return how often two spreads over seeds are told apart; `ratio` is of their true sizes."""
    generator = np.random.default_rng([4, num_seeds, int(ratio)])
    found = 0
    for _ in range(num_simulations):
        sides = generator.normal(size=(2, num_seeds)) * np.array([[ratio], [1.0]])
        effect = unpaired_interval(*(deviations(side, axis=0) for side in sides))
        found += (effect.p_value or 0.0) < 1 - CONFIDENCE
    return found / num_simulations


def grid(num_simulations: int) -> Iterable[dict[str, Any]]:
    """Yield the coverage of every configuration."""
    shapes: Sequence[tuple[str, Draw]] = (("heavy", heavy), ("skewed", skewed))
    for num_seeds, num_images in itertools.product(SEEDS, IMAGES):
        size = {"seeds": num_seeds, "images": num_images}
        for variances in (*RATIOS, CORNER):
            found = coverage(num_seeds, num_images, variances, num_simulations=num_simulations)
            yield size | {"variances": variances, "shape": "normal"} | found
        for name, draw in shapes:
            found = coverage(
                num_seeds, num_images, RATIOS[0], num_simulations=num_simulations, draw=draw
            )
            yield size | {"variances": RATIOS[0], "shape": name} | found
        print(f"{num_seeds} seeds, {num_images} images done", file=sys.stderr)


def run(num_simulations: int) -> dict[str, Any]:
    """Return all results."""
    started = time.monotonic()
    sizes = list(itertools.product(SEEDS, (5, 14)))
    return {
        "command": f"python benchmarks/statistics_simulation.py --simulations {num_simulations}",
        "simulations": num_simulations,
        "seeds": "each cell draws from default_rng([0 to 4 by part, seeds, images, variances])",
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "scipy": scipy.__version__,
        },
        "coverage": list(grid(num_simulations)),
        "naive": [
            {"seeds": s, "images": i, "coverage": naive_coverage(s, i, RATIOS[0], num_simulations)}
            for s, i in sizes
        ],
        "null": [
            {"seeds": s, "images": i, **false_verdicts(s, i, num_families=num_simulations)}
            for s, i in sizes
        ],
        "power": [
            {"seeds": s, "images": i, "effect": effect}
            | power(s, i, effect, num_simulations=num_simulations)
            for (s, i), effect in itertools.product(sizes, EFFECTS)
            if i == 14
        ],
        "spread": [
            {
                "seeds": num_seeds,
                "ratio": ratio,
                "found": spread_found(num_seeds, ratio, num_simulations=num_simulations),
            }
            for num_seeds, ratio in itertools.product(SEEDS, (1, 3, 10))
        ],
        "seconds": round(time.monotonic() - started),
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the results as tables."""
    lines = [
        "# Simulated intervals and verdicts",
        "",
        f"`{results['command']}`: {results['simulations']} simulations a cell, "
        + ", ".join(f"{name} {version}" for name, version in results["versions"].items())
        + ". The standard error of a share of 95 % is "
        + f"{100 * (0.95 * 0.05 / results['simulations']) ** 0.5:.1f} %.",
        "",
        *_coverage_lines(results["coverage"], "coverage", "counted"),
        *_coverage_lines(results["coverage"], "expected", "without the noise of counting"),
        "## Naive percentile bootstrap, variances 1:1:1",
        "",
        *_table(results["naive"], ("seeds", "images", "coverage")),
        f"## Verdicts where no claim is true ({NUM_CLAIMS} claims, Holm)",
        "",
        *_table(results["null"], tuple(results["null"][0])),
        f"## Power, variances 1:1:1, alone and as one of {NUM_CLAIMS} claims",
        "",
        *_table(results["power"], tuple(results["power"][0])),
        "## Spreads over seeds told apart, by the ratio of their true sizes",
        "",
        *_table(results["spread"], tuple(results["spread"][0])),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _coverage_lines(cells: Sequence[dict[str, Any]], key: str, how: str) -> list[str]:
    cells = [cell for cell in cells if key == "coverage" or cell["shape"] == "normal"]
    kinds = list(dict.fromkeys((tuple(cell["variances"]), cell["shape"]) for cell in cells))
    found = {(c["seeds"], c["images"], tuple(c["variances"]), c["shape"]): c[key] for c in cells}
    heads = [
        ":".join(f"{v:g}" for v in variances) + ("" if shape == "normal" else f" {shape}")
        for variances, shape in kinds
    ]
    lines = [
        f"## Coverage of the 95 % interval in %, {how}",
        "",
        "Columns: variances of seeds, images and residual.",
        "",
        "| seeds | images | " + " | ".join(heads) + " |",
        "|" + "---|" * (2 + len(heads)),
    ]
    for seeds, images in itertools.product(SEEDS, IMAGES):
        row = [f"{100 * found[seeds, images, *kind]:.1f}" for kind in kinds]
        lines.append(f"| {seeds} | {images} | " + " | ".join(row) + " |")
    return [*lines, ""]


def _table(rows: Sequence[dict[str, Any]], keys: Sequence[str]) -> list[str]:
    lines = ["| " + " | ".join(key.replace("_", " ") for key in keys) + " |"]
    lines.append("|" + "---|" * len(keys))
    for row in rows:
        cells = [
            f"{100 * row[key]:.1f} %"
            if isinstance(row[key], float) and key != "effect"
            else f"{row[key]:g}"
            for key in keys
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def main() -> None:
    """Run all simulations, print the tables and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=1000, help="Of each cell.")
    parser.add_argument("--output", type=Path, default=RESULTS, help="Folder of the results.")
    arguments = parser.parse_args()
    results = run(arguments.simulations)
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = markdown(results)
    write_atomically(
        arguments.output / "statistics.json", (json.dumps(results, indent=1) + "\n").encode()
    )
    write_atomically(arguments.output / "statistics.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
