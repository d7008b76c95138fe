"""Claims as rows of one table: the statement, its verdict, the effect on a common scale.

Not here: the verdicts (`zoo.compare.verdicts`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from zoo.compare.verdicts import ClaimResult, Verdict, judge_claims
from zoo.recipes.book import Book
from zoo.report.commands import told
from zoo.report.forest import STRETCH, forest
from zoo.report.model import ClaimCard, Fact, Forest, Tally, Told
from zoo.report.numbers import MINUS, listing, seconds_text, signed
from zoo.report.selection import Selection
from zoo.text import counted

TONES: dict[Verdict, str] = {
    "supported": "supported",
    "contradicted": "contradicted",
    "no effect shown": "unclear",
    "not enough data": "thin",
}
_MOST_DECIMALS = 6


def judged_claims(
    book: Book, selection: Selection, sources: Sequence[str] = ()
) -> tuple[tuple[ClaimCard, ...], tuple[tuple[str, Told], ...]]:
    """Judge a registry's claims by the records of a page.

    Args:
        book: has the claims.
        selection: the records of the page.
        sources: command-line options for the sources of suite, recipes, components and data.

    Returns:
        A card for each claim whose recipes were tried, and for each other what it lacks.
    """
    if not book.claims or selection.profile is None:
        return (), ()
    results = judge_claims(
        book.claims.values(),
        selection.kept,
        profile=selection.profile,
        suite=selection.suite,
        sources=sources,
    )
    tried = {record.target.recipe for record in selection.records}
    has_sides = {c.name: tried >= set(c.contrast.recipes) for c in book.claims.values()}
    lacking = [
        (result.statement, told(result.reason, result.command))
        for result in results
        if not has_sides[result.claim]
    ]
    return claim_cards([r for r in results if has_sides[r.claim]]), tuple(lacking)


def claim_cards(results: Sequence[ClaimResult]) -> tuple[ClaimCard, ...]:
    """Return a card for each claim, in their order; the bars of their rows share one axis."""
    reach = [end for result in results for end in _multiples(result)]
    return tuple(_card(result, reach) for result in results)


def tally(cards: Sequence[ClaimCard]) -> tuple[Tally, ...]:
    """Count the verdicts, those that decide first."""
    counts = Counter(card.verdict for card in cards)
    return tuple(Tally(v, tone, counts[v]) for v, tone in TONES.items() if v in counts)


def _multiples(result: ClaimResult) -> tuple[float, ...]:
    """Return an effect and its interval's ends on the common axis; none if they are unknown.

    They are in multiples of the smallest effect that matters, the claimed side upwards.
    """
    effect = result.effect
    if effect is None or effect.low is None or effect.high is None:
        return ()
    unit = result.smallest_effect * (1 if result.direction == "higher" else -1)
    return tuple(STRETCH(value / unit) for value in (effect.estimate, effect.low, effect.high))


def _card(result: ClaimResult, reach: Sequence[float]) -> ClaimCard:
    factor, unit = (100.0, "%") if result.is_share else (1.0, result.unit)
    smallest = result.smallest_effect * factor
    decimals = _decimals(smallest)
    suffix = f" {unit}" if unit else ""
    effect, drawn, bar, interval = result.effect, None, None, ""
    if effect is not None and effect.low is not None and effect.high is not None:
        low, high = effect.low * factor, effect.high * factor
        drawn = forest(
            effect.estimate * factor,
            low,
            high,
            smallest_effect=smallest,
            unit=unit,
            decimals=decimals,
            claimed=result.direction,
        )
        bar = _bar(result, reach, drawn.description)
        if low < high:
            interval = f"{signed(low, decimals)} to {signed(high, decimals)}"
    return ClaimCard(
        name=result.claim,
        statement=result.statement,
        source=result.source,
        verdict=result.verdict,
        tone=TONES[result.verdict],
        network=listing([*result.networks]),
        effect="" if effect is None else f"{signed(effect.estimate * factor, decimals)}{suffix}",
        interval=interval,
        seeds=result.num_seeds,
        bar=bar,
        told=told(result.sentence, result.command),
        forest=drawn,
        facts=_facts(result, factor, suffix, decimals),
        notes=result.notes,
    )


def _bar(result: ClaimResult, reach: Sequence[float], description: str) -> Forest:
    estimate, *ends = _multiples(result)
    bar = forest(
        estimate, min(ends), max(ends), smallest_effect=STRETCH(1), labelled=False, reach=reach
    )
    return replace(bar, description=description)


def _facts(result: ClaimResult, factor: float, suffix: str, decimals: int) -> tuple[Fact, ...]:
    facts = [Fact("Measured", result.label)]
    sign = "+" if result.direction == "higher" else MINUS
    wanted = f"{sign}{result.smallest_effect * factor:.{decimals}f}{suffix} or beyond"
    facts.append(Fact("Claimed, at least", wanted))
    if result.p_value is not None:
        p_value = "below 0.001" if result.p_value < 0.001 else f"{result.p_value:.2g}"
        facts.append(Fact("p, corrected", p_value))
    if result.num_seeds:
        images = f", {counted(result.num_images, 'image')}" if result.num_images > 1 else ""
        facts.append(Fact("Based on", f"{counted(result.num_seeds, 'seed')}{images}"))
    if result.per_seed:
        seeds = (f"{seed}: {signed(v * factor, decimals)}" for seed, v in result.per_seed.items())
        facts.append(Fact("By seed", ", ".join(seeds)))
    if why := _disagreement(result):
        facts.append(Fact("Seeds and interval", why))
    facts += [Fact("Feature network", text, warning=True) for text in result.stand_ins]
    if result.seconds:
        facts.append(Fact("Training", f"{seconds_text(result.seconds)} in all"))
    return tuple(facts)


def _disagreement(result: ClaimResult) -> str:
    """Explain an interval with 0 in it though every seed is on one side of 0."""
    values, effect = result.per_seed.values(), result.effect
    if not values or effect is None or effect.low is None or effect.high is None:
        return ""
    if not effect.low < 0 < effect.high or min(values) <= 0 <= max(values):
        return ""
    others = "other seeds and other images" if result.num_images > 1 else "other seeds"
    return (
        f"each seed is on one side of 0; the interval contains 0, because it also covers {others}"
    )


def _decimals(smallest: float) -> int:
    """Return decimals that show the smallest effect that matters with two digits."""
    if smallest <= 0:
        return 2
    return min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(smallest))))
