"""What records hold for or against one claim: both sides' numbers, and what stands in the way.

Not here: the verdict (`zoo.bench.verdicts`), its words (`zoo.bench.sentences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from zoo.bench.records import Record
from zoo.bench.samples import (
    COUNTED,
    TIMED,
    Paired,
    Scores,
    column_of,
    pair,
    scores_of,
    training_seconds,
)
from zoo.bench.shares import share_difference
from zoo.bench.statistics import (
    LEVEL,
    Floats,
    Interval,
    deviations,
    paired_interval,
    relative_difference,
    unpaired_interval,
)
from zoo.recipes.claims import Claim

MATCH = 0.05
"""Sides whose matched cost differs by more than this share of the reference are not compared."""
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
        effect: changed minus reference; None where `problem` says why.
        problem: why nothing can be tested and what to do; empty where it can.
        shares: runs that say yes and all runs, of both sides, where the metric is yes or no.
        per_seed: the effect of each seed.
        seconds: training time of both sides.
        notes: what was left out.
    """

    claim: Claim
    label: str
    unit: str = ""
    is_share: bool = False
    is_counted: bool = False
    effect: Interval | None = None
    problem: str = ""
    shares: tuple[tuple[int, int], ...] = ()
    per_seed: dict[int, float] = field(default_factory=dict)
    seconds: float = 0.0
    notes: tuple[str, ...] = ()


def find_evidence(claim: Claim, records: Sequence[Record], *, profile: str, suite: str) -> Evidence:
    """Return what comparable records of one suite and profile hold of a claim."""
    recipes = [name for name in (claim.contrast.changed, claim.contrast.reference) if name]
    sides = [[record for record in records if record.target.name == name] for name in recipes]
    involved = [record for side in sides for record in side]
    family, key = claim.family, claim.key
    column = column_of(involved, key)
    evidence = Evidence(
        claim,
        column.label,
        "" if claim.relative else column.unit,
        is_share=claim.relative,
        is_counted=family == "cost" and key in COUNTED,
        seconds=training_seconds(involved),
    )
    command = f"zoo bench {' '.join(recipes)} --suite {suite} --profile {profile} --train"
    scores = [scores_of(side, family, key) for side in sides]
    notes = tuple(_left_out(sides, scores, column.label))
    evidence = replace(evidence, notes=notes)
    problem = (
        _missing(recipes, sides, command)
        or _unscored(recipes, scores, column.unavailable, notes, column.label)
        or _incomparable(claim, sides, key)
    )
    if problem:
        return replace(evidence, problem=problem)
    if evidence.is_counted:
        return _count(evidence, scores)
    if family == "training" and _is_yes_or_no(scores) and len(scores) == 2:
        return _compare_shares(evidence, scores, command)
    return _compare(evidence, scores, command)


def _compare(evidence: Evidence, scores: Sequence[Scores], command: str) -> Evidence:
    claim, paired = evidence.claim, pair(scores)
    seeds, images = len(paired.seeds), len(paired.images)
    notes = (*evidence.notes, *_not_shared(scores, paired))
    evidence = replace(evidence, notes=notes)
    if not images or not seeds:
        what = "images" if seeds else "seeds"
        return replace(evidence, problem=f"the sides share no {what}: {command}")
    if seeds < 2:
        problem = f"one seed says nothing of the next; train more: {command} --seeds 3"
        return replace(evidence, problem=problem)
    if claim.statistic == "image-spread" and images < 2:
        return replace(evidence, problem="one image has no spread over images")
    changed = paired.values[0]
    reference = paired.values[1] if len(paired.values) > 1 else np.zeros_like(changed)
    if claim.statistic == "seed-spread":
        return _compare_seed_spread(evidence, changed, reference)
    if claim.statistic == "image-spread":
        changed, reference = (deviations(side, axis=1) for side in (changed, reference))
    if claim.relative and not reference.mean():
        return replace(evidence, problem="the reference is 0, so nothing is a share of it")
    difference = relative_difference(changed, reference) if claim.relative else changed - reference
    means = difference.mean(axis=1).tolist()
    per_seed = {
        seed: mean for seed, mean in zip(paired.seeds, means, strict=True) if seed is not None
    }
    return _tested(replace(evidence, per_seed=per_seed), paired_interval(difference))


def _compare_seed_spread(evidence: Evidence, changed: Floats, reference: Floats) -> Evidence:
    """Compare how far the seeds of each side are from that side's median seed."""
    spreads = [deviations(side.mean(axis=1), axis=0) for side in (changed, reference)]
    if evidence.claim.relative:
        if not spreads[1].mean():
            return replace(evidence, problem="the reference does not vary over seeds")
        spreads = [spread / spreads[1].mean() for spread in spreads]
    effect = replace(unpaired_interval(*spreads), num_images=changed.shape[1])
    return _tested(evidence, effect)


