"""The evidence of records for one claim: the numbers of both sides, and what prevents a test.

Not here: the verdict (`zoo.compare.verdicts`), its words (`zoo.compare.sentences`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from zoo.compare.samples import (
    COUNTED,
    TIMED,
    YES_OR_NO,
    Paired,
    Scores,
    column_of,
    not_recipes,
    not_shared,
    of_recipe,
    other_start,
    pair,
    scores_of,
    training_seconds,
)
from zoo.compare.shares import share_difference, smallest_p_value
from zoo.compare.statistics import (
    CONFIDENCE,
    Floats,
    Interval,
    deviations,
    paired_interval,
    rank_correlation,
    relative_difference,
    smallest_spread_p_value,
    unpaired_interval,
)
from zoo.recipes.claims import Claim
from zoo.records.budget import mixed_precision
from zoo.records.record import Column, Record
from zoo.records.remarks import stand_ins
from zoo.runs.commands import bench_command

MATCH = 0.05
"""Sides whose matched cost differs by more than this share of the reference are not compared."""
MOST_SEEDS = 50
"""The largest number of seeds that a message recommends."""
STAGE_SECTIONS = ("generator", "pretrained", "pretraining")
"""Sections of a recipe that may change what a run starts from."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was found of a claim.

    Attributes:
        claim: the claim.
        label: what was measured.
        unit: of the effect, empty for a share.
        is_share: whether the effect is a share of the reference or of the runs.
        is_counted: whether it is a count, which nothing is estimated of.
        effect: changed minus reference; None if `problem` says why.
        problem: why nothing can be tested and what to do; empty if it can.
        command: what scores both sides again.
        smallest_p: the smallest p-value that so many runs could have.
        own: the changed side's own value, where the claim asks for its sign.
        shares: runs that say yes and all runs, of both sides, where the metric is yes or no.
        per_seed: the effect of each seed.
        seconds: training time of both sides.
        notes: what was excluded.
        stand_ins: which other feature network a side was trained with than its loss is named for.
        networks: by which feature networks the loss of one side alone compares.
    """

    claim: Claim
    label: str
    unit: str = ""
    is_share: bool = False
    is_counted: bool = False
    effect: Interval | None = None
    problem: str = ""
    command: str = ""
    smallest_p: float = 0.0
    own: Interval | None = None
    shares: tuple[tuple[int, int], ...] = ()
    per_seed: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    stand_ins: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def has_other_sign(self) -> bool:
        """Whether the changed side's own value may have another sign than the claim asks for."""
        if self.own is None or self.own.low is None or self.own.high is None:
            return self.claim.changed_is is not None
        is_sure = self.own.low > 0 if self.claim.changed_is == "positive" else self.own.high < 0
        return not is_sure


def find_evidence(
    claim: Claim,
    records: Sequence[Record],
    *,
    profile: str,
    suite: str,
    sources: Sequence[str] = (),
) -> Evidence:
    """Return what comparable records of one suite and profile hold of a claim."""
    recipes = list(claim.contrast.recipes)
    sides = [of_recipe(records, name) for name in recipes]
    involved = [record for side in sides for record in side]
    family, key, keys = claim.family, claim.key, claim.keys
    columns = [column_of(involved, each) for each in keys]
    command = bench_command(recipes, suite, profile, sources)
    evidence = Evidence(
        claim,
        _label(columns),
        "" if claim.relative or len(keys) > 1 else columns[0].unit,
        is_share=claim.relative,
        is_counted=family == "cost" and key in COUNTED,
        seconds=training_seconds(involved),
        command=command,
        stand_ins=tuple(stand_ins(involved)),
        networks=_networks(sides),
    )
    others = tuple(not_recipes(records, recipes))
    evidence = replace(evidence, notes=others)
    scores = [scores_of(side, family, each) for each in keys for side in sides]
    absent = _missing(recipes, sides, command) or _unlisted(claim, involved, suite)
    if absent:
        return replace(evidence, problem=absent)
    notes = (*_left_out(sides, scores[: len(sides)], columns[0].label), *others)
    evidence = replace(evidence, notes=notes)
    unavailable = next((column.unavailable for column in columns if column.unavailable), None)
    problem = _unscored(
        recipes * len(keys), scores, unavailable, notes, evidence.label
    ) or _incomparable(claim, sides)
    if problem:
        return replace(evidence, problem=problem)
    if evidence.is_counted:
        return _count(evidence, scores)
    if family == "training" and key in YES_OR_NO and len(scores) == 2:
        return _compare_shares(evidence, scores)
    return _compare(evidence, scores)


def seeds_needed(evidence: Evidence, level: float) -> int | None:
    """Return how many seeds a side needs before any outcome could be decided at a level."""
    now = evidence.effect.num_seeds if evidence.effect else 1
    for seeds in range(now + 1, MOST_SEEDS):
        smallest = (
            smallest_p_value(seeds, seeds) if evidence.shares else smallest_spread_p_value(seeds)
        )
        if smallest <= level:
            return seeds
    return None


