"""The power of the study: what its trials say fits the registry, and the simulation decides."""

from __future__ import annotations

import json

import pytest

from benchmarks.study_power import DECIDED, STUDY, STUDY_SIZE, markdown, simulate
from zoo.compare.samples import COUNTED
from zoo.recipes.book import load_book

TRIALS = json.loads((STUDY / "trials.json").read_text(encoding="utf-8"))["claims"]
LATER = {"penalty-perception", "penalty-stable", "unet-perception"}
"""Claims on recipes that came after the design: the study does not train them."""
DESIGN = (STUDY / "DESIGN.md").read_text(encoding="utf-8")


def test_every_claim_is_in_the_design() -> None:
    book = load_book().claims
    assert book.keys() > LATER
    claims = {name: claim for name, claim in book.items() if name not in LATER}
    assert TRIALS.keys() <= claims.keys()
    assert all(f"`{name}`" in DESIGN for name in claims)
    whole_runs = {name for name in TRIALS if claims[name].family == "training"}
    assert {name for name, trial in TRIALS.items() if trial["whole_run"]} == whole_runs
    left = {name: claim for name, claim in claims.items() if name not in TRIALS}
    assert all(
        claim.key in (*COUNTED, "finite", "stable", "ms_per_megapixel")
        or claim.statistic == "seed-spread"
        for claim in left.values()
    )


@pytest.mark.parametrize(("effect", "image_sd", "decided"), [(1.0, 0.1, 20), (0.1, 3.0, 0)])
def test_what_is_large_against_its_spread_is_decided(
    effect: float, image_sd: float, decided: int
) -> None:
    name, given = "bn-removal-fidelity", {"effect": effect, "image_sd": image_sd}
    trial = TRIALS[name] | given
    counts = simulate({name: trial}, load_book().claims, STUDY_SIZE, rounds=20)
    assert sum(counts[name][one] for one in DECIDED) == pytest.approx(decided, abs=1)
    assert f"| {name} | {effect:+.3g} |" in markdown({name: trial}, {STUDY_SIZE: counts}, 20)


def test_the_design_quotes_the_power_that_was_computed() -> None:
    table = (STUDY / "power.md").read_text(encoding="utf-8")
    for name in TRIALS:
        (row,) = [line for line in table.splitlines() if line.startswith(f"| {name} |")]
        five, eight = row.split(" | ")[7:9]
        lines = [line for line in DESIGN.splitlines() if line.startswith(f"| `{name}` |")]
        assert lines[0].endswith(f"| {five} | {eight} |")
