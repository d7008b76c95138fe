"""Which records may stand beside each other: one protocol, one suite, one network a metric.

Not here: what is made of them (`zoo.bench.comparisons`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from zoo.bench.budget import differences
from zoo.bench.records import Record, age_of, newest, what_scored
from zoo.metrics import metric_key


def comparable(records: Iterable[Record]) -> tuple[list[Record], dict[str, list[str]]]:
    """Return the newest comparable records, and by suite what was left out.

    Kept is what follows the newest protocol among the records and was scored on the pixels of its
    suite's newest record, each target, seed and profile once. Scores by another network than the
    newest record's are removed from theirs.
    """
    everything = sorted(records, key=age_of)
    version = max((record.protocol for record in everything), default=0)
    kept: list[Record] = []
    notes: dict[str, list[str]] = {}
    for suite in sorted({record.suite for record in everything}):
        of_suite = [record for record in everything if record.suite == suite]
        current = [record for record in of_suite if record.protocol == version]
        said = [f"{_count(len(of_suite) - len(current), 'record')} of another protocol version"]
        same = _same_pixels(current)
        said.append(f"{_count(len(current) - len(same), 'record')} of other images of the suite")
        notes[suite] = [f"left out: {text}; score again" for text in said if text[0] != "0"]
        alike = _same_budget(newest(same), notes[suite])
        kept += _same_networks(alike, notes[suite])
    return kept, notes


def _same_pixels(records: Sequence[Record]) -> list[Record]:
    scored = [record for record in records if record.error is None]
    if not scored:
        return list(records)
    pixels = max(scored, key=age_of).suite_sha256
    return [record for record in records if record.error or record.suite_sha256 == pixels]


def _same_budget(records: Sequence[Record], notes: list[str]) -> list[Record]:
    """Keep, of each profile, the runs whose budget is that of the newest run."""
    reference: dict[str | None, dict[str, str]] = {}
    for record in sorted(records, key=age_of):
        if record.training is not None:
            reference.setdefault(record.target.profile, {}).update(record.training.budget)
    kept = []
    for record in records:
        odd = differences([record], reference.get(record.target.profile, {}))
        if odd:
            run = f"{record.target.name} seed {record.target.seed}"
            what = "; ".join(odd[record.target.name])
            notes.append(f"left out: {run}, trained with {what} of the newest runs")
        else:
            kept.append(record)
    return kept


def _same_networks(records: Sequence[Record], notes: list[str]) -> list[Record]:
    """Remove scores made by another network than the newest record's."""
    network: dict[str, Mapping[str, str]] = {}
    for record in sorted(records, key=age_of):
        scored = {key for scores in record.scored.values() for key in scores}
        network |= {k: c.provenance for k, c in record.columns.items() if k in scored}
    kept = []
    for record in records:
        other = {
            k
            for k, c in record.columns.items()
            if what_scored(c.provenance) != what_scored(network.get(k, c.provenance))
        }
        other &= {key for scores in record.scored.values() for key in scores}
        notes.extend(
            f"{record.columns[key].label} of {record.target.name} is of another network than the "
            "newest record's; score again"
            for key in sorted(other)
        )
        kept.append(_without(record, other) if other else record)
    notes[:] = dict.fromkeys(notes)
    return kept


def _without(record: Record, keys: set[str]) -> Record:
    datasets = []
    for dataset in record.datasets:
        images = tuple(
            image.model_copy(
                update={"scores": {k: v for k, v in image.scores.items() if k not in keys}}
            )
            for image in dataset.images
        )
        datasets.append(dataset.model_copy(update={"images": images}))
    return record.model_copy(update={"datasets": tuple(datasets)})


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def narrowed(records: Iterable[Record], metrics: Sequence[str]) -> list[Record]:
    """Return records with the scores of some metrics alone.

    Args:
        records: any.
        metrics: registered names; none keeps all scores.
    """
    if not metrics:
        return list(records)
    keys = {metric_key(name) for name in metrics}
    return [_narrowed(record, keys) for record in records]


def _narrowed(record: Record, keys: set[str]) -> Record:
    scored = {key for scores in record.scored.values() for key in scores}
    hidden = {
        key
        for key, column in record.columns.items()
        if key not in keys and (key in scored or column.unavailable)
    }
    columns = {key: column for key, column in record.columns.items() if key not in hidden}
    return _without(record, scored - keys).model_copy(update={"columns": columns})
