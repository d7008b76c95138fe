"""The results in a few sentences, and the amount of data behind them.

Not here: verdicts (`zoo.report.claims`), the rest of what they are based on (`zoo.report.facts`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from zoo.records.record import Record
from zoo.report.model import Row, ScoreCell, ScoreTable
from zoo.report.numbers import listing, shown_name
from zoo.report.selection import Selection
from zoo.text import counted

HEADLINES = ("lpips_alex", "lpips", "psnr_y")
"""The scores whose best rows are named, the first of these by which images are chosen too."""
_MOST_NAMES = 6


def answers(tables: Sequence[ScoreTable]) -> tuple[str, ...]:
    """Return the best row of each headline score in the last table, with overlapping ones."""
    return tuple(sentence for table in tables[-1:] for sentence in _best(table))


def best_rows(tables: Sequence[ScoreTable]) -> tuple[str, ...]:
    """Return the rows with the best mean of a headline score in the last table, in its order."""
    found = [
        {row.full_name: None for row in table.rows if row.cells[number].is_best}
        for table in tables[-1:]
        for key in HEADLINES
        for number, heading in enumerate(table.headings)
        if heading.key == key
    ]
    return tuple(dict.fromkeys(name for names in found for name in names))


def scope(
    selection: Selection, tables: Sequence[ScoreTable], cells: Collection[str]
) -> tuple[str, ...]:
    """Describe the size of the experiment.

    Args:
        selection: the records.
        tables: the scores.
        cells: the rows that are only cells of a factorial.
    """
    runs = [record for record in selection.records if record.training is not None]
    parts = [_compared(selection, tables, cells), _trained(runs), _networks(runs)]
    return tuple(part for part in parts if part)


def _compared(selection: Selection, tables: Sequence[ScoreTable], cells: Collection[str]) -> str:
    groups = selection.groups
    runs = {name: group for name, group in groups.items() if group[0].target.kind == "run"}
    subject = listing([shown_name(name) for name in groups if name not in runs])
    if runs:
        sizes = {len(group) for group in runs.values()}
        often = _range(sizes, "seed")
        made = len(cells & runs.keys())
        trained = counted(len(runs) - made, "recipe")
        trained += f" and {counted(made, 'further cell')} of a factorial" if made else ""
        trained += f" trained with {often} each"
        trained += f" under the profile {selection.profile}" if selection.profile else ""
        subject = f"{trained}, beside {subject}" if subject else trained
    places = [f"{table.title} ({table.note})" for table in tables if len(table.datasets) == 1]
    if not subject or not places:
        return ""
    scale = selection.records[0].scale
    return f"{subject}: upscaled x{scale} and scored on {listing(places)}."


def _trained(runs: Sequence[Record]) -> str:
    """Describe the training images, the length of the training and the width of generators."""
    trainings = [record.training for record in runs if record.training is not None]
    budgets = [training.budget for training in trainings]
    images = {t.num_images for t in trainings if t.num_images is not None}
    steps = [
        f"{_range(found, 'step')} {how}"
        for key, how in (
            ("content", "on content losses only"),
            ("adversarial", "against a discriminator"),
        )
        if (found := _numbers(budgets, f"{key} steps"))
    ]
    widths = {int(w) for r in runs if isinstance(w := r.target.generator.get("width"), int)}
    sides = listing([f"{side}x{side}" for side in sorted(_numbers(budgets, "lr_patch_size"))])
    batches = _numbers(budgets, "batch_size")
    parts = [
        f"trained on {_range(images, 'image')}"
        if images
        else "the number of training images is not recorded",
        f"batches of {_range(batches, 'patch', 'patches')} of {sides} low-resolution pixels"
        if batches
        else "",
        listing(steps),
        f"generators {_range(widths, 'channel')} wide" if widths else "",
    ]
    text = "; ".join(part for part in parts if part)
    return f"{text[:1].upper()}{text[1:]}." if runs else ""


def _networks(runs: Iterable[Record]) -> str:
    """Describe which feature network replaced the one in a loss's name."""
    pairs = {pair: None for record in runs for pair in record.stand_ins.items()}
    said = [f"{network} instead of {loss}" for loss, network in pairs]
    return f"The perceptual loss uses {listing(said)}." if said else ""


def _numbers(budgets: Iterable[Mapping[str, str]], key: str) -> set[int]:
    return {int(budget[key]) for budget in budgets if budget.get(key, "").isdecimal()}


def _range(numbers: Collection[int], noun: str, plural: str | None = None) -> str:
    """Write one number, or the least and the most of several, with a noun."""
    most = counted(max(numbers), noun, plural)
    return most if len(numbers) == 1 else f"{min(numbers)} to {most}"


def _best(table: ScoreTable) -> list[str]:
    """Describe the best mean of each headline score, and the rows with overlapping intervals.

    A row without an interval, such as one of a single seed, is never named as the best; cells of a
    factorial take no part.
    """
    where = "over the whole suite" if len(table.datasets) > 1 else f"on {table.title}"
    found = []
    rows = [row for row in table.rows if not row.matrix]
    for number, heading in enumerate(table.headings):
        best = [row for row in table.rows if row.cells[number].is_best]
        ends = best[0].cells[number].ends if best else None
        if heading.key not in HEADLINES or ends is None:
            continue
        cell = best[0].cells[number]
        names = listing([row.name for row in best])
        interval = f"95 % interval {cell.interval}"
        unit = f" {heading.unit}" if heading.unit else ""
        alike = _alike([row for row in rows if row not in best], number, cell)
        found.append(
            f"Best mean {heading.label} {where}: {cell.text}{unit} ({interval}), {names}; "
            f"{_told_apart(alike, len(rows) - len(best))}."
        )
    return found


def _alike(rows: Sequence[Row], number: int, best: ScoreCell) -> list[Row]:
    """Return the rows whose interval meets the best one's, the nearest mean first."""
    met = [row for row in rows if _reaches(row, number, best.ends or (0.0, 0.0))]
    return sorted(met, key=lambda row: abs((row.cells[number].value or 0) - (best.value or 0)))


def _told_apart(rows: Sequence[Row], others: int) -> str:
    if not rows:
        return "no other interval overlaps with it"
    names = [row.name for row in rows]
    rest = len(names) - _MOST_NAMES
    told = [*names[:_MOST_NAMES], f"{rest} more"] if rest > 1 else names
    return f"its interval overlaps with that of {listing(told)} ({len(names)} of {others} others)"


def _reaches(row: Row, number: int, ends: tuple[float, float]) -> bool:
    """Return whether a row's interval meets another; that of a single run is not known."""
    cell: ScoreCell = row.cells[number]
    if cell.value is None:
        return False
    if cell.ends is None:
        return bool(row.seeds) or ends[0] <= cell.value <= ends[1]
    return cell.ends[0] <= ends[1] and cell.ends[1] >= ends[0]
