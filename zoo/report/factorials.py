"""Factorials as tables of effects: what each change did, and which changes depend on each other.

Not here: the effects themselves (`zoo.compare.factorial`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from zoo.compare.factorial import Effect, FactorialResult, effects
from zoo.metrics import metric_key
from zoo.recipes.book import Book
from zoo.recipes.matrices import Matrix
from zoo.report.commands import told
from zoo.report.forest import forest
from zoo.report.model import EffectRow, EffectTable, FactorialView
from zoo.report.numbers import listing, plain, signed
from zoo.report.selection import Selection
from zoo.runs.commands import bench_command
from zoo.text import counted

METRICS = ("psnr-y", "lpips-alex", "lpips", "lite1-distance")
"""Fidelity, and what stands for perceived quality; those that are not available are excluded."""
_DIGITS = 2
_MOST_DECIMALS = 6


def factorial_views(
    book: Book, selection: Selection, sources: Sequence[str] = ()
) -> tuple[FactorialView, ...]:
    """Return the factorials of a registry that were tried: the effects, or what is missing.

    A cell that is a recipe of its own does not count as a try: it has been run for itself.

    Args:
        book: has the factorials.
        selection: the records of the page.
        sources: command-line options for the sources of suite, recipes, components and data.
    """
    tried = {record.target.recipe for record in selection.records}
    made = {name for name, entry in book.recipes.items() if entry.matrix is not None}
    cells = {name: {c.recipe for c in m.cells} for name, m in book.matrices.items() if m.cells}
    return tuple(
        _view(
            book.matrices[name],
            [
                _effects(book.matrices[name], metric, selection, sources)
                for metric in _available(selection)
            ],
            bench_command([], selection.suite, selection.profile or "", sources, name),
        )
        for name, recipes in cells.items()
        if recipes & made & tried or recipes <= tried
    )


def cell_names(book: Book, selection: Selection) -> dict[str, tuple[str, str]]:
    """Return of each row that is but a cell of a factorial that factorial and the cell's levels."""
    levels = {
        c.recipe: ", ".join(c.levels.values()) for m in book.matrices.values() for c in m.cells
    }
    found = {}
    for label, records in selection.groups.items():
        recipe = records[0].target.recipe
        entry = book.recipes.get(recipe or "")
        if recipe is not None and entry is not None and entry.matrix is not None:
            found[label] = (entry.matrix, label.replace(recipe, levels[recipe], 1))
    return found


def _available(selection: Selection) -> list[str]:
    """Return the metrics that could be computed, and why the first one could not."""
    columns = selection.comparison.columns
    keys = {metric: metric_key(metric) for metric in METRICS}
    found = [m for m, key in keys.items() if key in columns and not columns[key].unavailable]
    return found or [METRICS[0]]


def _effects(
    matrix: Matrix, metric: str, selection: Selection, sources: Sequence[str]
) -> FactorialResult:
    return effects(
        matrix.cells,
        selection.kept,
        metric,
        profile=selection.profile or "",
        suite=selection.suite,
        matrix=matrix.name,
        sources=sources,
    )


def _view(matrix: Matrix, results: Sequence[FactorialResult], command: str) -> FactorialView:
    return FactorialView(
        name=matrix.name,
        summary=f"{matrix.summary[:1].upper()}{matrix.summary[1:]}",
        factors=listing(list(matrix.factors)),
        tables=tuple(_table(result) for result in results if result.effects),
        lacking=tuple(told(result.sentence, command) for result in results if not result.effects),
    )


def _table(result: FactorialResult) -> EffectTable:
    ends = [end for effect in result.effects for end in _ends(effect)]
    decimals = _decimals(ends)
    unit = f" ({result.unit})" if result.unit else ""
    better = {True: "higher is better", False: "lower is better", None: ""}
    basis = f"{counted(result.num_seeds, 'seed')}, {counted(result.num_images, 'image')}"
    parts = [part for part in (better[result.higher_is_better], basis) if part]
    return EffectTable(
        metric=f"{result.label}{unit}",
        note=", ".join(parts),
        sentence=_sentence(result, decimals),
        effects=tuple(_row(result, effect, ends, decimals) for effect in result.effects),
    )


def _sentence(result: FactorialResult, decimals: int) -> str:
    """Say how many effects are clear and which is the largest of them; the table has the rest."""
    if all(effect.p_value is None for effect in result.effects):
        return result.sentence
    unit = f" {result.unit}" if result.unit else ""
    clear = [effect for effect in result.effects if effect.is_clear]
    if not clear:
        most = max(abs(end) for effect in result.effects for end in _ends(effect))
        bound = f"{plain(most, decimals)}{unit}"
        corrected = f"No effect is significant after correction for all {len(result.effects)}"
        return f"{corrected}; by their intervals, none exceeds {bound} in either direction."
    largest = max(clear, key=lambda effect: abs(effect.interval.estimate))
    size = f"{signed(largest.interval.estimate, decimals)}{unit}"
    having = "has" if len(clear) == 1 else "have"
    start = f"{len(clear)} of {len(result.effects)} effects {having} a significant sign"
    name = f"{'the largest' if len(clear) > 1 else 'it'} is {_name(largest)}, {size}"
    judged = _judged(result, largest)
    return f"{start}; {name}{f' ({judged})' if judged else ''}."


def _judged(result: FactorialResult, effect: Effect) -> str:
    """Return whether a change is clearly for better or worse; an interaction is neither."""
    is_main = len(effect.factors) == 1
    if result.higher_is_better is None or not effect.is_clear or not is_main:
        return ""
    return "better" if (effect.interval.estimate > 0) == result.higher_is_better else "worse"


def _name(effect: Effect) -> str:
    if len(effect.factors) > 1:
        return " \N{MULTIPLICATION SIGN} ".join(effect.names)
    first, second = effect.levels[0]
    return f"{effect.factors[0]}: {first} \N{RIGHTWARDS ARROW} {second}"


def _row(
    result: FactorialResult, effect: Effect, reach: Sequence[float], decimals: int
) -> EffectRow:
    found = effect.interval
    low, high = _ends(effect)
    known = found.low is not None and found.high is not None
    return EffectRow(
        name=_name(effect),
        is_interaction=len(effect.factors) > 1,
        estimate=signed(found.estimate, decimals),
        interval=f"{signed(low, decimals)} to {signed(high, decimals)}" if known else "",
        is_clear=effect.is_clear,
        judged=_judged(result, effect),
        forest=forest(found.estimate, low, high, decimals=decimals, reach=reach, labelled=False),
    )


def _ends(effect: Effect) -> tuple[float, float]:
    """Return the ends of an effect's interval, the estimate twice where it has none."""
    found = effect.interval
    low = found.estimate if found.low is None else found.low
    high = found.estimate if found.high is None else found.high
    return low, high


def _decimals(values: Sequence[float]) -> int:
    """Return decimals that show the largest value with three digits."""
    largest = max(map(abs, values), default=0.0)
    if largest == 0:
        return _DIGITS
    return min(_MOST_DECIMALS, max(0, _DIGITS - math.floor(math.log10(largest))))
