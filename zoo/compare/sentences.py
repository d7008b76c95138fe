"""A verdict as one sentence for quotation, with effect, interval and open questions.

Not here: the verdict itself (`zoo.compare.verdicts`).
"""

from __future__ import annotations

import math

from zoo.compare.evidence import Evidence
from zoo.compare.statistics import Interval
from zoo.text import counted

MOST_DIGITS = 6


def describe(
    evidence: Evidence, verdict: str, p_value: float | None, num_tests: int
) -> tuple[str, str]:
    """Return the reason of a verdict, and the sentence to quote.

    Args:
        evidence: what was found.
        verdict: the verdict on it.
        p_value: corrected, None if nothing was tested.
        num_tests: claims tested together.
    """
    effect = evidence.effect
    if evidence.problem and effect is not None and effect.p_value is not None:
        return evidence.problem, f"{_finding(evidence, effect)}: {verdict}; {evidence.problem}."
    if evidence.problem or effect is None:
        reason = evidence.problem or "nothing to compare"
        return reason, f"{evidence.claim.statement}: {verdict}; {reason}."
    reason = _reason(evidence, effect, verdict, p_value, num_tests)
    return reason, f"{_finding(evidence, effect)}: {verdict}; {reason}."


def quantity(value: float, evidence: Evidence) -> str:
    """Return a value with its unit, as exactly as the smallest effect that matters asks for."""
    factor, unit = (100.0, " %") if evidence.is_share else (1.0, f" {evidence.unit}".rstrip())
    step = evidence.claim.smallest_effect * factor
    decimals = min(MOST_DIGITS, max(0, 1 - math.floor(math.log10(step))))
    text = f"{value * factor:.{decimals}f}"
    text = f"{0.0:.{decimals}f}" if float(text) == 0 else text
    return f"{'+' if float(text) > 0 else ''}{text}{unit}"


def _finding(evidence: Evidence, effect: Interval) -> str:
    claim = evidence.claim
    changed, reference = claim.contrast.changed, claim.contrast.reference
    label = evidence.label
    if evidence.shares:
        (hits, runs), (other, others) = evidence.shares
        counts = f"{hits} of {runs} runs of {changed} and {other} of {others} of {reference}"
        ends = f"95 % interval {_range(evidence, effect)}"
        return f"{label}: {counts}, a difference of {quantity(effect.estimate, evidence)} ({ends})"
    spread = {"seed-spread": " over seeds", "image-spread": " over images"}.get(claim.statistic)
    what = f"the spread of {label}{spread}" if spread else label
    what = what[0].upper() + what[1:]
    amount = quantity(effect.estimate, evidence)
    if claim.contrast.among:
        subject = f"{what} over {counted(len(claim.contrast.among), 'recipe')} is {amount}"
    elif reference is None:
        subject = f"{what} of {changed} against the ground truth is {amount}"
    elif claim.relative:
        subject = f"{what} of {changed} differs from that of {reference} by {amount}"
    else:
        subject = f"{what} of {changed} minus that of {reference} is {amount}"
    return f"{subject} ({_precision(evidence, effect)})"


def _precision(evidence: Evidence, effect: Interval) -> str:
    if evidence.is_counted:
        return "counted, not estimated"
    seeds = counted(effect.num_seeds, "seed")
    images = f", {counted(effect.num_images, 'image')}" if effect.num_images > 1 else ""
    features = f"; features of {' and '.join(evidence.networks)}" if evidence.networks else ""
    return f"95 % interval {_range(evidence, effect)}, {seeds}{images}{features}"


def _range(evidence: Evidence, effect: Interval) -> str:
    low, high = effect.low, effect.high
    if low is None or high is None:
        return "unknown"
    return f"{quantity(low, evidence).split()[0]} to {quantity(high, evidence)}"


def _reason(
    evidence: Evidence, effect: Interval, verdict: str, p_value: float | None, num_tests: int
) -> str:
    if evidence.is_counted:
        return _counted_reason(evidence, verdict)
    shown = "p < 0.001" if p_value is not None and p_value < 0.001 else f"p = {p_value or 0:.2g}"
    corrected = f"{shown}, corrected for {counted(num_tests, 'claim')}"
    if verdict == "supported":
        return corrected
    if verdict == "contradicted":
        return f"the claim says {evidence.claim.direction} ({corrected})"
    return _open_reason(evidence, effect, corrected, p_value)


def _counted_reason(evidence: Evidence, verdict: str) -> str:
    if verdict == "supported":
        return "both sides are counted exactly"
    if verdict == "contradicted":
        return f"the claim says {evidence.claim.direction}"
    return f"an effect below {_smallest(evidence)} does not matter"


def _open_reason(
    evidence: Evidence, effect: Interval, corrected: str, p_value: float | None
) -> str:
    """Return what is excluded where no effect is shown, and what is not."""
    claim, smallest = evidence.claim, _smallest(evidence)
    low, high = effect.low, effect.high
    if low is None or high is None:
        return "its interval is unknown"
    if p_value is not None and p_value < 0.05 and evidence.own is not None and _is_met(evidence):
        own = _range(evidence, evidence.own)
        return (
            f"there is an effect ({corrected}), but the sign of {evidence.label} of "
            f"{claim.contrast.changed} itself is not certain to be {claim.changed_is} (95 % "
            f"interval {own})"
        )
    if effect.within(claim.smallest_effect):
        return f"an effect of {smallest} or more is excluded"
    limit = high if claim.direction == "higher" else -low
    if limit < claim.smallest_effect:
        return f"the claimed effect of {smallest} or more is excluded"
    if p_value is not None and p_value < 0.05:
        return f"there is an effect ({corrected}), but it is open whether it reaches {smallest}"
    if low > 0 or high < 0:
        return (
            "the interval alone excludes 0, but the corrected test is not significant "
            f"({corrected})"
        )
    return f"an effect of {smallest} or more is not excluded"


def _is_met(evidence: Evidence) -> bool:
    """Return whether the effect itself is what the claim says it is."""
    claim, estimate = evidence.claim, evidence.effect.estimate if evidence.effect else 0.0
    return (estimate if claim.direction == "higher" else -estimate) >= claim.smallest_effect


def _smallest(evidence: Evidence) -> str:
    factor, unit = (100.0, " %") if evidence.is_share else (1.0, f" {evidence.unit}".rstrip())
    return f"{evidence.claim.smallest_effect * factor:.6g}{unit}"