def _compare(evidence: Evidence, scores: Sequence[Scores]) -> Evidence:
    claim, paired, command = evidence.claim, pair(scores), evidence.command
    seeds, images = len(paired.seeds), len(paired.images)
    notes = (*evidence.notes, *not_shared(scores, paired))
    evidence = replace(evidence, notes=notes)
    if not images or not seeds:
        what = "images" if seeds else "seeds"
        return replace(evidence, problem=f"the sides have no {what} in common: {command}")
    if seeds < 2:
        problem = f"one seed is not enough; train more: {command} --seeds 3"
        return replace(evidence, problem=problem)
    if claim.statistic == "image-spread" and images < 2:
        return replace(evidence, problem="one image has no spread over images")
    if claim.contrast.among:
        ranked = np.stack(paired.values).reshape(2, -1, seeds, images)
        return _with_seeds(evidence, rank_correlation(*ranked), paired)
    changed = paired.values[0]
    reference = paired.values[1] if len(paired.values) > 1 else np.zeros_like(changed)
    if claim.changed_is is not None:
        evidence = replace(evidence, own=paired_interval(changed))
    if claim.statistic == "seed-spread":
        return _compare_seed_spread(evidence, changed, reference)
    if claim.statistic == "image-spread":
        changed, reference = (deviations(side, axis=1) for side in (changed, reference))
    if claim.relative and not reference.mean():
        return replace(evidence, problem="the reference is 0, so there is no ratio")
    difference = relative_difference(changed, reference) if claim.relative else changed - reference
    return _with_seeds(evidence, difference, paired)


def _with_seeds(evidence: Evidence, effects: Floats, paired: Paired) -> Evidence:
    """Keep the mean of `[seed, image]` effects, and what it is in each seed."""
    means = zip(paired.seeds, effects.mean(axis=1).tolist(), strict=True)
    per_seed = {seed: mean for seed, mean in means if seed is not None}
    return _tested(replace(evidence, per_seed=per_seed), paired_interval(effects))


def _compare_seed_spread(evidence: Evidence, changed: Floats, reference: Floats) -> Evidence:
    """Compare how far the seeds of each side are from that side's median seed."""
    spreads = [deviations(side.mean(axis=1), axis=0) for side in (changed, reference)]
    if evidence.claim.relative:
        if not spreads[1].mean():
            return replace(evidence, problem="the reference does not vary over seeds")
        spreads = [spread / spreads[1].mean() for spread in spreads]
    effect = replace(unpaired_interval(*spreads), num_images=changed.shape[1])
    evidence = replace(evidence, smallest_p=smallest_spread_p_value(len(changed)))
    return _tested(evidence, effect)


def _compare_shares(evidence: Evidence, scores: Sequence[Scores]) -> Evidence:
    counts = []
    for side in scores:
        answers = [value for run in side.values() for value in run.values()]
        counts.append((sum(value == 1 for value in answers), len(answers)))
    if min(runs for _, runs in counts) < 2:
        problem = f"one seed is not enough; train more: {evidence.command} --seeds 3"
        return replace(evidence, problem=problem)
    effect = share_difference(counts[0], counts[1])
    smallest = smallest_p_value(counts[0][1], counts[1][1])
    evidence = replace(evidence, effect=effect, shares=tuple(counts), smallest_p=smallest)
    return replace(evidence, is_share=True, unit="")


def _tested(evidence: Evidence, effect: Interval) -> Evidence:
    """Keep an effect, unless nothing varies at all: then there is no scale to judge it on."""
    if effect.p_value is None:
        problem = "the effect is the same in all runs and images, so its error is unknown"
        return replace(evidence, effect=effect, problem=problem)
    return replace(evidence, effect=effect)


def _count(evidence: Evidence, scores: Sequence[Scores]) -> Evidence:
    counts = [{value for run in side.values() for value in run.values()} for side in scores]
    if any(len(values) > 1 for values in counts):
        return replace(
            evidence, problem="runs of one recipe have different values of it; score them again"
        )
    values = [next(iter(side)) for side in counts]
    effect = values[0] - (values[1] if len(values) > 1 else 0.0)
    if evidence.claim.relative:
        if not values[1]:
            return replace(evidence, problem="the reference is 0, so there is no ratio")
        effect /= values[1]
    runs = min(len(side) for side in scores)
    return replace(evidence, effect=Interval(effect, effect, effect, CONFIDENCE, None, runs, 1))


def _label(columns: Sequence[Column]) -> str:
    """Return what was measured: a score, or how the ranks by two scores agree."""
    labels = [column.label for column in columns]
    return labels[0] if len(labels) == 1 else f"rank correlation of {' and '.join(labels)}"