def _compare_shares(evidence: Evidence, scores: Sequence[Scores], command: str) -> Evidence:
    counts = []
    for side in scores:
        answers = [value for run in side.values() for value in run.values()]
        counts.append((sum(value == 1 for value in answers), len(answers)))
    if min(runs for _, runs in counts) < 2:
        problem = f"one seed says nothing of the next; train more: {command} --seeds 3"
        return replace(evidence, problem=problem)
    effect = share_difference(counts[0], counts[1])
    return replace(evidence, effect=effect, shares=tuple(counts), is_share=True, unit="")


def _tested(evidence: Evidence, effect: Interval) -> Evidence:
    """Keep an effect, unless nothing varies at all: then there is no scale to judge it on."""
    if effect.p_value is None:
        problem = "the effect is the same in all runs and images, so its error is unknown"
        return replace(evidence, effect=effect, problem=problem)
    return replace(evidence, effect=effect)


def _count(evidence: Evidence, scores: Sequence[Scores]) -> Evidence:
    counts = [{value for run in side.values() for value in run.values()} for side in scores]
    if any(len(values) > 1 for values in counts):
        return replace(evidence, problem="runs of one recipe differ in it; score them again")
    values = [next(iter(side)) for side in counts]
    effect = values[0] - (values[1] if len(values) > 1 else 0.0)
    if evidence.claim.relative:
        if not values[1]:
            return replace(evidence, problem="the reference is 0, so nothing is a share of it")
        effect /= values[1]
    runs = min(len(side) for side in scores)
    return replace(evidence, effect=Interval(effect, effect, effect, LEVEL, None, runs, 1))


def _missing(recipes: Sequence[str], sides: Sequence[Sequence[Record]], command: str) -> str:
    absent = [name for name, side in zip(recipes, sides, strict=True) if not side]
    return f"no record of {' and '.join(absent)}: {command}" if absent else ""


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
    why = unavailable or "; ".join(notes) or "its records do not have it"
    return f"no {label} of {' and '.join(empty)}: {why}"


def _incomparable(claim: Claim, sides: Sequence[Sequence[Record]], key: str) -> str:
    if len(sides) < 2:
        return ""
    if claim.matched:
        matched = [_values(scores_of(side, "cost", claim.matched)) for side in sides]
        label = column_of(sides[0], claim.matched).label
        if not all(matched):
            return f"{label} of both sides must agree and is not known; score them again"
        first, second = (sum(values) / len(values) for values in matched)
        if abs(first - second) > MATCH * abs(second):
            share = first / second if second else float("inf")
            return f"the sides cost differently: {label} is {share:.2f} times the reference's"
    if key in TIMED:
        devices = {str(record.provenance.get("device")) for side in sides for record in side}
        if len(devices) > 1:
            return f"measured on different machines ({', '.join(sorted(devices))}); score again"
    return _other_start(claim, sides)


def _other_start(claim: Claim, sides: Sequence[Sequence[Record]]) -> str:
    """Say which seeds started from other pretraining, where the contrast is not about that."""
    if claim.contrast.field[:1] and claim.contrast.field[0] in STAGE_SECTIONS:
        return ""
    starts: list[dict[Any, str | None]] = [
        {record.target.seed: record.target.pretraining_sha256 for record in side} for side in sides
    ]
    differing = [
        str(seed)
        for seed, start in starts[0].items()
        if start and starts[1].get(seed) and start != starts[1][seed]
    ]
    if not differing:
        return ""
    return f"seed {', '.join(differing)}: the sides start from different pretraining; train again"


def _left_out(sides: Sequence[Sequence[Record]], scores: Sequence[Scores], label: str) -> list[str]:
    """Say which runs have no score, and why."""
    found = []
    for side, scored in zip(sides, scores, strict=True):
        for record in side:
            if record.target.seed in scored:
                continue
            target = record.target
            name = target.name if target.seed is None else f"{target.name} seed {target.seed}"
            training = record.training
            verdict = f"training {training.verdict}" if training else "it has none"
            found.append(f"{name} left out of {label}: {record.error or verdict}")
    return found


def _not_shared(scores: Sequence[Scores], paired: Paired) -> list[str]:
    """Say which seeds and images only one side has."""
    notes = []
    everyone = {seed for side in scores for seed in side if seed is not None}
    lonely = sorted(everyone - {seed for seed in paired.seeds if seed is not None})
    if lonely:
        notes.append(f"seed {', '.join(map(str, lonely))} left out: only one side has it")
    images = {image for side in scores for run in side.values() for image in run}
    if len(images) > len(paired.images):
        count = len(images) - len(paired.images)
        notes.append(f"{count} of {len(images)} images left out: not every run has them")
    return notes


def _values(scores: Scores) -> list[float]:
    return [value for run in scores.values() for value in run.values()]


def _is_yes_or_no(scores: Sequence[Scores]) -> bool:
    return {value for side in scores for value in _values(side)} <= {0.0, 1.0}
