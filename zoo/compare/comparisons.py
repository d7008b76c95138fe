"""Which records share a table, and the content of its rows.

A comparison is one suite under one profile. Its rows share the protocol, the pixels of the suite
and the networks of its metrics; other records are excluded with a note. Baselines and generators
trained elsewhere have no profile and are in every comparison of their suite.

A cell is the mean over the images of each seed, then over seeds. Its interval is Student's 95 % t
interval of the seeds' means: what another seed would give on these images. One seed has no
interval. If an image or a seed lacks the score, the cell is empty, with the reason in the notes: a
mean over some of them is not comparable with means over all.

Not here: which records may be compared (`zoo.records.selection`), the layout of rows
(`zoo.compare.tables`), claims (`zoo.compare.verdicts`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from zoo.compare.samples import not_recipes
from zoo.compare.seed_means import Score, seed_interval
from zoo.recipes.claims import COST_KEYS
from zoo.records.challenge import CHALLENGE_COLUMNS
from zoo.records.record import Column, DatasetScores, Record, age_of
from zoo.records.remarks import random_components, remarks
from zoo.records.selection import comparable
from zoo.runs.verdicts import STABLE
from zoo.weights.tensors import NOT_VERIFIED

COSTS_OF = "one LR image of 128x128 pixels"
"""What costs are those of; `zoo.cost.measure` measures them."""
COSTS = (*COST_KEYS, *CHALLENGE_COLUMNS)
"""Keys of all costs; tables of text show `COST_KEYS`."""
MEAN = "mean"
HASH_LENGTH, HASH_DIGITS = 64, 12
PROTOCOLS = {
    1: "images rounded to 8 bits; Y is BT.601 studio luma rounded to 8 bits; {scale} pixels cut "
    "from each side; SSIM with an 11x11 Gaussian window of sigma 1.5, no downsampling; scores "
    "averaged over images",
}
"""Each version of the protocol in words; `zoo.metrics.protocol` computes it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One target on one dataset.

    Attributes:
        target: name of the recipe, file or callable.
        kind: as in `zoo.records.record.Target`.
        profile: its profile; None if it has none.
        suite: name of the suite.
        dataset: name of the dataset, `mean` for the suite's; None if none is known.
        seeds: seeds scored; 0 if nothing was trained from a seed.
        images: images of the dataset, of all datasets in the mean.
        scores: by metric key; what is missing is not in it.
        cost: mean over seeds by cost key.
        random_weights: components it was trained with whose weights were random, on purpose.
        error: why scoring or training failed, by seed.
        skipped: why the dataset was skipped.
        degradation: as in `zoo.records.record.DatasetScores`.
        group: letters shared with rows that cannot be told from it, see `zoo.compare.ranking`.
        verdicts: number of its trainings by verdict (`zoo.runs.verdicts`).
        variant: what was set besides recipe and profile, as `path=value`.
        spec: the specification of its first seed as plain data, None if there is none.
    """

    target: str
    kind: str
    profile: str | None
    suite: str
    dataset: str | None
    seeds: int = 0
    images: int = 0
    scores: Mapping[str, Score] = field(default_factory=dict)
    cost: Mapping[str, float] = field(default_factory=dict)
    random_weights: tuple[str, ...] = ()
    error: str | None = None
    skipped: str | None = None
    degradation: str | None = None
    group: str | None = None
    verdicts: Mapping[str, int] = field(default_factory=dict)
    variant: tuple[str, ...] = ()
    spec: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def unstable(self) -> str:
        """Its trainings that were not stable, such as `1 mode-collapsed`; empty without any."""
        odd = {name: count for name, count in self.verdicts.items() if name != STABLE}
        return ", ".join(f"{count} {name}" for name, count in odd.items())

    @property
    def label(self) -> str:
        """The target's name, its kind where it was trained elsewhere, and what makes it no other.

        A recipe trained with random feature weights is not the recipe: each of its rows says so.
        """
        marks = [self.kind] if self.is_from_elsewhere else []
        marks += ["random weights"] if self.random_weights else []
        return f"{self.target} ({', '.join(marks)})" if marks else self.target

    @property
    def is_from_elsewhere(self) -> bool:
        """Whether it was trained, if at all, by something else than a run."""
        return self.kind in ("weights", "callable")


@dataclass(frozen=True, slots=True)
class SuiteComparison:
    """The rows of one suite and profile, and what a reader must know of them.

    Attributes:
        suite: name of the suite.
        profile: name of the profile, None if no run was scored.
        datasets: names of the suite's datasets, in its order.
        columns: what each score and cost means; scores first.
        score_keys: keys of `columns` that are scores of images.
        rows: by dataset in the suite's order, the mean last; baselines first.
        protocol: the protocol, networks and versions in one line.
        notes: what is excluded, missing or failed, and why.
    """

    suite: str
    profile: str | None
    datasets: tuple[str, ...]
    columns: Mapping[str, Column]
    score_keys: tuple[str, ...]
    rows: tuple[Row, ...]
    protocol: str
    notes: tuple[str, ...]


def compare(records: Iterable[Record], *, order: Sequence[str] = ()) -> list[SuiteComparison]:
    """Group records into comparisons, one a suite and profile.

    Args:
        records: of any suites, profiles, targets and times, in any order.
        order: names of targets in the order their rows have; others follow by name.
    """
    kept = comparable(records)
    found = []
    for suite in sorted({record.suite for record in kept}):
        of_suite = [record for record in kept if record.suite == suite]
        profiles = {record.target.profile for record in of_suite}
        for profile in sorted(profiles - {None}, key=str) or [None]:
            chosen = [record for record in of_suite if record.target.profile in (None, profile)]
            found.append(_comparison(chosen, profile, order, kept.notes.get(suite, [])))
    return found


def score_keys(records: Sequence[Record]) -> tuple[str, ...]:
    """Return the keys of image scores, unavailable ones among them, in the records' order."""
    scored = {key for record in records for scores in record.scored.values() for key in scores}
    known: dict[str, None] = {}
    for record in sorted(records, key=lambda record: record.key):
        for key, column in record.columns.items():
            if key in scored or (column.unavailable is not None and key not in COST_KEYS):
                known[key] = None
    return (*known, *sorted(scored - known.keys()))


