"""Verdicts on claims from records: each rule, what is left out, and the sentence to quote."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from zoo.compare.comparisons import compare
from zoo.compare.statistics import Interval
from zoo.compare.verdicts import ClaimResult, judge_claims, num_tested, verdict_of
from zoo.recipes.book import load_book
from zoo.recipes.claims import Claim, Contrast
from zoo.recipes.reader import Document
from zoo.records.record import (
    Column,
    DatasetScores,
    ImageScores,
    Record,
    Target,
    TrainingSummary,
)
from zoo.records.selection import comparable

HASH = "0" * 64
COLUMNS = {
    "psnr_y": Column(label="PSNR-Y", unit="dB"),
    "lpips": Column(label="LPIPS", higher_is_better=False),
    "macs": Column(label="MACs", higher_is_better=False),
    "ms_per_megapixel": Column(label="time", unit="ms", higher_is_better=False),
    "stable": Column(label="verdict stable"),
}
NOISE = np.random.default_rng(0).normal(size=(2, 8, 6))
"""Of two sides, eight seeds, six images."""


def make_record(recipe: str, seed: int | None, scores: Sequence[float], **changes: Any) -> Record:
    """Make the record of a run with one PSNR_Y an image."""
    training = {"steps": 1, "seconds": 10.0, "verdict": "stable"} | changes.pop("training", {})
    images = tuple(
        ImageScores(
            name=str(number), height=8, width=8, hr_sha256=HASH, lr_sha256=HASH,
            scores={"psnr_y": float(score)},
        )
        for number, score in enumerate(scores)
    )  # fmt: skip
    target = Target(
        name=recipe,
        kind="baseline" if seed is None else "run",
        recipe=recipe,
        profile=None if seed is None else changes.pop("profile", "demo"),
        seed=seed,
        pretraining_sha256=changes.pop("pretraining", None),
        identity_sha256=changes.pop("identity", None),
    )
    values: dict[str, Any] = {
        "key": f"{recipe}-{seed}", "protocol": 1, "suite": "tiny", "suite_sha256": HASH, "scale": 4,
        "target": target, "columns": COLUMNS,
        "datasets": (DatasetScores(name="Set", images=images),) if images else (),
        "training": None if seed is None else TrainingSummary(**training),
        "provenance": {"created": "2026-01-01", "device": "cpu"},
    }  # fmt: skip
    return Record(**values | changes)


def make_claim(**changes: Any) -> Claim:
    values: dict[str, Any] = {
        "name": "claim", "statement": "It helps", "source": "a paper",
        "contrast": Contrast("new", "old", ("losses",)), "metric": "psnr-y", "statistic": "mean",
        "direction": "higher", "smallest_effect": 0.1, "relative": False, "matched": None,
        "document": None,
    }  # fmt: skip
    return Claim(**values | changes)


def runs(
    recipe: str, offset: float, *, num_seeds: int = 3, noise: float = 0.01, **changes: Any
) -> list[Record]:
    drawn = 30 + np.arange(6) + offset + noise * NOISE[int(recipe == "new")]
    return [make_record(recipe, seed, drawn[seed], **changes) for seed in range(num_seeds)]


def judge(records: Sequence[Record], **changes: Any) -> ClaimResult:
    return judge_claims([make_claim(**changes)], records, profile="demo", suite="tiny")[0]


@pytest.mark.parametrize(
    ("effect", "noise", "verdict", "reason"),
    [
        (1.0, 0.01, "supported", "p < 0.001"),
        (-1.0, 0.01, "contradicted", "the claim says higher"),
        (-0.03, 0.001, "contradicted", "the claim says higher"),
        (0.05, 0.001, "no effect shown", "an effect of 0.1 dB or more is excluded"),
        (0.0, 0.01, "no effect shown", "an effect of 0.1 dB or more is excluded"),
        (0.0, 2.0, "no effect shown", "an effect of 0.1 dB or more is not excluded"),
        (0.085, 0.02, "no effect shown", "it is open whether it reaches 0.1 dB"),
    ],
)
def test_each_verdict(effect: float, noise: float, verdict: str, reason: str) -> None:
    found = judge(runs("new", effect, noise=noise) + runs("old", 0.0, noise=noise))
    assert found.verdict == verdict, found.sentence
    assert reason in found.reason
    assert reason in found.sentence
    assert found.seconds == 60.0
    assert (found.num_seeds, found.num_images) == (3, 6)
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(np.mean(list(found.per_seed.values())))


def test_the_sentence_may_be_quoted() -> None:
    records = [
        make_record(recipe, seed, [30 + offset + seed / 100, 31 + offset - seed / 100])
        for recipe, offset in (("new", 0.5), ("old", 0.0))
        for seed in range(3)
    ]
    records[0] = make_record("new", 0, [30.52, 31.54])
    # by hand: the seeds differ by 0.53, 0.50, 0.50; 4.30 standard errors of 0.01 either side
    sentence = judge(records).sentence
    assert sentence.startswith(
        "PSNR-Y of new minus that of old is +0.51 dB (95 % interval +0.47 to +0.55 dB, "
        "3 seeds, 2 images): "
    )
    assert sentence.endswith(".")


@pytest.mark.parametrize("direction", ["higher", "lower"])
def test_directions_mirror_each_other(direction: str) -> None:
    records = runs("new", 1.0) + runs("old", 0.0)
    found = judge(records, direction=direction)
    assert found.verdict == ("supported" if direction == "higher" else "contradicted")


def test_corrected_p_values_decide_not_the_interval_alone() -> None:
    effect = Interval(1.0, 0.1, 1.9, 0.95, 0.04, 3, 6)
    assert verdict_of(effect, 0.04, direction="higher", smallest_effect=0.5) == "supported"
    assert verdict_of(effect, 0.08, direction="higher", smallest_effect=0.5) == "no effect shown"
    assert verdict_of(effect, 0.04, direction="higher", smallest_effect=2.0) == "no effect shown"
    records = runs("new", 0.4, noise=0.25) + runs("old", 0.0, noise=0.25)
    alone = judge(records)
    claims = [make_claim()] * 30
    together = judge_claims(claims, records, profile="demo", suite="tiny")[0]
    assert alone.p_value is not None
    assert together.p_value == pytest.approx(min(1.0, 30 * alone.p_value))
    assert (alone.verdict, together.verdict) == ("supported", "no effect shown")
    assert "the corrected test is not significant" in together.reason


def test_a_missing_side_names_the_command_that_makes_it() -> None:
    found = judge(runs("new", 1.0))
    assert found.verdict == "not enough data"
    assert "no record of old: zoo bench new old --suite tiny --profile demo --train" in found.reason
    assert found.effect is None
    assert found.p_value is None


def test_one_seed_is_never_enough() -> None:
    found = judge(runs("new", 5.0, num_seeds=1) + runs("old", 0.0))
    assert found.verdict == "not enough data"
    assert "one seed is not enough" in found.reason
    assert found.notes == ("seed 1, 2 excluded: not every compared recipe has it",)


def test_common_seeds_are_compared_and_the_others_are_said() -> None:
    found = judge(runs("new", 1.0, num_seeds=5) + runs("old", 0.0))
    assert found.num_seeds == 3
    assert set(found.per_seed) == {0, 1, 2}
    assert found.notes == ("seed 3, 4 excluded: not every compared recipe has it",)


def test_runs_that_failed_are_left_out_of_scores_and_said() -> None:
    records = runs("new", 1.0) + runs("old", 0.0)
    records[2] = make_record(
        "new", 2, [], error="diverged at step 7", training={"verdict": "diverged"}
    )
    found = judge(records)
    assert found.num_seeds == 2
    assert "new seed 2 excluded from PSNR-Y: diverged at step 7" in found.notes


def test_a_run_that_lost_its_psnr_stayed_finite() -> None:
    whole = {"verdict": "stable", "measures": {"finite": 1.0}}
    dropped = {"verdict": "diverged", "measures": {"finite": 1.0}}
    records = runs("new", 0.0, training=whole) + runs("old", 0.0, training=dropped)
    found = judge(records, metric="training.finite")
    assert found.effect is not None
    assert found.effect.estimate == 0.0


def test_runs_that_diverged_count_as_not_stable() -> None:
    records = runs("new", 0.0, training={"measures": {"stable": 1.0}})
    fate = {"verdict": "diverged", "measures": {"stable": 0.0}}
    records += [make_record("old", seed, [], error="diverged", training=fate) for seed in range(3)]
    found = judge(records, metric="training.stable")
    assert found.effect is not None
    assert found.effect.estimate == 1.0
    assert "3 of 3 runs of new and 0 of 3 of old, a difference of +100 %" in found.sentence
    assert found.p_value == pytest.approx(1 / 32)
    assert found.verdict == "supported"


def test_what_no_outcome_could_decide_takes_no_part_in_the_correction() -> None:
    one = {"measures": {"stable": 1.0}}
    records = runs("new", 1.0, training=one) + runs("old", 0.0, training=one)
    alone = judge(records)
    # 3 of 3 against 0 of 3 is the most there is, with p = 1/32: beside another claim too large
    claims = [make_claim(), make_claim(metric="training.stable")]
    claims.append(make_claim(statistic="seed-spread"))
    score, share, spread = judge_claims(claims, records, profile="demo", suite="tiny")
    assert score.p_value == alone.p_value
    assert {share.verdict, spread.verdict} == {"not enough data"}
    assert share.p_value is None
    assert "3 seeds cannot decide it together with 2 other claims" in share.reason
    assert "no outcome has a p-value below 0.031; at least 4 are needed" in share.reason
    assert "3 of 3 runs of new and 3 of 3 of old" in share.sentence
    assert "zoo bench new old --suite tiny --profile demo --train --seeds 4" in spread.reason
    assert num_tested([score, share, spread]) == 1


def test_a_file_of_weights_or_a_function_is_no_recipe_whatever_its_name() -> None:
    records = runs("new", 1.0) + runs("old", 0.0)
    for target in (Target(name="old", kind="weights"), Target(name="old", kind="callable")):
        strange = make_record("old", 0, [99.0] * 6, target=target, key=target.kind)
        assert judge([*records, strange]).effect == judge(records).effect
        found = judge([*runs("new", 1.0), strange])
        assert "no record of old" in found.reason


def test_numbers_that_happen_to_be_0_and_1_are_no_yes_or_no() -> None:
    records = runs("new", 0.0, training={"measures": {"critic_quality_correlation": 1.0}})
    records += [
        make_record("old", seed, [1.0] * 6, training={"measures": measured})
        for seed, value in enumerate((0.0, 1.0, 0.0))
        for measured in ({"critic_quality_correlation": value},)
    ]
    found = judge(records, metric="training.critic_quality_correlation")
    assert not found.is_share
    assert " of 3 runs" not in found.sentence


def test_support_may_ask_for_the_sign_of_the_changed_side_itself() -> None:
    lift = 0.5 - 30 - np.arange(6).mean()
    high = runs("new", lift, num_seeds=8) + runs("old", lift - 9, num_seeds=8)
    assert judge(high, changed_is="positive").verdict == "no effect shown"  # images vary too much
    flat = [make_record("new", seed, [0.9 + 0.01 * seed, 0.91]) for seed in range(3)]
    flat += [make_record("old", seed, [0.1, 0.1 - 0.01 * seed]) for seed in range(3)]
    assert judge(flat).verdict == "supported"
    assert judge(flat, changed_is="positive").verdict == "supported"
    below = [make_record("new", seed, [-0.1 + 0.01 * seed, -0.1]) for seed in range(3)]
    below += [make_record("old", seed, [-0.9, -0.9 - 0.01 * seed]) for seed in range(3)]
    assert judge(below).verdict == "supported"
    found = judge(below, changed_is="positive")
    assert found.verdict == "no effect shown"
    assert (
        "the sign of PSNR-Y of new itself is not certain to be positive (95 % interval -0.1"
        in found.reason
    )


def test_a_metric_that_the_suite_does_not_list_is_said_to_be_so() -> None:
    found = judge(runs("new", 1.0) + runs("old", 0.0), metric="hf-energy")
    assert found.reason.startswith("suite tiny does not measure hf-energy")
    assert found.notes == ()


def test_counts_are_compared_exactly_and_not_corrected() -> None:
    records = runs("new", 1.0, cost={"macs": 60.0}) + runs("old", 0.0, cost={"macs": 100.0})
    claims = [
        make_claim(),
        make_claim(
            name="count", metric="cost.macs", direction="lower", relative=True, smallest_effect=0.05
        ),
    ]
    score, count = judge_claims(claims, records, profile="demo", suite="tiny")
    assert count.verdict == "supported"
    assert "differs from that of old by -40.0 % (counted, not estimated)" in count.sentence
    assert count.p_value is None
    assert score.p_value == pytest.approx(judge(records).p_value)
    records[0] = make_record("new", 0, [1.0] * 6, cost={"macs": 61.0})
    assert judge(records, metric="cost.macs").verdict == "not enough data"


def test_sides_that_cost_differently_are_not_compared_where_costs_must_match() -> None:
    close = runs("new", 1.0, cost={"macs": 104.0}) + runs("old", 0.0, cost={"macs": 100.0})
    far = runs("new", 1.0, cost={"macs": 106.0}) + runs("old", 0.0, cost={"macs": 100.0})
    assert judge(close, matched="macs").verdict == "supported"
    found = judge(far, matched="macs")
    assert found.verdict == "not enough data"
    assert "MACs is 1.06 times the reference's" in found.reason


def test_times_of_two_machines_are_not_compared() -> None:
    cost = {"ms_per_megapixel": 5.0}
    records = runs("new", 0.0, cost=cost) + runs("old", 0.0, cost=cost)
    assert judge(records, metric="cost.ms_per_megapixel").verdict == "no effect shown"
    elsewhere = {"created": "2026-01-01", "device": "H100"}
    records = runs("new", 0.0, cost=cost) + runs("old", 0.0, cost=cost, provenance=elsewhere)
    found = judge(records, metric="cost.ms_per_megapixel")
    assert "different machines (H100; cpu)" in found.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"machine": "Xeon, 2 cores"}, "(cpu, EPYC, 2 cores, 4 threads; cpu, Xeon, 2 cores, 4 "),
        ({"execution": {"threads": 2}}, "(cpu, EPYC, 2 cores, 2 threads; cpu, EPYC, 2 cores, 4 "),
    ],
)
def test_times_of_other_processors_or_threads_are_not_compared(
    change: dict[str, Any], said: str
) -> None:
    here = {"device": "cpu", "machine": "EPYC, 2 cores", "execution": {"threads": 4}}
    cost = {"ms_per_megapixel": 5.0}
    records = runs("new", 0.0, cost=cost, provenance=here)
    found = judge(
        records + runs("old", 0.0, cost=cost, provenance=here | change),
        metric="cost.ms_per_megapixel",
    )
    assert said in found.reason


def test_settings_that_make_both_sides_one_run_leave_nothing_to_compare() -> None:
    records = runs("new", 1.0, identity="a" * 64) + runs("old", 1.0, identity="a" * 64)
    found = judge(records)
    assert found.verdict == "not enough data"
    assert "the same run: they do not differ in losses" in found.reason


def test_different_pretraining_is_not_compared_unless_the_generator_differs() -> None:
    records = runs("new", 1.0, pretraining="a" * 64) + runs("old", 0.0, pretraining="b" * 64)
    found = judge(records)
    assert found.verdict == "not enough data"
    assert "start from different pretraining" in found.reason
    generators = Contrast("new", "old", ("generator", "norm"))
    assert judge(records, contrast=generators).verdict == "supported"


def test_runs_of_different_precision_are_not_judged_together() -> None:
    """The reason says which side is which, and the table keeps both rows."""
    coarse, single = ({"budget": {"precision": one}} for one in ("bfloat16", "float32"))
    records = runs("new", 1.0, training=coarse) + runs("old", 0.0, training=single)
    told = "trained in different precision (new in bfloat16, old in float32): train them in one"
    found = judge(records)
    assert found.verdict == "not enough data"
    assert told in found.reason
    assert told in found.sentence
    costs = [one.model_copy(update={"cost": {"macs": 1.0}}) for one in records]
    assert judge(costs, metric="cost.macs").effect is not None, "which no training changes"
    (table,) = compare(records)
    assert {row.target for row in table.rows} == {"new", "old"}
    assert "trained in bfloat16: new; in float32: old; no claim compares them" in table.notes
    for both in (coarse, single):
        alike = runs("new", 1.0, training=both) + runs("old", 0.0, training=both)
        assert judge(alike).verdict == "supported"


def test_one_row_has_one_precision() -> None:
    coarse, single = ({"budget": {"precision": one}} for one in ("bfloat16", "float32"))
    newest = make_record(
        "new", 3, [30.0] * 6, training=single, provenance={"created": "2026-02-01"}
    )
    found = comparable([*runs("new", 1.0, training=coarse), newest])
    kept, notes = list(found.records), found.notes
    assert kept == [newest]
    said = "trained with precision bfloat16 instead of float32 of the newest runs"
    assert f"excluded: new seed 0, {said}" in notes["tiny"]


def test_other_protocols_suites_and_profiles_are_left_out() -> None:
    records = runs("new", 1.0) + runs("old", 0.0)
    stale = runs("old", 9.0, protocol=0) + runs("new", 9.0, profile="full")
    stale += runs("old", 9.0, suite="other")
    found = judge(stale + records)
    assert found.effect == judge(records).effect
    assert any("another protocol version" in note for note in found.notes)


def test_an_unavailable_metric_says_why() -> None:
    reason = "no weights: zoo weights get"
    columns = COLUMNS | {"lpips": Column(label="LPIPS", unavailable=reason)}
    found = judge(
        runs("new", 1.0, columns=columns) + runs("old", 0.0, columns=columns), metric="lpips"
    )
    assert found.verdict == "not enough data"
    assert reason in found.sentence


def test_against_the_ground_truth_the_value_itself_is_tested() -> None:
    found = judge(
        runs("old", -33.0),
        contrast=Contrast("old", None, ()),
        direction="lower",
        smallest_effect=0.1,
    )
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx(-0.5, abs=0.02)
    assert "PSNR-Y of old against the ground truth is -0.5" in found.sentence


def test_a_spread_over_seeds_compares_distances_from_the_median_seed() -> None:
    def side(recipe: str, spread: float) -> list[Record]:
        seeds = spread * np.array([-2.0, -1.0, -0.4, 0.0, 0.5, 1.0, 1.8, 0.1])
        return [make_record(recipe, seed, [30 + off, 31 + off]) for seed, off in enumerate(seeds)]

    found = judge(side("new", 0.01) + side("old", 1.0), statistic="seed-spread", direction="lower")
    assert found.verdict == "supported"
    assert "The spread of PSNR-Y over seeds of new minus that of old is -0.9" in found.sentence


def test_a_spread_over_images_is_paired() -> None:
    seeds = range(3)
    wide = [make_record("new", seed, [30 + seed / 9, 33, 36, 39, 42, 45]) for seed in seeds]
    narrow = [make_record("old", seed, [30, 30.5, 31, 31.5, 32, 32.5]) for seed in seeds]
    found = judge(wide + narrow, statistic="image-spread")
    assert found.effect is not None
    assert found.effect.estimate == pytest.approx((4.5 - 0.75) * 6 / 5, abs=0.1)
    assert "over images" in found.sentence


def ranked(order: Sequence[float], *, noise: float = 0.0) -> list[Record]:
    """Make three seeds of recipes `a`, `b`, ... whose LPIPS has an order, PSNR-Y that of names."""
    made = []
    for index, place in enumerate(order):
        for seed in range(3):
            lpips = place + noise * NOISE[0, seed] * (index == 0)
            record = make_record("abcd"[index], seed, 30 + index + np.arange(6))
            images = tuple(
                image.model_copy(update={"scores": image.scores | {"lpips": float(score)}})
                for image, score in zip(record.datasets[0].images, lpips + np.zeros(6), strict=True)
            )
            datasets = (record.datasets[0].model_copy(update={"images": images}),)
            made.append(record.model_copy(update={"datasets": datasets}))
    return made


def test_ranks_by_two_metrics_are_correlated_image_by_image() -> None:
    contrast = Contrast("", None, (), ("a", "b", "c", "d"), "lpips")
    found = judge(ranked([1, 3, 2, 4], noise=1.0), contrast=contrast)
    assert found.effect is not None
    assert (found.effect.num_seeds, found.effect.num_images) == (3, 6)
    # of four ranks a swap of neighbours leaves 0.8; images on which the first is no longer first
    assert 0 < found.effect.estimate <= 0.8
    assert found.sentence.startswith("Rank correlation of PSNR-Y and LPIPS over 4 recipes is +0.")
    same = judge(ranked([1, 3, 2, 4]), contrast=contrast)
    assert same.effect is not None
    assert same.effect.estimate == pytest.approx(0.8)
    assert same.verdict == "not enough data"
    lost = [record for record in ranked([1, 3, 2, 4]) if record.target.name != "d"]
    assert "no record of d: zoo bench a b c d" in judge(lost, contrast=contrast).reason
    other = Contrast("", None, (), ("a", "b", "c", "d"), "dists")
    assert "does not measure dists" in judge(ranked([1, 3, 2, 4]), contrast=other).reason


def test_a_baseline_stands_beside_every_seed() -> None:
    records = [*runs("new", 1.0), make_record("bicubic", None, 30 + np.arange(6))]
    found = judge(records, contrast=Contrast("new", "bicubic", ("generator",)))
    assert found.verdict == "supported"
    assert found.num_seeds == 3


def test_what_never_varies_is_not_judged() -> None:
    records = [
        make_record(name, seed, [v, v])
        for name, v in (("new", 2.0), ("old", 1.0))
        for seed in range(3)
    ]
    found = judge(records)
    assert found.verdict == "not enough data"
    assert "its error is unknown" in found.reason


def test_the_claims_of_the_registry_can_be_judged() -> None:
    claims = list(load_book().claims.values())
    found = judge_claims(claims, [], profile="demo", suite="tiny")
    assert [one.claim for one in found] == [claim.name for claim in claims]
    assert {one.verdict for one in found} == {"not enough data"}
    assert all("zoo bench" in one.sentence for one in found)
    assert isinstance(claims[0].document, Document)


def test_a_score_by_a_network_that_a_side_was_trained_on_judges_nothing() -> None:
    conflict = {"created": "2026-01-01", "trained_against": {"psnr_y": ["vgg19"]}}
    found = judge(runs("new", 1.0, provenance=conflict) + runs("old", 0.0))
    assert found.verdict == "not enough data"
    assert found.reason == "new was trained against the network of this score"


def test_a_network_that_stands_in_is_said_beside_the_verdict() -> None:
    components = {"vgg19": {"network": "vgg16", "layer": "conv5_3 before activation"}}
    named = {"vgg19": {"network": "vgg19", "layer": "conv5_4 before activation"}}
    found = judge(
        runs("new", 1.0, training={"components": components})
        + runs("old", 0.0, training={"components": named})
    )
    assert found.stand_ins == ("vgg16 (conv5_3 before activation) replaces vgg19 in new",)
    assert judge(runs("new", 1.0) + runs("old", 0.0)).stand_ins == ()
