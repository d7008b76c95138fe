"""How each training went: validation scores and the discriminator's loss, by seed."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import fmean

from zoo.records.record import Column, Curves, Record
from zoo.report.model import CurveCard, Plot
from zoo.report.numbers import listing, plain, seconds_text, shown_name
from zoo.report.palette import Mark
from zoo.report.panels import Line, Panel, panels_svg
from zoo.text import counted

SCORES = ("psnr_y", "haarpsi")
SIGNAL = "discriminator_total"
SIGNAL_LABEL = "discriminator's loss"
_LEAST_STEPS = 2


def training_curves(
    groups: Mapping[str, Sequence[Record]], marks: Mapping[str, Mark]
) -> tuple[CurveCard, ...]:
    """Return a card for each row that was trained.

    A score has one axis on all cards with a discriminator and one on all others: the former begin
    where the latter end, and would be flat lines on a common one.

    Args:
        groups: records by row, seeds in order.
        marks: how each row is drawn.
    """
    trained = {
        name: [record for record in records if _has_curves(record)]
        for name, records in groups.items()
    }
    panels = {name: _panels(records) for name, records in trained.items() if records}
    limits = {critic: _limits(panels, critic=critic) for critic in (True, False)}
    return tuple(
        _card(name, trained[name], found, marks[name], limits[_has_critic(found)])
        for name, found in panels.items()
        if found
    )


def _has_curves(record: Record) -> bool:
    training = record.training
    return training is not None and len(training.curves.steps) >= _LEAST_STEPS


def _panels(records: Sequence[Record]) -> list[Panel]:
    curves = [record.training.curves for record in records if record.training is not None]
    columns = records[0].columns
    found = []
    for key in SCORES:
        lines = [(c.steps, c.scores[key]) for c in curves if key in c.scores]
        if lines:
            found.append(_panel(_label(columns.get(key), key), lines))
    signals = [line for line in (_signal(c) for c in curves) if line[0]]
    if signals:
        found.append(_panel(SIGNAL_LABEL, signals))
    return found


def _panel(label: str, lines: Sequence[Line]) -> Panel:
    return Panel(label, tuple(lines), _mean(lines) if len(lines) > 1 else None)


def _label(column: Column | None, key: str) -> str:
    if column is None:
        return key
    return f"{column.label} ({column.unit})" if column.unit else column.label


def _signal(curves: Curves) -> Line:
    values = curves.signals.get(SIGNAL, ())
    pairs = [
        (step, value)
        for step, value in zip(curves.train_steps, values, strict=False)
        if value is not None and math.isfinite(value)
    ]
    return tuple(step for step, _ in pairs), tuple(value for _, value in pairs)


def _has_critic(panels: Sequence[Panel]) -> bool:
    return any(panel.label == SIGNAL_LABEL for panel in panels)


def _limits(
    panels: Mapping[str, Sequence[Panel]], *, critic: bool
) -> dict[str, tuple[float, float]]:
    """Return one range for each score: lines of different recipes compare by eye only on one.

    The discriminator's loss has a scale of its own under each adversary and gets none.
    """
    values: dict[str, list[float]] = {}
    for found in panels.values():
        for panel in found:
            if panel.label != SIGNAL_LABEL and _has_critic(found) == critic:
                every = [v for _, line in panel.lines for v in line if math.isfinite(v)]
                values.setdefault(panel.label, []).extend(every)
    limits = {}
    for label, every in values.items():
        if every:
            margin = 0.06 * (max(every) - min(every)) or 0.5
            limits[label] = min(every) - margin, max(every) + margin
    return limits


def _card(
    name: str,
    records: Sequence[Record],
    panels: Sequence[Panel],
    mark: Mark,
    limits: Mapping[str, tuple[float, float]],
) -> CurveCard:
    description = "; ".join(_in_words(panel) for panel in panels)
    title = f"Training of {shown_name(name)}"
    drawn = [replace(panel, limits=limits.get(panel.label)) for panel in panels]
    svg = panels_svg(
        drawn, colour=mark.variable, below="generator steps", title=title, description=description
    )
    return CurveCard(shown_name(name), _note(records), Plot(title, description, svg))


def _mean(lines: Sequence[Line]) -> Line:
    """Return the mean over the seeds at the steps that all of them have."""
    values: dict[int, list[float]] = {}
    for steps, line in lines:
        for step, value in zip(steps, line, strict=True):
            values.setdefault(step, []).append(value)
    shared = sorted(step for step, found in values.items() if len(found) == len(lines))
    return tuple(shared), tuple(fmean(values[step]) for step in shared)


def _in_words(panel: Panel) -> str:
    first = fmean(line[0] for _, line in panel.lines)
    last = fmean(line[-1] for _, line in panel.lines)
    return f"{panel.label} from {plain(first, 3)} to {plain(last, 3)}"


def _note(records: Sequence[Record]) -> str:
    trainings = [record.training for record in records if record.training is not None]
    verdicts = Counter(training.verdict for training in trainings)
    words = (
        next(iter(verdicts))
        if len(verdicts) == 1
        else listing([f"{count} {verdict}" for verdict, count in verdicts.most_common()])
    )
    seconds = fmean(training.seconds for training in trainings)
    steps = max(training.steps for training in trainings)
    return (
        f"{words}; {counted(len(trainings), 'seed')}, {steps} steps, {seconds_text(seconds)} each"
    )
