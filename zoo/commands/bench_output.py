"""Output of `zoo bench`: the plan of a sweep, tables, claims, missing runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from zoo.commands.output import Table, draws, note, print_rows, print_table, print_text, stdout

if TYPE_CHECKING:
    from zoo.bench.api import Request, Result
    from zoo.bench.session import Missing
    from zoo.compare.factorial import Effect
    from zoo.recipes.book import Book
    from zoo.records.record import Record
    from zoo.records.selection import Comparable
    from zoo.sweep.plan import Measure, PlannedRun


@dataclass(frozen=True, slots=True)
class Form:
    """An output format: its name, and the function that prints the rows."""

    name: str
    show: Callable[[Book, Iterable[Record], str | None], None]


def print_result(
    book: Book,
    result: Result,
    request: Request,
    form: Form,
    *,
    matrix: str | None = None,
    sort: str | None = None,
) -> None:
    """Print the rows of a benchmark; on a terminal also the verdicts on claims."""
    from zoo.records.selection import comparable, narrowed

    kept = comparable(result.records)
    shown = narrowed(result.records, request.metrics) if request.metrics else kept
    form.show(book, shown, sort)
    if form.name != "terminal":
        return
    _print_claims(book, result, kept, request)
    if matrix is not None:
        _print_effects(book, result, kept, request, matrix)


def print_plan(planned: Sequence[PlannedRun], measure: Measure) -> None:
    """Print to stderr which runs a sweep will train and their expected time, line by line."""
    from zoo.sweep.plan import with_seconds

    num_to_train = sum(run.is_needed for run in planned)
    blocked = [run for run in planned if run.state in ("other", "damaged")]
    num_finished = len(planned) - num_to_train - len(blocked)
    note(f"{len(planned)} runs: {num_finished} finished, {num_to_train} to train")
    for run in blocked:
        note(f"  not trained: {run.found.reason}")
    if not num_to_train:
        return
    to_train: list[PlannedRun] = []
    for runs in with_seconds(planned, measure):
        seeds = ", ".join(str(run.spec.seed) for run in runs)
        note(f"  {runs[0].spec.recipe}: seeds {seeds}, about {_duration(runs)}")
        to_train += runs
    note(
        f"expected time: {_duration(to_train)}, without validation; rerun the command to resume an "
        "interrupted sweep"
    )


def print_missing(missing: Sequence[Missing]) -> None:
    """Print to stderr which runs are missing, and the command that trains each."""
    if not missing:
        return
    note(
        f"{len(missing)} runs are missing (--train trains them, unless the reason says otherwise):"
    )
    for run in missing:
        note(f"  {run.command}   # {run.reason}")


def _duration(runs: Sequence[PlannedRun]) -> str:
    known = [run.seconds for run in runs if run.seconds is not None]
    if not known:
        return "an unknown time"
    text = str(timedelta(seconds=round(sum(known))))
    return text if len(known) == len(runs) else f"{text} and an unknown time"


def _show_tables(book: Book, records: Iterable[Record], sort: str | None) -> None:
    from zoo.compare.tables import terminal_tables

    console = stdout()
    width = console.width if draws(console) else None
    for table in terminal_tables(records, order=list(book.recipes), sort=sort, width=width):
        print_table(Table(table.title, table.columns, table.rows))
        for line in table.notes:
            print_text(line)
        print_text("")


def _show_json(book: Book, records: Iterable[Record], sort: str | None) -> None:
    from zoo.compare.tables import json_rows

    print_rows(json_rows(records, order=list(book.recipes), sort=sort))


def _show_csv(book: Book, records: Iterable[Record], sort: str | None) -> None:
    from zoo.compare.formats import csv

    print_text(csv(records, order=list(book.recipes), sort=sort))


def _show_markdown(book: Book, records: Iterable[Record], sort: str | None) -> None:
    from zoo.compare.formats import markdown

    print_text(markdown(records, order=list(book.recipes), sort=sort))


def _show_latex(book: Book, records: Iterable[Record], sort: str | None) -> None:
    from zoo.compare.formats import latex

    print_text(latex(records, order=list(book.recipes), sort=sort))


FORMS = {
    form.name: form
    for form in (
        Form("terminal", _show_tables),
        Form("json", _show_json),
        Form("csv", _show_csv),
        Form("markdown", _show_markdown),
        Form("latex", _show_latex),
    )
}


def _print_claims(book: Book, result: Result, kept: Comparable, request: Request) -> None:
    """Print the verdict on each claim whose two sides were requested."""
    from zoo.compare.verdicts import judge_claims, num_tested

    asked = {r.target.recipe for r in result.records if r.target.kind in ("run", "baseline")}
    claims = [claim for claim in book.claims.values() if asked >= set(claim.contrast.recipes)]
    if not claims:
        return
    judged = judge_claims(
        claims,
        kept,
        profile=request.profile,
        suite=result.suite.name,
        sources=request.asked_as,
    )
    rows = [(one.claim, one.verdict, one.sentence) for one in judged]
    tested = num_tested(judged)
    title = (
        f"claims under profile {request.profile} (p-values corrected jointly; "
        f"claims tested: {tested})"
    )
    print_table(Table(title, ("claim", "verdict", "found"), rows))


def _print_effects(
    book: Book, result: Result, kept: Comparable, request: Request, matrix: str
) -> None:
    """Print main effects and two-way interactions of a factorial for each scored metric."""
    from zoo.compare.factorial import effects
    from zoo.metrics import metric_key
    from zoo.recipes.matrices import matrix_cells

    headings = ("effect", "change", "95 % interval", "p (Holm)")
    columns_of = result.records[0].columns
    for metric in result.suite.metrics:
        if columns_of[metric_key(metric)].unavailable is not None:
            continue
        found = effects(
            matrix_cells(book, matrix),
            kept,
            metric,
            profile=request.profile,
            suite=result.suite.name,
            matrix=matrix,
            sources=request.asked_as,
        )
        rows = [_effect_row(effect) for effect in found.effects]
        unit = f" ({found.unit})" if found.unit else ""
        print_table(Table(f"{matrix}: effects on {found.label}{unit}", headings, rows))
        print_text(found.problem or found.sentence)


def _effect_row(effect: Effect) -> tuple[str, str, str, str]:
    """Return the table row of an effect: its levels, estimate, interval and p-value."""
    changes = [
        f"{factor} {old} -> {new}"
        for factor, (old, new) in zip(effect.factors, effect.levels, strict=True)
    ]
    interval, p_value = effect.interval, effect.p_value
    known = interval.low is not None and interval.high is not None
    return (
        " x ".join(changes),
        f"{interval.estimate:+.4f}",
        f"{interval.low:+.4f} to {interval.high:+.4f}" if known else "-",
        "-" if p_value is None else f"{p_value:.3f}",
    )
