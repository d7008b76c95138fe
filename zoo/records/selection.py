"""Which records are comparable: one protocol, one suite, one network per metric.

Not here: the comparison itself (`zoo.compare.comparisons`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from zoo.metrics import metric_key
from zoo.recipes.schema import RunSpec
from zoo.records.budget import PRECISION, differences
from zoo.records.record import Record, Target, age_of, newest, what_scored
from zoo.runs.changes import differences as changes
from zoo.runs.changes import shaping_of
from zoo.text import counted

_COMPONENT = ("weights", "sha256", "plugin_sha256")
"""What the provenance of a component says that affects a run."""


@dataclass(frozen=True, slots=True)
class Comparable:
    """Records that may be compared with each other; functions take it instead of a list of records.

    Attributes:
        records: the newest of each target, seed, profile and suite, sorted by these.
        notes: by suite what was left out, and why.
    """

    records: tuple[Record, ...]
    notes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Record]:
        return iter(self.records)


def comparable(records: Iterable[Record]) -> Comparable:
    """Return the newest comparable records; what is chosen already is returned as it is.

    Kept is what follows the newest protocol among the records and was scored on the pixels of its
    suite's newest record, each target, seed and profile once. Scores by another network than the
    newest record's are removed from theirs.
    """
    if isinstance(records, Comparable):
        return records
    everything = sorted(records, key=age_of)
    version = max((record.protocol for record in everything), default=0)
    kept: list[Record] = []
    notes: dict[str, list[str]] = {}
    for suite in sorted({record.suite for record in everything}):
        of_suite = [record for record in everything if record.suite == suite]
        current = [record for record in of_suite if record.protocol == version]
        said = [f"{counted(len(of_suite) - len(current), 'record')} of another protocol version"]
        same = _same_pixels(current)
        said.append(f"{counted(len(current) - len(same), 'record')} with other images of the suite")
        notes[suite] = [f"excluded: {text}; score again" for text in said if text[0] != "0"]
        alike = _same_budget(_same_making(same, notes[suite]), notes[suite])
        kept += _same_networks(newest(alike), notes[suite])
    return Comparable(tuple(kept), notes)


def comparable_runs(records: Iterable[Record], suite: str, profile: str | None) -> Comparable:
    """Return the comparable runs of one suite and profile, and what needs no profile."""
    own = [
        record
        for record in records
        if record.suite == suite and record.target.profile in (profile, None)
    ]
    if isinstance(records, Comparable):
        return Comparable(tuple(own), records.notes)
    return comparable(own)


def _same_pixels(records: Sequence[Record]) -> list[Record]:
    scored = [record for record in records if record.error is None]
    if not scored:
        return list(records)
    pixels = max(scored, key=age_of).suite_sha256
    return [record for record in records if record.error or record.suite_sha256 == pixels]


def _same_making(records: Sequence[Record], notes: list[str]) -> list[Record]:
    """Keep, of each name, what was made as the newest of it: one row is of one making."""
    reference: dict[tuple[str, ...], Record] = {}
    kept = []
    for record in sorted(records, key=age_of, reverse=True):
        target = record.target
        first = reference.setdefault((target.name, target.kind, target.profile or ""), record)
        odd = _making_changes(first, record)
        if odd:
            notes.append(
                f"excluded: {_run(record)}, which differs from the newest run of that name: {odd}"
            )
        else:
            kept.append(record)
    return kept


def _making_changes(first: Record, record: Record) -> str:
    """Return in words in what the makings of two records differ; what only one tells is nothing."""
    makings = [_making(first), _making(record)]
    if _seedless(first.target.spec) != _seedless(record.target.spec):  # else it is not parsed
        specs = [told_spec(one.target) for one in (first, record)]
        makings = [
            making | ({} if spec is None else shaping_of(spec))
            for making, spec in zip(makings, specs, strict=True)
        ]
    shared = makings[0].keys() & makings[1].keys()
    return changes(*({key: making[key] for key in shared} for making in makings))


def _making(record: Record) -> dict[str, Any]:
    """Return what made a generator, but for its settings, its seed and what its budget says."""
    target, training = record.target, record.training
    making: dict[str, Any] = {"weights": target.weights_sha256} if target.kind == "weights" else {}
    for name, known in (training.components if training else {}).items():
        making |= {f"{name} {key}": known[key] for key in _COMPONENT if key in known}
    return making


def _seedless(spec: Any) -> Any:
    """Return a recorded specification without the seed of each of its stages."""
    if not isinstance(spec, dict):
        return spec
    return {
        key: _seedless(value) if key == "pretraining" else value
        for key, value in spec.items()
        if key != "seed"
    }


def told_spec(target: Target) -> RunSpec | None:
    """Return all that a run was told but its seed; None if its record does not say it."""
    try:
        spec = RunSpec.model_validate_json(json.dumps(target.spec))
    except ValueError:  # an older record, or no specification
        return None
    inner = spec.pretraining
    inner = None if inner is None else inner.model_copy(update={"seed": 0})
    return spec.model_copy(update={"seed": 0, "pretraining": inner})


def _run(record: Record) -> str:
    seed = record.target.seed
    return record.target.name if seed is None else f"{record.target.name} seed {seed}"


def _same_budget(records: Sequence[Record], notes: list[str]) -> list[Record]:
    """Keep, of each profile, the runs whose budget is that of the newest run.

    A budget that was set beside the profile is part of a run's name, and is compared with its own;
    so is the precision, which is chosen for each recipe: of one row it is one.
    """
    reference: dict[tuple[str | None, tuple[str, ...], str], str] = {}
    for record in sorted(records, key=age_of):
        for key, value in (record.training.budget if record.training else {}).items():
            reference[record.target.profile, _scope(record, key), key] = value
    kept = []
    for record in records:
        own = record.training.budget if record.training else {}
        profile = record.target.profile
        alike = {key: reference[profile, _scope(record, key), key] for key in own}
        odd = differences([record], alike)
        if odd:
            what = "; ".join(odd[record.target.name])
            notes.append(f"excluded: {_run(record)}, trained with {what} of the newest runs")
        else:
            kept.append(record)
    return kept


def _scope(record: Record, key: str) -> tuple[str, ...]:
    """Return what of a run's name its budget may differ by in a key."""
    if key == PRECISION:
        return (record.target.name,)
    sections = () if key == "device" else ("data.", "training.")
    return tuple(one for one in record.target.variant if one.startswith(sections))


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
            f"{record.columns[key].label} of {record.target.name} was computed with another "
            "network than the newest record's; score again"
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
