"""Claims as cards: what is said, what the records say of it, and the effect drawn to scale.

Not here: the verdicts (`zoo.bench.verdicts`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from zoo.bench.verdicts import ClaimResult, Verdict, judge_claims
from zoo.recipes.book import Book
from zoo.report.forest import forest
from zoo.report.model import ClaimCard, Fact
from zoo.report.numbers import MINUS, counted, seconds_text, signed
from zoo.report.selection import Selection

TONES: dict[Verdict, str] = {
    "supported": "supported",
    "contradicted": "contradicted",
    "no effect shown": "unclear",
    "not enough data": "thin",
}
_MOST_DECIMALS = 6


def judged_claims(
    book: Book, selection: Selection, sources: Sequence[str] = ()
) -> tuple[tuple[ClaimCard, ...], tuple[Fact, ...]]:
    """Judge a registry's claims by the records of a page.

    Args:
        book: has the claims.
        selection: the records of the page.
        sources: options of commands that say where suite, recipes, components and data come from.

    Returns:
        A card for each claim whose recipes were tried, and for each other what it lacks.
    """
    if not book.claims or selection.profile is None:
        return (), ()
    results = judge_claims(
        book.claims.values(),
        selection.records,
        profile=selection.profile,
        suite=selection.suite,
        sources=sources,
    )
    tried = {record.target.recipe for record in selection.records}
    has_sides = {c.name: tried >= set(c.contrast.recipes) for c in book.claims.values()}
    lacking = [
        Fact(result.statement, result.reason) for result in results if not has_sides[result.claim]
    ]
    return claim_cards([r for r in results if has_sides[r.claim]]), tuple(lacking)


def claim_cards(results: Sequence[ClaimResult]) -> tuple[ClaimCard, ...]:
    """Return a card for each claim, in their order."""
    return tuple(_card(result) for result in results)


def _card(result: ClaimResult) -> ClaimCard:
    factor, unit = (100.0, "%") if result.is_share else (1.0, result.unit)
    smallest = result.smallest_effect * factor
    decimals = _decimals(smallest)
    effect, drawn = result.effect, None
    if effect is not None and effect.low is not None and effect.high is not None:
        drawn = forest(
            effect.estimate * factor,
            effect.low * factor,
            effect.high * factor,
            smallest_effect=smallest,
            unit=unit,
            decimals=decimals,
            claimed=result.direction,
        )
    return ClaimCard(
        name=result.claim,
        statement=result.statement,
        source=result.source,
        verdict=result.verdict,
        tone=TONES[result.verdict],
        sentence=result.sentence,
        forest=drawn,
        facts=_facts(result, factor, unit, decimals),
        notes=result.notes,
    )


def _facts(result: ClaimResult, factor: float, unit: str, decimals: int) -> tuple[Fact, ...]:
    suffix = f" {unit}" if unit else ""
    facts = [Fact("Measured", result.label)]
    if result.effect is not None:
        facts.append(Fact("Effect", f"{signed(result.effect.estimate * factor, decimals)}{suffix}"))
    sign = "+" if result.direction == "higher" else MINUS
    wanted = f"{sign}{result.smallest_effect * factor:.{decimals}f}{suffix} or beyond"
    facts.append(Fact("Claimed, at least", wanted))
    if result.p_value is not None:
        p_value = "below 0.001" if result.p_value < 0.001 else f"{result.p_value:.2g}"
        facts.append(Fact("p, corrected", p_value))
    if result.num_seeds:
        images = f", {counted(result.num_images, 'image')}" if result.num_images > 1 else ""
        facts.append(Fact("Rests on", f"{counted(result.num_seeds, 'seed')}{images}"))
    if result.per_seed:
        seeds = (f"{seed}: {signed(v * factor, decimals)}" for seed, v in result.per_seed.items())
        facts.append(Fact("By seed", ", ".join(seeds)))
    facts += [Fact("Feature network", text, warning=True) for text in result.stand_ins]
    if result.seconds:
        facts.append(Fact("Training", f"{seconds_text(result.seconds)} in all"))
    return tuple(facts)


def _decimals(smallest: float) -> int:
    """Return decimals that show the smallest effect that matters with two digits."""
    if smallest <= 0:
        return 2
    return min(_MOST_DECIMALS, max(0, 1 - math.floor(math.log10(smallest))))
