"""Main effects and interactions of a factorial: which change made the difference.

All cells have the same seeds and images, so an effect is one array `effect[seed, image]`, a signed
sum over the cells, and has an interval as any difference has. Each later level of a factor is
compared with the first, its reference. With a coded +1 at the later level, -1 at the reference and
0 at any other, n cells, and A of l_A levels:

- the main effect of A is the mean of all cells with A at the later level, less that of the cells
  with A at the reference: sum(a y) l_A / n;
- the interaction of A and B is half the difference of A's effects at the later level of B and at
  its reference: sum(a b y) l_A l_B / (2 n). It is 0 if both add up.

With k factors of two levels both are sums over 2^(k-1) (Box, Hunter and Hunter, Statistics for
Experimenters, 2005, ch. 5).

Every run serves every effect: 16 cells of 3 seeds say as much of each factor as a comparison of 24
runs with 24 would. The p-values of a metric are corrected over its effects (Holm).

Not here: which recipes are the cells (`zoo.recipes.matrices`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from zoo.compare.samples import (
    Paired,
    column_of,
    not_recipes,
    not_shared,
    of_recipe,
    other_start,
    pair,
    scores_of,
    training_seconds,
)
from zoo.compare.statistics import Floats, Interval, holm, paired_interval
from zoo.compare.verdicts import SIGNIFICANCE
from zoo.errors import DataError
from zoo.recipes.claims import family_of
from zoo.recipes.matrices import Cell
from zoo.records.budget import mixed_precision
from zoo.records.record import Column, Record
from zoo.records.selection import comparable_runs
from zoo.runs.commands import bench_command
from zoo.text import counted


@dataclass(frozen=True, slots=True)
class Effect:
    """The main effect of one factor, or the interaction of two.

    Attributes:
        factors: one name or two.
        levels: reference and later level of each factor; the effect is later less reference.
        names: each factor, with the later level where it has more than one, such as `loss (vgg)`.
        interval: the effect with its interval over seeds and images.
        p_value: corrected over the effects of the metric; None if nothing was tested.
        per_seed: the effect in each seed.
    """

    factors: tuple[str, ...]
    levels: tuple[tuple[str, str], ...]
    names: tuple[str, ...]
    interval: Interval
    p_value: float | None
    per_seed: dict[int, float]

    @property
    def name(self) -> str:
        """Its factors, joined, with their levels where a factor has more than two."""
        return " x ".join(self.names)

    @property
    def is_clear(self) -> bool:
        """Whether its sign is sure, after correction."""
        return self.p_value is not None and self.p_value < SIGNIFICANCE


@dataclass(frozen=True, slots=True)
class FactorialResult:
    """All effects of a factorial on one metric.

    Attributes:
        metric: as it was requested.
        label: the metric's name in tables.
        unit: of the effects.
        higher_is_better: the metric's direction, None if neither is better.
        factors: the levels of each factor, the reference first.
        effects: main effects, then two-way interactions, in the order of the factors; empty
            where something is missing.
        problem: what is missing and the command that makes it; empty if nothing is.
        num_seeds: seeds that all cells share.
        num_images: images that all cells share.
        seconds: training time of all cells.
        notes: what was excluded.
        sentence: the answer in one sentence.
    """

    metric: str
    label: str
    unit: str
    higher_is_better: bool | None
    factors: Mapping[str, tuple[str, ...]]
    effects: tuple[Effect, ...]
    problem: str
    num_seeds: int
    num_images: int
    seconds: float
    notes: tuple[str, ...]
    sentence: str


def effects(
    cells: Sequence[Cell],
    records: Iterable[Record],
    metric: str,
    *,
    profile: str,
    suite: str,
    matrix: str | None = None,
    sources: Sequence[str] = (),
) -> FactorialResult:
    """Return all main effects and two-way interactions of a factorial on one metric.

    Args:
        cells: all combinations of the levels of each factor.
        records: of any suite and profile; the newest of each run counts.
        metric: a registered image metric (`psnr-y`), `cost.KEY` or `training.KEY`.
        profile: the only profile whose runs are used.
        suite: the only suite.
        matrix: its name, for the command that makes what is missing.
        sources: command-line options for the sources of recipes, components and data.

    Raises:
        DataError: if the cells are no full factorial of two levels or more a factor.
    """
    factors = _factors(cells)
    kept = comparable_runs(records, suite, profile)
    runs = {cell.recipe: of_recipe(kept, cell.recipe) for cell in cells}
    used = list(itertools.chain.from_iterable(runs.values()))
    failed = [f"{record.target.name}: {record.error}" for record in used if record.error]
    column, paired, missing, unshared = _scored(cells, used, metric)
    command = bench_command(missing or runs, suite, profile, sources, matrix)
    problem = _problem(missing, column, paired, command) or _apart(cells, factors, runs)
    found = () if problem else _effects(cells, factors, paired)
    return FactorialResult(
        metric=metric,
        label=column.label,
        unit=column.unit,
        higher_is_better=column.higher_is_better,
        factors=factors,
        effects=found,
        problem=problem,
        num_seeds=len(paired.seeds),
        num_images=len(paired.images),
        seconds=training_seconds(used),
        notes=(*failed, *unshared, *not_recipes(kept, runs), *kept.notes.get(suite, ())),
        sentence=_sentence(column, found, paired, problem),
    )


def _scored(
    cells: Sequence[Cell], records: Sequence[Record], metric: str
) -> tuple[Column, Paired, list[str], list[str]]:
    """Return what the metric means, all cells' scores, the cells without any, and what is lost."""
    family, key = family_of(metric)
    sides = [scores_of(of_recipe(records, cell.recipe), family, key) for cell in cells]
    missing = [cell.recipe for cell, side in zip(cells, sides, strict=True) if not side]
    paired = Paired((), (), ()) if missing else pair(sides)
    return column_of(records, key), paired, missing, [] if missing else not_shared(sides, paired)


