"""Intervals and tests: closed forms first, then how often they hold the truth."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from benchmarks.statistics_simulation import (
    IMAGES,
    RATIOS,
    SEEDS,
    coverage,
    false_verdicts,
    heavy,
    naive_coverage,
    spread_found,
)
from benchmarks.verdict_simulation import simulate as simulate_registry
from zoo.compare.shares import share_difference, smallest_p_value
from zoo.compare.statistics import (
    Interval,
    decidable,
    deviations,
    holm,
    paired_interval,
    rank_correlation,
    relative_difference,
    smallest_spread_p_value,
    unpaired_interval,
)
from zoo.errors import DataError

# the bootstrap standard error is within about 1.5 % of the closed form
CLOSE = 0.05


def half_width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return (interval.high - interval.low) / 2


def test_numbers_of_whole_runs_have_students_interval() -> None:
    values = np.array([[1.0], [2.0], [4.0]])
    found = paired_interval(values)
    expected = stats.ttest_1samp(values[:, 0], 0.0)
    low, high = expected.confidence_interval(0.95)
    assert found.estimate == pytest.approx(7 / 3)
    assert half_width(found) == pytest.approx((high - low) / 2, rel=CLOSE)
    assert found.p_value == pytest.approx(expected.pvalue, rel=2 * CLOSE)
    assert (found.num_seeds, found.num_images) == (3, 1)


def test_a_difference_of_seeds_alone_is_no_surer_for_having_more_images() -> None:
    seeds = np.array([[0.1], [0.5], [0.9]])
    alone = half_width(paired_interval(seeds))
    repeated = half_width(paired_interval(np.repeat(seeds, 100, axis=1)))
    assert repeated == pytest.approx(alone, rel=0.02)


def test_a_difference_of_images_alone_rests_on_the_images() -> None:
    images = np.array([[0.1, 0.5, 0.9, 0.2, 0.4]])
    found = half_width(paired_interval(np.repeat(images, 10, axis=0)))
    expected = stats.t.ppf(0.975, 4) * images.std(ddof=1) / 5**0.5
    assert found == pytest.approx(expected, rel=CLOSE)


def test_the_standard_error_has_each_variance_component_once() -> None:
    generator = np.random.default_rng(0)
    seeds, images = generator.normal(size=(40, 1)), generator.normal(size=(1, 60))
    values = seeds + images + generator.normal(size=(40, 60))
    found = half_width(paired_interval(values)) / stats.t.ppf(0.975, 80)
    assert found == pytest.approx((1 / 40 + 1 / 60 + 1 / 2400) ** 0.5, rel=0.15)


@pytest.mark.parametrize("shape", [(1, 9), (1, 1)])
def test_one_seed_has_no_interval(shape: tuple[int, int]) -> None:
    found = paired_interval(np.arange(np.prod(shape), dtype=float).reshape(shape))
    assert (found.low, found.high, found.p_value) == (None, None, None)
    assert not found.within(1e9)


def test_what_never_varies_has_no_test_unless_it_is_zero() -> None:
    assert paired_interval(np.zeros((3, 4))).p_value == 1.0
    same = paired_interval(np.full((3, 4), 0.3))
    assert same.p_value is None
    assert same.low == same.high == same.estimate


@pytest.mark.parametrize("runs", [(2, 2), (3, 3), (3, 5), (4, 4)])
def test_no_table_of_shares_has_a_smaller_p_value(runs: tuple[int, int]) -> None:
    tables = [(hits, others) for hits in range(runs[0] + 1) for others in range(runs[1] + 1)]
    found = [share_difference((a, runs[0]), (b, runs[1])).p_value for a, b in tables]
    assert min(value for value in found if value is not None) == smallest_p_value(*runs)


@pytest.mark.parametrize("num_seeds", [3, 5, 7])
def test_no_spreads_over_an_odd_number_of_seeds_have_a_smaller_p_value(num_seeds: int) -> None:
    generator = np.random.default_rng(num_seeds)
    surest = np.array([0.0] + [1.0] * (num_seeds // 2) + [-1.0] * (num_seeds // 2))
    bound = smallest_spread_p_value(num_seeds)
    p_values = []
    for scale in (0.0, 1e-3, 0.1, 1.0):
        for draw in (surest, *generator.normal(size=(40, num_seeds)) ** 3):
            sides = (deviations(one, axis=0) for one in (surest, scale * draw))
            p_values.append(unpaired_interval(*sides).p_value or 0.0)
    assert min(p_values) == pytest.approx(bound, rel=2 * CLOSE)


def test_tests_that_cannot_pass_the_correction_are_left_out() -> None:
    assert decidable([], 0.05) == []
    assert decidable([0.031], 0.05) == [True]
    assert decidable([0.06], 0.05) == [False]
    assert decidable([0.031, 0.031], 0.05) == [False, False]
    assert decidable([0.0, 0.031, 0.0], 0.05) == [True, False, True]
    # 0.05 / 3 would still do for the third: 3 tests, and no more than 3
    assert decidable([0.0, 0.016, 0.0, 0.031], 0.05) == [True, True, True, False]


@pytest.mark.parametrize("values", [[[np.nan, 1.0]], [[np.inf], [1.0]], [], [1.0, 2.0]])
def test_values_that_have_no_mean_are_refused(values: list[float]) -> None:
    with pytest.raises(DataError):
        paired_interval(values)


@settings(max_examples=40, deadline=None)
@given(
    arrays.arrays(
        np.float64, st.tuples(st.integers(2, 6), st.integers(1, 8)), elements=st.floats(-5, 5)
    ),
    st.randoms(use_true_random=False),
)
def test_order_sign_and_scale_do_not_matter(values: np.ndarray, random: st.DataObject) -> None:
    values = values + np.random.default_rng(1).normal(size=values.shape)  # no ties in the order
    found = paired_interval(values)
    rows, columns = list(range(values.shape[0])), list(range(values.shape[1]))
    random.shuffle(rows)
    random.shuffle(columns)
    assert paired_interval(values[rows][:, columns]).low == pytest.approx(found.low, rel=1e-6)
    assert -paired_interval(-values).high == pytest.approx(found.low, rel=1e-6)
    assert paired_interval(values * 1e-3).p_value == pytest.approx(found.p_value, rel=1e-6)


def test_the_same_data_have_the_same_interval_and_wider_levels_wider_ones() -> None:
    values = np.random.default_rng(2).normal(size=(3, 14))
    found = paired_interval(values)
    assert paired_interval(values.copy()) == found
    assert half_width(paired_interval(values, level=0.99)) > 2 * half_width(found)
    # the p-value is the level at which the interval touches 0
    assert found.p_value is not None
    edge = paired_interval(values, level=1 - found.p_value)
    assert min(abs(edge.low or 0.0), abs(edge.high or 0.0)) == pytest.approx(0.0, abs=1e-9)


def test_an_interval_takes_less_than_20_ms() -> None:
    values = np.random.default_rng(3).normal(size=(3, 14))
    paired_interval(values)
    times = []
    for _ in range(20):
        started = time.process_time()
        paired_interval(values)
        times.append(time.process_time() - started)
    assert np.median(times) < 0.02


def test_unpaired_means_are_welchs() -> None:
    one, other = [1.0, 2.0, 4.0, 5.0, 9.0], [0.0, 1.0, 1.5, 2.0, 2.5]
    found = unpaired_interval(one, other)
    expected = stats.ttest_ind(one, other, equal_var=False)
    low, high = expected.confidence_interval(0.95)
    assert found.estimate == pytest.approx(np.mean(one) - np.mean(other))
    assert half_width(found) == pytest.approx((high - low) / 2, rel=CLOSE)
    assert unpaired_interval([1.0], other).p_value is None


def test_deviations_are_from_the_median_and_make_up_for_its_zero() -> None:
    assert deviations([1.0, 2.0, 6.0], axis=0).tolist() == [1.5, 0.0, 6.0]
    assert deviations([[0.0, 2.0], [5.0, 5.0]], axis=1).tolist() == [[2.0, 2.0], [0.0, 0.0]]
    with pytest.raises(DataError, match="the spread of one value is undefined"):
        deviations([[1.0]], axis=1)


def test_a_relative_difference_is_that_of_the_means() -> None:
    generator = np.random.default_rng(4)
    changed, reference = generator.uniform(1, 2, (3, 5)), generator.uniform(2, 3, (3, 5))
    found = relative_difference(changed, reference)
    assert found.mean() == pytest.approx(changed.mean() / reference.mean() - 1)
    # a constant ratio is known exactly, however much both sides vary
    assert np.ptp(relative_difference(1.1 * reference, reference)) == pytest.approx(0.0, abs=1e-12)
    with pytest.raises(DataError):
        relative_difference(changed, reference * 0)


def test_a_rank_correlation_is_spearmans_for_each_seed_and_image() -> None:
    scores = np.random.default_rng(0).normal(size=(2, 5, 2, 3))
    found = rank_correlation(*scores)
    for place in np.ndindex(2, 3):
        first, second = (side[:, *place] for side in scores)
        assert found[place] == pytest.approx(stats.spearmanr(first, second).statistic)
    assert rank_correlation(np.ones((4, 1, 1)), scores[0, :4, :1, :1]).tolist() == [[0.0]]


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_keeps_the_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    ranked = [a for _, a in sorted(zip(p_values, adjusted, strict=True))]
    assert ranked == sorted(ranked)


def test_shares_have_newcombes_interval_and_an_exact_test() -> None:
    # Newcombe 1998, table II, (a): 56/70 against 48/80, method 10
    found = share_difference((56, 70), (48, 80))
    assert (found.low, found.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert found.p_value == pytest.approx(0.0087, abs=0.003)


def test_three_runs_a_side_cannot_survive_a_second_claim() -> None:
    best = share_difference((3, 3), (0, 3))
    assert best.p_value == pytest.approx(1 / 32)
    assert holm([best.p_value, 0.5])[0] > 0.05
    same = share_difference((3, 3), (3, 3))
    assert same.p_value == 1.0
    assert half_width(same) > 0.5  # three of three leaves much open
    with pytest.raises(DataError):
        share_difference((0, 0), (3, 3))


@pytest.mark.parametrize(("images", "variances"), [(14, (1.0, 1.0, 1.0)), (9, (4.0, 1.0, 1.0))])
def test_intervals_hold_the_truth_and_a_naive_bootstrap_does_not(
    images: int, variances: tuple[float, float, float]
) -> None:
    # 300 simulations of a true 95 % lie within 91.5 and 98.5 in all but 1 of 200 cases
    assert 0.915 < coverage(3, images, variances, num_simulations=300)["coverage"] < 0.985
    assert naive_coverage(3, images, variances, 300) < 0.9


@pytest.mark.slow
@pytest.mark.parametrize(
    ("seeds", "images"), [*itertools.product(SEEDS, IMAGES[:-1]), (SEEDS[1], IMAGES[-1])]
)
def test_coverage_is_between_93_and_97_percent(seeds: int, images: int) -> None:
    found = {ratio: coverage(seeds, images, ratio, num_simulations=2000) for ratio in RATIOS}
    assert 0.93 <= np.mean([one["coverage"] for one in found.values()]) <= 0.97
    # a count of 2000 is off by up to 1.5 %: each ratio is held to coverage without that
    assert all(0.93 <= one["expected"] <= 0.97 for one in found.values()), found
    assert all(abs(one["coverage"] - one["expected"]) < 0.03 for one in found.values())


@pytest.mark.slow
@pytest.mark.parametrize("images", [5, 9, 14, 100])
def test_coverage_holds_with_heavy_tails(images: int) -> None:
    found = coverage(3, images, (1.0, 1.0, 1.0), num_simulations=1000, draw=heavy)
    assert 0.93 <= found["coverage"] <= 0.975


@pytest.mark.slow
@pytest.mark.parametrize("images", [5, 14])
@pytest.mark.parametrize("seeds", SEEDS)
def test_at_most_5_percent_of_tables_without_a_true_claim_have_one_supported(
    seeds: int, images: int
) -> None:
    found = false_verdicts(seeds, images, num_families=1000)
    assert found["supported_per_family"] <= 0.05
    assert found["supported_per_claim"] <= 0.05


def test_spreads_of_equal_size_are_rarely_told_apart() -> None:
    assert spread_found(5, 1, num_simulations=300) <= 0.05
    assert spread_found(10, 10, num_simulations=300) > 0.9


def test_a_registry_without_a_true_claim_is_rarely_judged_wrongly() -> None:
    found = simulate_registry(3, 14, num_families=60)
    kinds = {"mean", "image-spread", "seed-spread", "share", "whole run"}
    assert kinds <= found["claims"].keys()
    assert found["decidable"] < sum(found["claims"].values())
    assert found["wrong_per_family"] <= 8 / 60  # more than 8 of 60 at 5 %: 1 case in 200
