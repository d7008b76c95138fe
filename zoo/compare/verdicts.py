"""Whether the claims of a registry hold, judged from records.

The rules, for a claim with a direction and a smallest effect that matters:

- `supported`: the p-value, corrected over all claims that are tested together, is below 5 %, the
  effect has the claimed sign, and its estimate is no smaller than what matters. Where the claim
  also says which sign the changed side's own value has (`changed_is`), the 95 % interval of that
  value must have it too.
- `contradicted`: the corrected p-value is below 5 % and the effect has the other sign; how large
  it is does not matter, since the claim is wrong about the direction.
- `no effect shown`: anything else that was tested. The reason tells whether an effect that matters
  is excluded (the 95 % interval has none in it), or there is one but too small, or it is open.
- `not enough data`: nothing could be tested: runs are missing, there is one seed, the metric is
  unavailable, the sides cost differently, runs failed; or no outcome of so few runs could pass the
  correction (Tarone 1990), and then the claim takes no part in it. The reason says what to do.

Counts (parameters, operations, activation memory) do not vary and are compared as they are; they
take no part in the correction. The intervals shown are 95 % each, uncorrected.

Not here: how a claim's numbers are found (`zoo.compare.evidence`), the sentences
(`zoo.compare.sentences`), intervals (`zoo.compare.statistics`).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from zoo.compare.evidence import Evidence, find_evidence, seeds_needed
from zoo.compare.sentences import describe
from zoo.compare.statistics import Interval, decidable, holm
from zoo.recipes.claims import Claim
from zoo.records.record import Record
from zoo.records.selection import comparable_runs
from zoo.text import counted

Verdict = Literal["supported", "contradicted", "no effect shown", "not enough data"]
SIGNIFICANCE = 0.05
"""A corrected p-value below it decides; one false verdict in 20 whole tables of claims, at most."""


@dataclass(frozen=True, slots=True)
class ClaimResult:
    """What the records say of a claim.

    Attributes:
        claim: its name.
        statement: what it says.
        source: where it is documented.
        verdict: in one of four words.
        reason: why this verdict.
        sentence: one sentence with effect, interval and verdict, to be quoted.
        label: what was measured.
        unit: of effect and `smallest_effect`; empty for a share.
        is_share: whether these are shares: of the reference, or of the runs.
        effect: changed minus reference; None if there is none.
        direction: the sign that the claim says the effect has.
        smallest_effect: the smallest that matters.
        p_value: of the effect, corrected over the claims; None if nothing was tested.
        num_seeds: seeds compared.
        num_images: images compared, 1 for numbers of a whole run.
        per_seed: the effect of each seed alone, where that means something.
        seconds: training time of all runs of both sides.
        notes: what was excluded, and why.
        stand_ins: which other feature network a side was trained with than its loss is named for.
        networks: by which feature networks the loss of one side alone compares.
        command: what trains and scores both sides; the reason ends with it where that is missing.
    """

    claim: str
    statement: str
    source: str
    verdict: Verdict
    reason: str
    sentence: str
    label: str
    unit: str
    is_share: bool
    effect: Interval | None
    direction: str
    smallest_effect: float
    p_value: float | None
    num_seeds: int
    num_images: int
    per_seed: dict[int, float]
    seconds: float
    notes: tuple[str, ...]
    stand_ins: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    command: str = ""


def judge_claims(
    claims: Iterable[Claim],
    records: Iterable[Record],
    *,
    profile: str,
    suite: str,
    sources: Sequence[str] = (),
) -> list[ClaimResult]:
    """Return the verdict on each claim, in their order.

    Of each target and seed the newest record counts. What follows another protocol than the newest
    records, or was scored on other pixels or by other networks, is excluded.

    Args:
        claims: of a registry.
        records: of any suite and profile; what needs no training has no profile.
        profile: the only profile whose runs are compared.
        suite: the only suite.
        sources: command-line options for the sources of recipes, components and data.
    """
    kept = comparable_runs(records, suite, profile)
    found = [
        find_evidence(claim, kept.records, profile=profile, suite=suite, sources=sources)
        for claim in claims
    ]
    found = _decidable(found)
    tested = [index for index, evidence in enumerate(found) if _is_tested(evidence)]
    adjusted = dict(zip(tested, holm([_p_value(found[index]) for index in tested]), strict=True))
    left_out = tuple(kept.notes.get(suite, ()))
    return [
        _result(evidence, adjusted.get(index), len(tested), left_out)
        for index, evidence in enumerate(found)
    ]


def num_tested(results: Iterable[ClaimResult]) -> int:
    """Return over how many claims the p-values were corrected."""
    return sum(result.p_value is not None for result in results)


def _decidable(found: Sequence[Evidence]) -> list[Evidence]:
    """Take out of the family what so few runs cannot decide, whatever they had scored."""
    tested = [evidence for evidence in found if _is_tested(evidence)]
    kept = iter(decidable([evidence.smallest_p for evidence in tested], SIGNIFICANCE))
    return [
        _undecidable(evidence, len(tested)) if _is_tested(evidence) and not next(kept) else evidence
        for evidence in found
    ]


def _undecidable(evidence: Evidence, num_claims: int) -> Evidence:
    seeds = evidence.effect.num_seeds if evidence.effect else 0
    needed = seeds_needed(evidence, SIGNIFICANCE / num_claims)
    more = f"; at least {needed} are needed: {evidence.command} --seeds {needed}" if needed else ""
    problem = (
        f"{counted(seeds, 'seed')} cannot decide it together with {num_claims - 1} other claims, "
        f"because no outcome has a p-value below {evidence.smallest_p:.2g}{more}"
        if num_claims > 1
        else f"{counted(seeds, 'seed')} cannot decide it, because no outcome has a p-value below "
        f"{evidence.smallest_p:.2g}{more}"
    )
    return replace(evidence, problem=problem)


def verdict_of(
    effect: Interval, p_value: float, *, direction: str, smallest_effect: float
) -> Verdict:
    """Return the verdict on a claim that was tested.

    Args:
        effect: changed minus reference.
        p_value: corrected over all claims tested together.
        direction: `higher` or `lower`, the sign of the effect by the claim.
        smallest_effect: the smallest that matters, above 0.
    """
    if p_value >= SIGNIFICANCE:
        return "no effect shown"
    claimed = effect.estimate if direction == "higher" else -effect.estimate
    if claimed < 0:
        return "contradicted"
    return "supported" if claimed >= smallest_effect else "no effect shown"


def _is_tested(evidence: Evidence) -> bool:
    effect = evidence.effect
    return not evidence.problem and effect is not None and effect.p_value is not None


def _p_value(evidence: Evidence) -> float:
    found = evidence.effect.p_value if evidence.effect else None
    return 1.0 if found is None else found


def _result(
    evidence: Evidence, adjusted: float | None, num_tests: int, left_out: Sequence[str]
) -> ClaimResult:
    claim = evidence.claim
    verdict = _verdict(evidence, adjusted)
    reason, sentence = describe(evidence, verdict, adjusted, num_tests)
    effect = evidence.effect
    return ClaimResult(
        claim=claim.name,
        statement=claim.statement,
        source=claim.source,
        verdict=verdict,
        reason=reason,
        sentence=sentence,
        label=evidence.label,
        unit=evidence.unit,
        is_share=evidence.is_share,
        effect=effect,
        direction=claim.direction,
        smallest_effect=claim.smallest_effect,
        p_value=adjusted,
        num_seeds=effect.num_seeds if effect else 0,
        num_images=effect.num_images if effect else 0,
        per_seed=evidence.per_seed,
        seconds=evidence.seconds,
        notes=(*evidence.notes, *left_out),
        stand_ins=evidence.stand_ins,
        networks=evidence.networks,
        command=evidence.command,
    )


def _verdict(evidence: Evidence, adjusted: float | None) -> Verdict:
    claim, effect = evidence.claim, evidence.effect
    if evidence.problem or effect is None:
        return "not enough data"
    p_value = 0.0 if evidence.is_counted else adjusted
    if p_value is None:
        return "not enough data"
    verdict = verdict_of(
        effect, p_value, direction=claim.direction, smallest_effect=claim.smallest_effect
    )
    return "no effect shown" if verdict == "supported" and evidence.has_other_sign else verdict