def _comparison(
    records: Sequence[Record], profile: str | None, order: Sequence[str], notes: Sequence[str]
) -> SuiteComparison:
    keys = score_keys(records)
    columns = _columns(records, keys)
    datasets = tuple(
        dict.fromkeys(
            dataset.name
            for record in sorted(records, key=lambda record: record.key)
            for dataset in record.datasets
        )
    )
    said = [
        *notes,
        *not_recipes(records),
        *remarks(records),
    ]
    groups = _groups(records, order)
    whole = _whole_suite(groups, datasets, said)
    by_target = [_rows(group, datasets, keys, columns, whole=whole, notes=said) for group in groups]
    places = [*(datasets or (None,)), *([MEAN] if whole else [])]
    rows = [row for place in places for rows in by_target for row in rows if row.dataset == place]
    said += [
        f"{column.label} is missing: {column.unavailable}"
        for column in columns.values()
        if column.unavailable
    ]
    said += [f"{row.label} failed: {row.error}" for row in rows if row.error]
    said += [
        f"{row.label} was trained elsewhere: its training budget is not that of the profile"
        for row in rows
        if row.is_from_elsewhere
    ]
    protocol = _protocol_line(records, columns)
    unique = tuple(dict.fromkeys(said))
    return SuiteComparison(
        records[0].suite, profile, datasets, columns, keys, tuple(rows), protocol, unique
    )


def _groups(records: Sequence[Record], order: Sequence[str]) -> list[list[Record]]:
    """Return the records of each target, seeds in order: baselines first, then as asked."""
    place = {name: number for number, name in enumerate(order)}
    groups: dict[tuple[bool, int, str, str], list[Record]] = {}
    for record in sorted(records, key=lambda record: (record.target.seed or 0, record.key)):
        target = record.target
        position = place.get(target.recipe or target.name, len(place))
        key = (target.kind != "baseline", position, target.name, target.kind)
        groups.setdefault(key, []).append(record)
    return [groups[key] for key in sorted(groups)]


def _columns(records: Sequence[Record], keys: Sequence[str]) -> dict[str, Column]:
    """Return what each key means: of the newest record, one that could compute it if any could."""
    found: dict[str, Column] = {}
    for record in sorted(records, key=age_of):
        scored = {key for scores in record.scored.values() for key in scores}
        for key, column in record.columns.items():
            if key not in found or key in scored or found[key].unavailable:
                found[key] = column
    costs = [key for key in COSTS if any(key in record.cost for record in records)]
    return {key: found.get(key, Column(label=key)) for key in (*keys, *costs)}


def _whole_suite(
    groups: Sequence[Sequence[Record]], datasets: Sequence[str], notes: list[str]
) -> bool:
    """Return whether the suite has a mean: every target that did not fail has every dataset."""
    scored = [record for group in groups for record in group if record.error is None]
    whole = bool(scored)
    for record in sorted(scored, key=lambda record: record.key):
        present = {dataset.name: dataset for dataset in record.datasets}
        for name in datasets:
            dataset = present.get(name)
            if dataset is None or dataset.skipped or not dataset.images:
                whole = False
                missing = f"{record.target.name} has no scores on this dataset"
                reason = (dataset.skipped if dataset else None) or missing
                notes.append(f"no mean of the suite: {name} was skipped: {reason}")
    return whole