def _apart(
    cells: Sequence[Cell],
    factors: Mapping[str, tuple[str, ...]],
    runs: Mapping[str, Sequence[Record]],
) -> str:
    """Say what beside the factors sets runs apart: their precision, or what they started from."""
    mixed = mixed_precision(itertools.chain.from_iterable(runs.values()))
    return mixed or _other_starts(cells, factors, runs)


def _other_starts(
    cells: Sequence[Cell],
    factors: Mapping[str, tuple[str, ...]],
    runs: Mapping[str, Sequence[Record]],
) -> str:
    """Return which seeds of cells that differ in one factor started from different pretraining.

    A factor of the generator changes the pretraining of every run, and is known by that.
    """
    changes = ((name, *two) for name in factors for two in itertools.combinations(factors[name], 2))
    for factor, first, second in changes:
        pairs = [
            (runs[one.recipe], runs[other.recipe])
            for one, other in itertools.permutations(cells, 2)
            if one.levels | {factor: second} == other.levels and one.levels[factor] == first
        ]
        differing = [seed for one, other in pairs for seed in other_start(one, other)]
        if differing and len(differing) < sum(map(_num_started, pairs)):
            seeds = ", ".join(map(str, sorted(set(differing))))
            return f"seed {seeds}: cells of {factor} start from different pretraining; train again"
    return ""


def _num_started(pair_of_cells: tuple[Sequence[Record], Sequence[Record]]) -> int:
    """Return how many seeds of two cells have a pretraining each."""
    one, other = (
        {record.target.seed for record in side if record.target.pretraining_sha256}
        for side in pair_of_cells
    )
    return len(one & other)


def _factors(cells: Sequence[Cell]) -> dict[str, tuple[str, ...]]:
    names = list(cells[0].levels) if cells else []
    factors: dict[str, tuple[str, ...]] = {}
    for name in names:
        levels = tuple(dict.fromkeys(cell.levels.get(name, "") for cell in cells))
        if len(levels) < 2:
            raise DataError(f"factor {name!r} has one level, {levels[0]!r}; effects need two")
        factors[name] = levels
    combinations = {tuple(cell.levels.items()) for cell in cells}
    num_cells = math.prod(map(len, factors.values()))
    if not names or len(cells) != len(combinations) or len(cells) != num_cells:
        raise DataError(f"{len(cells)} cells of {len(names)} factors are not a full factorial")
    return factors


def _problem(missing: Sequence[str], column: Column, paired: Paired, command: str) -> str:
    if missing and column.unavailable:
        return column.unavailable
    if missing:
        return f"no {column.label} of {', '.join(missing)}: {command}"
    if not paired.images or not paired.seeds:
        return f"the cells have no {'images' if paired.seeds else 'seeds'} in common: {command}"
    return ""


