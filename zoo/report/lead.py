"""What the numbers say in a few sentences: the head of the page.

Not here: what they rest on (`zoo.report.facts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from zoo.report.claims import TONES
from zoo.report.model import Cell, ClaimCard, Row, ScoreTable
from zoo.report.numbers import counted, listing, shown_name
from zoo.report.selection import Selection

_HEADLINES = ("psnr_y", "lpips_alex", "lpips")
_MOST_NAMES = 3


def summary(
    selection: Selection, tables: Sequence[ScoreTable], claims: Sequence[ClaimCard]
) -> tuple[str, ...]:
    """Say in plain words what was compared, what came out on top, and which claims held."""
    sentences = [_compared(selection, tables), _stand_ins(selection)]
    sentences += [sentence for table in tables[-1:] for sentence in _best(table)]
    if claims:
        verdicts = Counter(claim.verdict for claim in claims)
        words = listing([f"{verdicts[v]} {v}" for v in TONES if v in verdicts])
        sentences.append(f"Of {counted(len(claims), 'documented claim')}: {words}.")
    return tuple(sentence for sentence in sentences if sentence)


def _compared(selection: Selection, tables: Sequence[ScoreTable]) -> str:
    runs = [group for group in selection.groups.values() if group[0].target.kind == "run"]
    others = [name for name, group in selection.groups.items() if group[0].target.kind != "run"]
    subject = listing([shown_name(name) for name in others])
    if runs:
        few, many = min(map(len, runs)), max(map(len, runs))
        often = counted(few, "seed") if few == many else f"{few} to {many} seeds"
        trained = f"{counted(len(runs), 'recipe')} trained with {often} each"
        trained += f" under the profile {selection.profile}" if selection.profile else ""
        subject = f"{trained}, beside {subject}" if others else trained
    places = [f"{table.title} ({table.note})" for table in tables if len(table.datasets) == 1]
    if not subject or not places:
        return ""
    scale = selection.records[0].scale
    return f"{subject}: enlarged {scale} times and scored on {listing(places)}."


def _stand_ins(selection: Selection) -> str:
    """Say which feature network a perceptual loss used in place of the one it is named for."""
    pairs = {pair: None for record in selection.records for pair in record.stand_ins.items()}
    said = [f"{network} in the place of {loss}" for loss, network in pairs]
    return f"The perceptual loss compares by {listing(said)}." if said else ""


def _best(table: ScoreTable) -> list[str]:
    """Say which mean is the best of each headline score, and which rows it does not stand out from.

    A row without an interval, such as one of a single seed, is never named as the best.
    """
    where = "over the whole suite" if len(table.datasets) > 1 else f"on {table.title}"
    found = []
    for number, heading in enumerate(table.headings):
        best = [row for row in table.rows if row.cells[number].is_best]
        ends = best[0].cells[number].ends if best else None
        if heading.key not in _HEADLINES or ends is None:
            continue
        cell = best[0].cells[number]
        names = listing([row.name for row in best])
        interval = f"95 % interval {cell.interval}"
        unit = f" {heading.unit}" if heading.unit else ""
        alike = [row for row in table.rows if row not in best and _reaches(row, number, ends)]
        found.append(
            f"Best mean {heading.label} {where}: {cell.text}{unit} ({interval}), {names}; "
            f"{_alike(alike, len(table.rows) - len(best))}."
        )
    return found


def _alike(rows: Sequence[Row], others: int) -> str:
    if not rows:
        return "no other row's interval reaches it"
    if len(rows) > _MOST_NAMES:
        return f"{len(rows)} of the {others} other rows overlap it, so the order is not settled"
    return f"not separated from {listing([row.name for row in rows])}"


def _reaches(row: Row, number: int, ends: tuple[float, float]) -> bool:
    """Tell whether a row's interval meets another; that of a single run is not known."""
    cell: Cell = row.cells[number]
    if cell.value is None:
        return False
    if cell.ends is None:
        return bool(row.seeds) or ends[0] <= cell.value <= ends[1]
    return cell.ends[0] <= ends[1] and cell.ends[1] >= ends[0]