def _rows(
    group: Sequence[Record],
    datasets: Sequence[str],
    keys: Sequence[str],
    columns: Mapping[str, Column],
    *,
    whole: bool,
    notes: list[str],
) -> list[Row]:
    """Return the rows of one target: one for each dataset, and the mean of a whole suite."""
    scored = [record for record in group if record.error is None]
    first = group[0].target
    failed = [record for record in group if record.error is not None]
    base = Row(
        target=first.name,
        kind=first.kind,
        profile=first.profile,
        suite=group[0].suite,
        dataset=None,
        seeds=len({record.target.seed for record in scored} - {None}),
        error="; ".join(_failure(record) for record in failed) or None,
        cost=_mean_cost(scored),
        random_weights=tuple(dict.fromkeys(n for one in group for n in random_components(one))),
        verdicts=Counter(one.training.verdict for one in group if one.training is not None),
        variant=tuple(first.variant),
        spec=first.spec,
    )
    rows, means = [], []
    for name in datasets or (None,):
        parts = [part for record in scored for part in record.datasets if part.name == name]
        values = {key: _seed_means(parts, key, seeds=len(scored)) for key in keys}
        skipped = next((part.skipped for part in parts if part.skipped), None)
        odd = next((part.degradation for part in parts if part.degradation), None)
        images = max((len(part.images) for part in parts), default=0)
        if images:
            lacking = [key for key in keys if values[key] is None and not columns[key].unavailable]
            notes += [f"{base.label} on {name}: {_lack(scored, key)}" for key in lacking]
        means.append(values)
        row = replace(base, dataset=name, images=images, scores=_scores(values, columns))
        rows.append(replace(row, skipped=skipped, degradation=odd))
    if whole and len(datasets) > 1:  # the mean of one dataset says nothing new
        average = {key: _over_datasets([values[key] for values in means]) for key in keys}
        images = sum(row.images for row in rows)
        rows.append(replace(base, dataset=MEAN, images=images, scores=_scores(average, columns)))
    return rows


def _seed_means(parts: Sequence[DatasetScores], key: str, *, seeds: int) -> list[float] | None:
    """Return the mean over images of each seed; None if an image or a seed lacks the score."""
    names = {tuple(image.name for image in part.images) for part in parts}
    if not parts or len(parts) < seeds or len(names) > 1 or () in names:
        return None
    if not all(key in image.scores for part in parts for image in part.images):
        return None
    return [fmean(image.scores[key] for image in part.images) for part in parts]


def _lack(records: Sequence[Record], key: str) -> str:
    """Return why a target lacks a score that others have."""
    columns = [record.columns[key] for record in records if key in record.columns]
    reasons = [column.unavailable for column in columns if column.unavailable]
    label = columns[0].label if columns else key
    return f"{label} is missing: {reasons[0] if reasons else 'not every image and seed has it'}"


def _over_datasets(values: Sequence[list[float] | None]) -> list[float] | None:
    """Return the unweighted mean over datasets of each seed; None if a dataset lacks it."""
    present = [of_dataset for of_dataset in values if of_dataset is not None]
    if len(present) < len(values):
        return None
    return [fmean(of_seed) for of_seed in zip(*present, strict=True)]


def _scores(
    values: Mapping[str, list[float] | None], columns: Mapping[str, Column]
) -> dict[str, Score]:
    return {
        key: seed_interval(of_seeds, columns[key].value_range)
        for key, of_seeds in values.items()
        if of_seeds
    }


def _mean_cost(records: Sequence[Record]) -> dict[str, float]:
    costs = {key: [record.cost[key] for record in records if key in record.cost] for key in COSTS}
    return {key: fmean(values) for key, values in costs.items() if values}


def _failure(record: Record) -> str:
    seed = record.target.seed
    return f"{record.error}" if seed is None else f"seed {seed}: {record.error}"


def _judge(provenance: Mapping[str, str]) -> list[str]:
    """Say by what a metric scores; of verification only where there was none."""
    known = {key: value for key, value in provenance.items() if key != "piq"}
    return [
        f"{key.replace('_', ' ')} {value[:HASH_DIGITS] if len(value) == HASH_LENGTH else value}"
        for key, value in sorted(known.items())
        if not key.endswith("verified") or value == NOT_VERIFIED
    ]


def _protocol_line(records: Sequence[Record], columns: Mapping[str, Column]) -> str:
    version, scale = records[0].protocol, records[0].scale
    words = PROTOCOLS.get(version, "").format(scale=scale)
    parts = [f"Protocol {version}, x{scale}", *filter(None, [words])]
    parts += [
        f"{column.label}: {', '.join(_judge(column.provenance))}"
        for column in columns.values()
        if column.provenance and column.unavailable is None
    ]
    for package in ("torch", "piq"):
        found = {str(r.provenance.get("versions", {}).get(package, "")) for r in records} - {""}
        parts += [f"{package} {' / '.join(sorted(found))}"] if found else []
    devices = {str(record.provenance.get("device", "")) for record in records} - {""}
    measured = any(record.cost for record in records)
    place = f", measured on {' / '.join(sorted(devices))}" if devices else ""
    parts += [f"costs are those of {COSTS_OF}{place}"] if measured else []
    return "; ".join(parts) + "."
