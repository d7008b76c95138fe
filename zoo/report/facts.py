"""The basis of the numbers: protocol, seeds, machine, versions, and what failed.

Not here: what the numbers say (`zoo.report.headlines`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from zoo.records.record import Record
from zoo.report.model import Fact
from zoo.report.numbers import listing, short_paths, shown_name
from zoo.report.selection import Selection
from zoo.text import counted

_RANDOM = "random"
_DIGITS = 12


def provenance(selection: Selection) -> tuple[Fact, ...]:
    """Return what the records of a page are based on; what should give pause is a warning."""
    records = selection.records
    first = records[0]
    told = {f"{row.label} failed: {row.error}" for row in selection.comparison.rows if row.error}
    notes = [note for note in selection.comparison.notes if note not in told]
    machines = _distinct(records, _machine)
    facts = [
        Fact("Protocol", selection.comparison.protocol),
        Fact("Suite", f"{first.suite}, x{first.scale}, sha256 {first.suite_sha256[:_DIGITS]}"),
        Fact("Datasets", _datasets(first)),
        Fact("Profile", selection.profile or "none: nothing was trained"),
        Fact("Seeds", _seeds(selection.groups)),
        Fact("Scored on", "; ".join(machines), warning=len(machines) > 1),
        *_self_tests(records),
        Fact("Versions", "; ".join(_distinct(records, _versions))),
        Fact(
            "Code", "; ".join(_distinct(records, _revision)), warning=any(map(_is_dirty, records))
        ),
        Fact("Scored", _dates(records)),
        *_feature_networks(records),
        *(Fact("Note", short_paths(note), warning=True) for note in notes),
    ]
    return tuple(fact for fact in facts if fact.text)


def failures(selection: Selection) -> tuple[Fact, ...]:
    """Return what failed instead of being scored, and what is not a record and was excluded."""
    failed = [(_target_name(record), str(record.error)) for record in selection.failed]
    failed += [("a damaged record", problem) for problem in selection.damaged]
    return tuple(Fact(name, short_paths(text), warning=True) for name, text in failed)


def _target_name(record: Record) -> str:
    seed = "" if record.target.seed is None else f", seed {record.target.seed}"
    return f"{shown_name(record.target.name)}{seed}"


def _datasets(record: Record) -> str:
    parts = [
        f"{dataset.name} ({counted(len(dataset.images), 'image')})"
        for dataset in record.datasets
        if not dataset.skipped
    ]
    return listing(parts)


def _seeds(scored: Mapping[str, Sequence[Record]]) -> str:
    """Return which seeds most recipes have, and which recipes have others."""
    groups: dict[tuple[int, ...], list[str]] = {}
    for name, records in scored.items():
        seeds = tuple(record.target.seed for record in records if record.target.seed is not None)
        if seeds:
            groups.setdefault(seeds, []).append(shown_name(name))
    if not groups:
        return ""
    common = max(groups, key=lambda seeds: (len(groups[seeds]), len(seeds)))
    others = [
        f"{'seed' if len(seeds) == 1 else 'seeds'} {_numbers(seeds)} only: {listing(names)}"
        for seeds, names in groups.items()
        if seeds != common
    ]
    return (
        "; ".join([_numbers(common), *others]) if others else f"{_numbers(common)}, of every recipe"
    )


def _numbers(seeds: Iterable[int]) -> str:
    return listing([str(seed) for seed in seeds])


def _distinct(records: Iterable[Record], read: Callable[[Record], str]) -> list[str]:
    return list(dict.fromkeys(text for text in map(read, records) if text))


def _machine(record: Record) -> str:
    """Name what a record was scored on: device, processor, precision and threads."""
    known = record.provenance
    execution = known.get("execution")
    numerics = execution if isinstance(execution, dict) else {}
    threads = numerics.get("threads")
    parts = [known.get("device"), known.get("machine"), numerics.get("precision")]
    parts += [counted(threads, "thread")] if isinstance(threads, int) else []
    return ", ".join(str(part) for part in parts if part)


def _self_tests(records: Iterable[Record]) -> list[Fact]:
    """Return what the protocol's self-test gave, datasets of the same answer together."""
    answers: dict[str, dict[str, None]] = {}
    for record in records:
        found = record.provenance.get("self_test")
        for dataset, text in (found if isinstance(found, dict) else {}).items():
            answers.setdefault(str(text), {})[shown_name(str(dataset))] = None
    return [Fact("Self-test", f"{listing(list(names))}: {text}") for text, names in answers.items()]


def _versions(record: Record) -> str:
    versions = record.provenance.get("versions")
    if not isinstance(versions, dict):
        return ""
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _revision(record: Record) -> str:
    git = record.provenance.get("git")
    if not isinstance(git, dict):
        return ""
    changed = " with uncommitted changes" if git.get("dirty") else ""
    return f"git {str(git.get('commit', ''))[:_DIGITS]}{changed}"


def _is_dirty(record: Record) -> bool:
    git = record.provenance.get("git")
    return isinstance(git, dict) and bool(git.get("dirty"))


def _dates(records: Sequence[Record]) -> str:
    days = sorted({str(record.provenance.get("created", ""))[:10] for record in records} - {""})
    if not days:
        return ""
    return days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def _feature_networks(records: Sequence[Record]) -> list[Fact]:
    """Return the feature networks that recipes were trained with; random ones are warnings."""
    users: dict[str, set[str]] = {}
    for record in records:
        for name, known in (record.training.components if record.training else {}).items():
            if "network" in known or "weights" in known:
                weights = known.get("weights", "")
                network = known.get("network", "a network")
                text = f"{name} by {network}, weights: {weights or 'not stated'}"
                users.setdefault(text, set()).add(shown_name(record.target.name))
    return [
        Fact(
            "Feature network",
            f"{text} ({counted(len(names), 'recipe')})",
            warning=_RANDOM in text.rpartition("weights:")[2],
        )
        for text, names in users.items()
    ]