def _missing(recipes: Sequence[str], sides: Sequence[Sequence[Record]], command: str) -> str:
    absent = [name for name, side in zip(recipes, sides, strict=True) if not side]
    return f"no record of {' and '.join(absent)}: {command}" if absent else ""


def _unlisted(claim: Claim, records: Sequence[Record], suite: str) -> str:
    scored = [record for record in records if record.error is None]
    names = (claim.metric, claim.contrast.ranked_by)
    absent = [
        name
        for name, key in zip(names, claim.keys, strict=False)
        if not any(key in record.columns for record in scored)
    ]
    if claim.family != "image" or not absent or not scored:
        return ""
    return f"suite {suite} does not measure {absent[0]}; choose one that does (zoo list suites)"


def _unscored(
    recipes: Sequence[str],
    scores: Sequence[Scores],
    unavailable: str | None,
    notes: Sequence[str],
    label: str,
) -> str:
    empty = [name for name, side in zip(recipes, scores, strict=True) if not side]
    if not empty:
        return ""
    why = unavailable or "; ".join(notes) or "its records do not contain it"
    return f"no {label} of {' and '.join(dict.fromkeys(empty))}: {why}"


def _incomparable(claim: Claim, sides: Sequence[Sequence[Record]]) -> str:
    if len(sides) < 2:
        return ""
    everything = list(itertools.chain(*sides))
    against = [(each, each.provenance.get("trained_against", {})) for each in everything]
    judged = [each for each, known in against if not set(claim.keys).isdisjoint(known)]
    if judged:
        names = " and ".join(dict.fromkeys(record.target.name for record in judged))
        return f"{names} was trained against the network of this score"
    runs = [{record.target.identity_sha256 for record in side} - {None} for side in sides]
    if any(one & other for one, other in itertools.combinations(runs, 2)):
        field = ".".join(str(part) for part in claim.contrast.field)  # settings made both one
        differ = f": they do not differ in {field}" if field else ", of two recipes"
        return f"both sides are the same run{differ}"
    if claim.matched:
        matched = [_values(scores_of(side, "cost", claim.matched)) for side in sides]
        label = column_of(sides[0], claim.matched).label
        if not all(matched):
            return f"{label} of both sides must agree, but is unknown; score them again"
        first, second = (sum(values) / len(values) for values in matched)
        if abs(first - second) > MATCH * abs(second):
            share = first / second if second else float("inf")
            return f"the sides have different costs: {label} is {share:.2f} times the reference's"
    if claim.key in TIMED:
        machines = {_machine(record) for record in everything if not record.error}
        if len(machines) > 1:
            return f"measured on different machines ({'; '.join(sorted(machines))}); score again"
    mixed = "" if claim.family == "cost" else mixed_precision(everything)
    return mixed or _other_start(claim, sides)


def _networks(sides: Sequence[Sequence[Record]]) -> tuple[str, ...]:
    """Return the feature networks of one side's losses that the other side's do without.

    A claim on a perceptual loss is one on its network.
    """
    trained = [[r.training.components for r in side if r.training is not None] for side in sides]
    named = [
        {
            f"{known['network']} ({known.get('layer', 'layer not stated')})"
            for components in side
            for known in components.values()
            if "network" in known
        }
        for side in trained
    ]
    return tuple(sorted(named[0] ^ named[1])) if len(named) == 2 and all(trained) else ()


def _other_start(claim: Claim, sides: Sequence[Sequence[Record]]) -> str:
    """Return which seeds started from other pretraining, where the contrast is not about that."""
    if claim.contrast.among or claim.contrast.field[0] in STAGE_SECTIONS:
        return ""
    differing = ", ".join(map(str, other_start(*sides)))
    if not differing:
        return ""
    return f"seed {differing}: the sides start from different pretraining; train again"


def _machine(record: Record) -> str:
    """Return all that a time depends on beside the generator: device, processor, threads."""
    made = record.provenance
    threads = made.get("execution", {}).get("threads")
    parts = [made.get("device"), made.get("machine"), threads and f"{threads} threads"]
    return ", ".join(str(part) for part in parts if part)


def _left_out(sides: Sequence[Sequence[Record]], scores: Sequence[Scores], label: str) -> list[str]:
    """Return which runs have no score, and why."""
    found = []
    for side, scored in zip(sides, scores, strict=True):
        for record in side:
            if record.target.seed in scored:
                continue
            target = record.target
            name = target.name if target.seed is None else f"{target.name} seed {target.seed}"
            training = record.training
            verdict = f"training {training.verdict}" if training else "it has no value"
            found.append(f"{name} excluded from {label}: {record.error or verdict}")
    return found


def _values(scores: Scores) -> list[float]:
    return [value for run in scores.values() for value in run.values()]