def _effects(
    cells: Sequence[Cell], factors: Mapping[str, tuple[str, ...]], paired: Paired
) -> tuple[Effect, ...]:
    values = np.stack(paired.values)
    groups = _groups(factors)
    arrays = [np.tensordot(_weights(cells, factors, group), values, 1) for group in groups]
    intervals = [paired_interval(array) for array in arrays]
    tested = [index for index, found in enumerate(intervals) if found.p_value is not None]
    corrected = holm([intervals[index].p_value or 0.0 for index in tested])
    p_values = dict(zip(tested, corrected, strict=True))
    return tuple(
        Effect(
            tuple(group),
            tuple((factors[name][0], level) for name, level in group.items()),
            tuple(_called(name, level, factors) for name, level in group.items()),
            intervals[index],
            p_values.get(index),
            _per_seed(arrays[index], paired),
        )
        for index, group in enumerate(groups)
    )


def _groups(factors: Mapping[str, tuple[str, ...]]) -> list[dict[str, str]]:
    """Return what each effect changes, from the reference to which level: one factor, then two."""
    mains = {name: [{name: level} for level in later] for name, (_, *later) in factors.items()}
    twos = itertools.combinations(mains.values(), 2)
    crossed = [one | other for pair_of in twos for one, other in itertools.product(*pair_of)]
    return [*itertools.chain.from_iterable(mains.values()), *crossed]


def _weights(
    cells: Sequence[Cell], factors: Mapping[str, tuple[str, ...]], group: Mapping[str, str]
) -> Floats:
    """Return what an effect multiplies the cells' scores with; see the module's formulas."""
    codes = [
        math.prod(
            (cell.levels[name] == level) - (cell.levels[name] == factors[name][0])
            for name, level in group.items()
        )
        for cell in cells
    ]
    scale = math.prod(len(factors[name]) for name in group) / len(cells) * 0.5 ** (len(group) - 1)
    return np.array(codes, dtype=np.float64) * scale


def _called(name: str, level: str, factors: Mapping[str, tuple[str, ...]]) -> str:
    return f"{name} ({level})" if len(factors[name]) > 2 else name


def _per_seed(array: Floats, paired: Paired) -> dict[int, float]:
    means = array.mean(axis=1).tolist()
    return {seed: mean for seed, mean in zip(paired.seeds, means, strict=True) if seed is not None}


def _sentence(column: Column, found: Sequence[Effect], paired: Paired, problem: str) -> str:
    """Return which effects are clear, largest first, and how much the others may still be."""
    if problem:
        return f"The effects on {column.label} are unknown: {problem}."
    basis = counted(len(paired.seeds), "seed")
    if len(paired.images) > 1:
        basis += f", {counted(len(paired.images), 'image')}"
    if not any(effect.p_value is not None for effect in found):
        return f"The effects on {column.label} were not tested ({basis}); tests need 2 seeds."
    clear = [effect for effect in found if effect.is_clear]
    clear.sort(key=lambda effect: -abs(effect.interval.estimate))
    open_ones = [effect for effect in found if not effect.is_clear]
    ends = [abs(end or 0.0) for one in open_ones for end in (one.interval.low, one.interval.high)]
    rest = f"may be up to {max(ends):.3g}{_unit(column)} either way" if ends else ""
    if not clear:
        return f"No effect on {column.label} is significant ({basis}); any {rest}."
    parts = [_clause(effect, column) for effect in clear] + ([f"the others {rest}"] if rest else [])
    return f"Significant effects on {column.label} ({basis}): {'; '.join(parts)}."


def _clause(effect: Effect, column: Column) -> str:
    found, unit = effect.interval, _unit(column)
    size = f"{found.estimate:+.3g}{unit} (95 % interval {found.low:+.3g} to {found.high:+.3g})"
    if len(effect.factors) == 2:
        return f"interaction of {effect.names[0]} and {effect.names[1]} {size}"
    first, second = effect.levels[0]
    better = ""
    if column.higher_is_better is not None and found.estimate:
        good = (found.estimate > 0) == column.higher_is_better
        better = ", better" if good else ", worse"
    return f"{effect.factors[0]} {second} instead of {first} {size}{better}"


def _unit(column: Column) -> str:
    return f" {column.unit}".rstrip()
