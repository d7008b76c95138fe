"""What the numbers rest on, and what they say in a few sentences: the head of the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zoo.bench.records import Record
from zoo.report.claims import TONES
from zoo.report.model import ClaimCard, Fact, ScoreTable
from zoo.report.numbers import counted, listing, shown_name
from zoo.report.selection import Selection

_RANDOM = "random"
_DIGITS = 12
_HEADLINES = ("psnr_y", "lpips", "lite1_distance")


def provenance(selection: Selection) -> tuple[Fact, ...]:
    """Return what the records of a page rest on; what should give pause is a warning."""
    records = selection.records
    first = records[0]
    facts = [
        Fact("Protocol", selection.comparison.protocol),
        Fact("Suite", f"{first.suite}, x{first.scale}, sha256 {first.suite_sha256[:_DIGITS]}"),
        Fact("Datasets", _datasets(first)),
        Fact("Profile", selection.profile or "none: nothing was trained"),
        Fact("Seeds", _seeds(selection.groups)),
        Fact("Scored on", _distinct(records, _device)),
        Fact("Versions", _distinct(records, _versions)),
        Fact("Code", _distinct(records, _revision), warning=any(map(_is_dirty, records))),
        Fact("Scored", _dates(records)),
        *_feature_networks(records),
        *(Fact("Note", note, warning=True) for note in selection.comparison.notes),
    ]
    return tuple(fact for fact in facts if fact.text)


def summary(
    selection: Selection, tables: Sequence[ScoreTable], claims: Sequence[ClaimCard]
) -> tuple[str, ...]:
    """Say in plain words what was compared, what came out on top, and which claims held."""
    sentences = [_compared(selection, tables)]
    sentences += [_best(table) for table in tables[-1:]]
    if claims:
        verdicts = Counter(claim.verdict for claim in claims)
        words = listing([f"{verdicts[v]} {v}" for v in TONES if v in verdicts])
        sentences.append(f"Of {counted(len(claims), 'documented claim')}: {words}.")
    return tuple(sentence for sentence in sentences if sentence)


def failures(selection: Selection) -> tuple[Fact, ...]:
    """Return what failed instead of being scored."""
    return tuple(
        Fact(_target_name(record), str(record.error), warning=True) for record in selection.failed
    )


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


def _best(table: ScoreTable) -> str:
    """Name the best rows of a table's headline scores."""
    found = []
    for number, heading in enumerate(table.headings):
        best = [row for row in table.rows if row.cells[number].is_best]
        if heading.key in _HEADLINES and best:
            value = f"{best[0].cells[number].text} {heading.unit}".strip()
            found.append(f"{heading.label} {value} ({listing([row.name for row in best])})")
    where = "over the whole suite" if len(table.datasets) > 1 else f"on {table.title}"
    return f"Best mean {where}: {listing(found)}." if found else ""


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
    groups: dict[tuple[int, ...], int] = {}
    for records in scored.values():
        seeds = tuple(record.target.seed for record in records if record.target.seed is not None)
        if seeds:
            groups[seeds] = groups.get(seeds, 0) + 1
    written = [(listing([str(seed) for seed in seeds]), count) for seeds, count in groups.items()]
    if len(written) == 1:
        return f"{written[0][0]}, of every recipe"
    return "; ".join(f"{seeds} of {counted(count, 'recipe')}" for seeds, count in written)


def _distinct(records: Iterable[Record], read: Any) -> str:
    return "; ".join(dict.fromkeys(text for text in map(read, records) if text))


def _device(record: Record) -> str:
    device = str(record.provenance.get("device", ""))
    execution = record.provenance.get("execution")
    precision = execution.get("precision", "") if isinstance(execution, dict) else ""
    return f"{device}, {precision}" if device and precision else device


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
