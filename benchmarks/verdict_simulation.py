"""How often verdicts are wrong where no claim is true, over all kinds of claims of the registry.

Draws both sides of every tested claim from one distribution, whose images and seeds lean to one
side, and judges them as `zoo.compare.verdicts` does. Writes `benchmarks/results/verdicts.json` and
`.md`. Coverage and power are in `statistics_simulation`. Run from the repository root:

    python -m benchmarks.verdict_simulation
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.statistics_simulation import RATIOS, RESULTS, skewed
from zoo.compare.samples import COUNTED, YES_OR_NO
from zoo.compare.shares import share_difference, smallest_p_value
from zoo.compare.statistics import (
    Interval,
    decidable,
    deviations,
    holm,
    paired_interval,
    relative_difference,
    smallest_spread_p_value,
    unpaired_interval,
)
from zoo.compare.verdicts import SIGNIFICANCE, verdict_of
from zoo.files import write_atomically
from zoo.recipes.book import load_book
from zoo.recipes.claims import Claim

Floats = NDArray[np.float64]
Judge = Callable[[np.random.Generator, int, int], Interval]
SIZES: Final = ((3, 5), (3, 14), (5, 14))
MEAN: Final = 4.0
"""Of every score, whose effects have variance 1: a share of it is then far from linear."""
SHARE: Final = 0.5
"""Of runs that say yes: the share at which the test errs most."""


def kind_of(claim: Claim) -> str | None:
    """Return the kind of test that a claim gets; None for a count, which is not tested."""
    if claim.family == "cost" and claim.key in COUNTED:
        return None
    if claim.key in YES_OR_NO:
        return "share"
    if claim.statistic != "mean":
        return claim.statistic
    if claim.family != "image":
        return "whole run, relative" if claim.relative else "whole run"
    return "relative" if claim.relative else "mean"


def draw_sides(generator: np.random.Generator, num_seeds: int, num_images: int) -> list[Floats]:
    """Return two sides `[seed, image]` of one distribution that share how hard an image is."""
    seeds, images, residual = np.sqrt(RATIOS[generator.integers(len(RATIOS))])
    if num_images == 1:
        images = 0.0  # a number of a whole run has no image that one side may gain from
    hardness = skewed(generator, (1, num_images))
    return [
        MEAN
        + hardness
        + seeds * skewed(generator, (num_seeds, 1))
        + images * skewed(generator, (1, num_images))
        + residual * skewed(generator, (num_seeds, num_images))
        for _ in range(2)
    ]


def _mean(generator: np.random.Generator, seeds: int, images: int) -> Interval:
    changed, reference = draw_sides(generator, seeds, images)
    return paired_interval(changed - reference)


def _relative(generator: np.random.Generator, seeds: int, images: int) -> Interval:
    return paired_interval(relative_difference(*draw_sides(generator, seeds, images)))


def _image_spread(generator: np.random.Generator, seeds: int, images: int) -> Interval:
    changed, reference = (deviations(s, axis=1) for s in draw_sides(generator, seeds, images))
    return paired_interval(changed - reference)


def _seed_spread(generator: np.random.Generator, seeds: int, images: int) -> Interval:
    sides = draw_sides(generator, seeds, images)
    return unpaired_interval(*(deviations(side.mean(axis=1), axis=0) for side in sides))


def _share(generator: np.random.Generator, seeds: int, _: int) -> Interval:
    hits, others = generator.binomial(seeds, SHARE, size=2).tolist()
    return _share_interval(hits, others, seeds)


@lru_cache
def _share_interval(hits: int, others: int, runs: int) -> Interval:
    return share_difference((hits, runs), (others, runs))


JUDGES: Final[dict[str, Judge]] = {
    "mean": _mean,
    "relative": _relative,
    "image-spread": _image_spread,
    "seed-spread": _seed_spread,
    "share": _share,
    "whole run": lambda generator, seeds, _: _mean(generator, seeds, 1),
    "whole run, relative": lambda generator, seeds, _: _relative(generator, seeds, 1),
}


def simulate(num_seeds: int, num_images: int, *, num_families: int) -> dict[str, Any]:
    """Return how often each kind is found alone at 5 %, and how often a family is wrong.

    Claims are drawn independently of each other, and any size counts as one that matters.
    """
    generator = np.random.default_rng([5, num_seeds, num_images])
    kinds = [kind for claim in load_book().claims.values() if (kind := kind_of(claim))]
    bounds = {"share": smallest_p_value(num_seeds, num_seeds)}
    bounds["seed-spread"] = smallest_spread_p_value(num_seeds)
    kept = decidable([bounds.get(kind, 0.0) for kind in kinds], SIGNIFICANCE)
    alone: Counter[str] = Counter()
    supported = wrong = 0
    for _ in range(num_families):
        found = [JUDGES[kind](generator, num_seeds, num_images) for kind in kinds]
        p_values = [1.0 if one.p_value is None else one.p_value for one in found]
        alone.update(kind for kind, p in zip(kinds, p_values, strict=True) if p < SIGNIFICANCE)
        judged = [index for index, is_kept in enumerate(kept) if is_kept]
        adjusted = holm([p_values[index] for index in judged])
        verdicts = [
            verdict_of(found[index], p_value, direction="higher", smallest_effect=1e-9)
            for index, p_value in zip(judged, adjusted, strict=True)
        ]
        supported += "supported" in verdicts
        wrong += "supported" in verdicts or "contradicted" in verdicts
    claims = Counter(kinds)
    return {
        "seeds": num_seeds,
        "images": num_images,
        "claims": dict(claims),
        "decidable": sum(kept),
        "alone": {kind: alone[kind] / count / num_families for kind, count in claims.items()},
        "supported_per_family": supported / num_families,
        "wrong_per_family": wrong / num_families,
    }


def markdown(results: dict[str, Any]) -> str:
    """Return the results as a table."""
    rows = results["families"]
    heads = [f"{kind} ({count})" for kind, count in rows[0]["claims"].items()]
    columns = ["seeds", "images", *heads, "decidable", "supported per family", "wrong per family"]
    lines = [
        "# Verdicts where no claim of the registry is true",
        "",
        f"`{results['command']}`: {results['num_families']} families a row.",
        "A column of a kind says how often such a claim alone has p < 0.05; in brackets, how many",
        "there are. Images and seeds are skewed. A family is all claims of the registry together,",
        "corrected.",
        "",
        "| " + " | ".join(columns) + " |",
        "|" + "---|" * len(columns),
    ]
    for row in rows:
        shares = [*row["alone"].values(), row["supported_per_family"], row["wrong_per_family"]]
        cells = [f"{100 * share:.1f} %" for share in shares]
        cells.insert(len(heads), f"{row['decidable']} of {sum(row['claims'].values())}")
        lines.append(f"| {row['seeds']} | {row['images']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the simulation, print the table and write both files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--families", type=int, default=1000, help="Of each size.")
    parser.add_argument("--output", type=Path, default=RESULTS, help="Folder of the results.")
    arguments = parser.parse_args()
    count = arguments.families
    results = {
        "command": f"python -m benchmarks.verdict_simulation --families {count}",
        "num_families": count,
        "families": [simulate(*size, num_families=count) for size in SIZES],
    }
    text = markdown(results)
    arguments.output.mkdir(parents=True, exist_ok=True)
    content = (json.dumps(results, indent=1) + "\n").encode()
    write_atomically(arguments.output / "verdicts.json", content)
    write_atomically(arguments.output / "verdicts.md", text.encode())
    print(text)


if __name__ == "__main__":
    main()
