"""Tables of records: pandas, JSON, and text for a terminal.

All have the same content: one row for each target, profile, suite and dataset, each score with its
95 % interval over seeds, then the protocol and what is missing. `zoo.compare.comparisons` defines
the content of a row.

Not here: CSV, Markdown and LaTeX (`zoo.compare.formats`), digits (`zoo.compare.digits`),
escapes (`zoo.text`), printing (`zoo.commands`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from zoo.compare.comparisons import (
    COSTS,
    Row,
    SuiteComparison,
    score_keys,
)
from zoo.compare.digits import format_interval, format_value, marks
from zoo.compare.ranking import arranged
from zoo.compare.seed_means import Score
from zoo.compare.settings import setting_columns
from zoo.recipes.claims import COST_KEYS
from zoo.records.record import Column, Record
from zoo.records.remarks import random_components
from zoo.records.selection import comparable
from zoo.text import (
    MISSING,
    Grid,
    TableText,
    TextCell,
    TextHeading,
    drawn_width,
    plain,
    terminal_table,
)

FIRST = (
    *("psnr_y", "ssim_y", "lpips_alex", "lpips", "dists", "niqe"),
    *("haarpsi", "lite1_distance", "ms_gmsd", "lr_psnr"),
)
"""Scores that tables of text show first, in this order; where space ends, the last ones go."""
LAST = ("psnr_rgb", "ssim_rgb", "hf_energy", "statistics_gap")
"""Scores that only JSON, CSV and pandas show."""
TEXTS = (
    *("suite", "dataset", "target", "kind", "recipe", "profile"),
    *("image", "verdicts", "random_weights", "error", "skipped", "group"),
)
_COUNTS = ("seed", "height", "width", "seeds", "n")


def dataframe(records: Iterable[Record]) -> pd.DataFrame:
    """Return every score of every image: one row a suite, dataset, target, seed and image.

    Columns: `suite`, `dataset`, `target`, `kind`, `recipe`, `profile`, `seed`, `image`, `height`,
    `width`, one float a metric key (NaN where missing), `random_weights` (components trained with
    such, by name), `error`, `skipped`. A failed record has one row with its `error`, a skipped
    dataset one with its reason; both have no `image`.
    `attrs["notes"]` says what was excluded because it cannot be compared.
    """
    kept = comparable(records)
    keys = score_keys(kept.records)
    columns = [*TEXTS[:6], "seed", "image", "height", "width", *keys]
    columns += ["random_weights", "error", "skipped"]
    frame = pd.DataFrame([line for record in kept for line in _lines(record)], columns=columns)
    frame.attrs["notes"] = [
        f"{suite}: {note}" for suite, notes in kept.notes.items() for note in notes
    ]
    return _typed(frame)


def summary(records: Iterable[Record], *, sort: str | None = None) -> pd.DataFrame:
    """Return one row a target, profile, suite and dataset, the suite's mean among them.

    Columns: `target`, `kind`, `profile`, `suite`, `dataset`, `seeds`, `n` (images); for each
    metric key its mean and the ends of its interval over seeds (`psnr_y`, `psnr_y_low`,
    `psnr_y_high`), NaN if there is none; a float for each cost key; `verdicts`, the number of
    trainings by verdict; `random_weights`, names of the components trained with such; `error`,
    `skipped`; with `sort` the `group`, see `zoo.compare.ranking`. A column with a path, such as
    `generator.num_blocks`, for each setting that was set in any row.
    `attrs["notes"]` and `attrs["protocol"]` have what the tables of text say below.
    """
    return summary_of(arranged(records, sort=sort))


def summary_of(comparisons: Sequence[SuiteComparison]) -> pd.DataFrame:
    """Return `summary` of comparisons."""
    keys = list(dict.fromkeys(key for one in comparisons for key in one.score_keys))
    ends = [f"{key}{end}" for key in keys for end in ("", "_low", "_high")]
    columns = ["target", "kind", "profile", "suite", "dataset", "seeds", "n", *ends]
    columns += [*COSTS, "verdicts", "random_weights", "error", "skipped"]
    rows = [row for _, row in each_row(comparisons)]
    columns += ["group"] if any(row.group for row in rows) else []
    settings = pd.DataFrame(setting_columns(rows), index=range(len(rows)), dtype="string")
    frame = _typed(pd.DataFrame([_flat(row) for row in rows], columns=columns)).join(settings)
    frame.attrs["notes"] = list(dict.fromkeys(note for one in comparisons for note in one.notes))
    frame.attrs["protocol"] = list(dict.fromkeys(one.protocol for one in comparisons))
    return frame


def json_rows(
    records: Iterable[Record], *, order: Sequence[str] = (), sort: str | None = None
) -> list[dict[str, Any]]:
    """Return the rows of `zoo bench --json`: no value in them is NaN or infinite.

    A missing score is null; `low` and `high` are null if there are fewer than two seeds.
    """
    found = arranged(records, order=order, sort=sort)
    return [_json_row(row, one.score_keys) for one, row in each_row(found)]


def terminal_tables(
    records: Iterable[Record],
    *,
    order: Sequence[str] = (),
    sort: str | None = None,
    width: int | None = None,
) -> list[TableText]:
    """Return tables for a terminal: one for each dataset, the mean of a whole suite, and the costs.

    Args:
        records: what to show.
        order: names of targets in the order of their rows.
        sort: see `zoo.compare.ranking.arranged`.
        width: columns of the terminal; None shows every column. Where intervals as
            `29.51 [29.42, 29.60]` do not fit they become `29.51 ±0.09`, then the last scores go.
    """
    found = arranged(records, order=order, sort=sort)
    return [table for one in found for table in _fitted(one, width)]


def shown_keys(comparison: SuiteComparison) -> list[str]:
    """Return the scores that tables of text show, the most telling first.

    A score that no row has is not among them; the notes say why.
    """
    present = {key for row in comparison.rows for key in row.scores}
    first = [key for key in FIRST if key in present]
    other = [key for key in comparison.score_keys if key in present and key not in (*FIRST, *LAST)]
    return first + other


def grids(
    comparison: SuiteComparison,
    keys: Sequence[str] | None = None,
    *,
    narrow: bool = False,
    noted: str = "last",
) -> list[Grid]:
    """Return the tables of a comparison: one for each dataset, the mean, the costs.

    Args:
        comparison: what to show.
        keys: scores to show, `shown_keys` by default.
        narrow: whether intervals are written as ±.
        noted: `last` puts protocol and notes below the last table only, `all` below each.
    """
    keys = shown_keys(comparison) if keys is None else keys
    places = list(dict.fromkeys(row.dataset for row in comparison.rows))
    found = []
    for place in places:
        rows = [row for row in comparison.rows if row.dataset == place]
        if not all(row.skipped or not (row.scores or row.error) for row in rows):
            found.append(_score_grid(comparison, place, rows, keys, narrow=narrow))
    costs = _cost_grid(comparison)
    found += [costs] if costs.rows and len(costs.headings) > 1 else []
    notes = (comparison.protocol, *comparison.notes)
    if not found:
        found = [Grid(_title(comparison, "no scores"), (TextHeading("recipe"),), ())]
    chosen = range(len(found)) if noted == "all" else [len(found) - 1]
    return [replace(g, notes=notes) if i in chosen else g for i, g in enumerate(found)]


def _score_grid(
    comparison: SuiteComparison,
    place: str | None,
    rows: Sequence[Row],
    keys: Sequence[str],
    *,
    narrow: bool,
) -> Grid:
    headings, columns = [TextHeading("recipe"), TextHeading("seeds")], []
    is_grouped = any(row.group for row in rows)
    for key in keys:
        column = comparison.columns[key]
        headings.append(_heading(column))
        scores = [row.scores.get(key) for row in rows]
        marked = marks(column, [None if score is None else score.mean for score in scores])
        texts = [_interval(column, score, narrow=narrow) for score in scores]
        columns.append([TextCell(text, mark) for text, mark in zip(texts, marked, strict=True)])
    lines = []
    for number, row in enumerate(rows):
        cells = [column[number] for column in columns]
        if row.error and not row.scores and cells:
            cells[0] = TextCell("failed")
        group = [TextCell(row.group or MISSING)] if is_grouped else []
        seeds = f"{row.seeds or MISSING}{f' ({row.unstable})' if row.unstable else ''}"
        lines.append((TextCell(row.label), TextCell(seeds), *cells, *group))
    headings += [TextHeading("group")] if is_grouped else []
    images = max(row.images for row in rows)
    what = f"{place}: {images} {'image' if images == 1 else 'images'}" if place else "no scores"
    return Grid(_title(comparison, what), tuple(headings), tuple(lines))


def _cost_grid(comparison: SuiteComparison) -> Grid:
    rows = {row.label: row for row in comparison.rows if row.cost}
    keys = [key for key in COST_KEYS if any(key in row.cost for row in rows.values())]
    columns = [comparison.columns[key] for key in keys]
    # neither best nor second is marked: a baseline that costs nothing would always win
    headings = [TextHeading(_heading(column).text) for column in columns]
    lines = []
    for label, row in rows.items():
        values = (row.cost.get(key) for key in keys)
        texts = [format_value(*pair) for pair in zip(columns, values, strict=True)]
        lines.append((TextCell(label), *(TextCell(text) for text in texts)))
    return Grid(_title(comparison, "costs"), (TextHeading("recipe"), *headings), tuple(lines))


def _fitted(comparison: SuiteComparison, width: int | None) -> list[TableText]:
    """Return the tables of a comparison with as many scores as fit into the width."""
    keys = shown_keys(comparison)
    tables = [terminal_table(grid) for grid in grids(comparison, keys)]
    number = len(keys)
    while width is not None and number and not _fit(tables, width):
        tables = [terminal_table(g) for g in grids(comparison, keys[:number], narrow=True)]
        number -= 1
    shown = set(keys[: number + 1])
    scored = {key for row in comparison.rows for key in row.scores}
    hidden = [comparison.columns[k].label for k in comparison.score_keys if k in scored - shown]
    if hidden:
        note = plain(f"not shown: {', '.join(hidden)}; --json and --csv have all columns")
        tables[-1] = replace(tables[-1], notes=(*tables[-1].notes, note))
    return tables


def _fit(tables: Sequence[TableText], width: int) -> bool:
    """Return whether the tables of scores fit; the table of costs cannot be shortened."""
    return all(drawn_width(table) <= width for table in tables if table.columns[1:2] == ("seeds",))


def _title(comparison: SuiteComparison, what: str) -> str:
    profile = f", profile {comparison.profile}" if comparison.profile else ""
    return f"{comparison.suite}{profile}, {what}"


def _heading(column: Column) -> TextHeading:
    unit = f" ({column.unit})" if column.unit else ""
    return TextHeading(f"{column.label}{unit}", column.higher_is_better)


def _interval(column: Column, score: Score | None, *, narrow: bool) -> str:
    if score is None:
        return MISSING
    return format_interval(column, score.mean, score.low, score.high, narrow=narrow)


def each_row(comparisons: Sequence[SuiteComparison]) -> Iterator[tuple[SuiteComparison, Row]]:
    """Yield each row once: a baseline stands in the comparison of every profile."""
    seen = set()
    for comparison in comparisons:
        for row in comparison.rows:
            identity = (row.suite, row.dataset, row.target, row.kind, row.profile)
            if identity not in seen:
                seen.add(identity)
                yield comparison, row


def _lines(record: Record) -> Iterator[dict[str, Any]]:
    target = record.target
    head: dict[str, Any] = {
        "suite": record.suite,
        "target": target.name,
        "kind": target.kind,
        "recipe": target.recipe,
        "profile": target.profile,
        "seed": target.seed,
        "random_weights": ", ".join(random_components(record)) or None,
    }
    if record.error is not None:
        yield {**head, "error": record.error}
        return
    for dataset in record.datasets:
        place = {**head, "dataset": dataset.name}
        if dataset.skipped is not None:
            yield {**place, "skipped": dataset.skipped}
        for image in dataset.images:
            shape = {"image": image.name, "height": image.height, "width": image.width}
            yield {**place, **shape, **image.scores}


def _flat(row: Row) -> dict[str, Any]:
    flat: dict[str, Any] = {
        "target": row.target,
        "kind": row.kind,
        "profile": row.profile,
        "suite": row.suite,
        "dataset": row.dataset,
        "seeds": row.seeds,
        "n": row.images,
        "verdicts": ", ".join(f"{count} {name}" for name, count in row.verdicts.items()) or None,
        "random_weights": ", ".join(row.random_weights) or None,
        "error": row.error,
        "skipped": row.skipped,
        "group": row.group,
        **row.cost,
    }
    for key, score in row.scores.items():
        flat |= {key: score.mean, f"{key}_low": score.low, f"{key}_high": score.high}
    return flat


def _json_row(row: Row, keys: Sequence[str]) -> dict[str, Any]:
    line: dict[str, Any] = {
        "recipe": row.target,
        "profile": row.profile,
        "suite": row.suite,
        "dataset": row.dataset,
        "seeds": row.seeds,
        "n": row.images,
    }
    for key in keys:
        score = row.scores.get(key)
        line[key] = score and {
            "mean": _finite(score.mean),
            "low": _finite(score.low),
            "high": _finite(score.high),
        }
    optional: Mapping[str, Any] = {
        "kind": row.kind,
        "cost": {key: _finite(value) for key, value in row.cost.items()},
        "verdicts": dict(row.verdicts),
        "settings": list(row.variant),
        "random_weights": list(row.random_weights),
        "error": row.error,
        "skipped": row.skipped,
        "degradation": row.degradation,
        "group": row.group,
    }
    return line | {key: value for key, value in optional.items() if value}


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every column its type, whatever is missing: text, whole numbers, floats."""
    types = {
        name: "string" if name in TEXTS else "Int64" if name in _COUNTS else "float64"
        for name in frame.columns
    }
    return frame.astype(types)
