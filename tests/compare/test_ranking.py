"""Ranked rows and their groups."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from zoo.compare.ranking import _arrays, _groups, _letters, _not_told_apart, arranged
from zoo.errors import UnknownNameError


def test_a_pair_is_tested_as_scipy_tests_it() -> None:
    rng = np.random.default_rng(0)
    for shift in np.linspace(0, 0.4, 21):
        values = rng.normal(size=(2, 12)) * 0.2 + np.linspace(0, 3, 12)
        values[1] += shift
        expected = stats.ttest_rel(values[0], values[1]).pvalue > 0.05
        assert _not_told_apart([values])[0, 1] == expected


def test_groups_are_of_neighbours_that_cannot_be_told_apart() -> None:
    noise = np.array([1.0, -1.0] * 6)
    base = np.linspace(20, 30, 12)
    best, like_best, worst = base + 5, base + 5 + 0.1 * noise, base
    assert _letters([[best], [like_best], [worst]]) == ["a", "a", "b"]
    middle = base + 0.05 + 0.1 * np.roll(noise, 1) * np.array([1.0, 1.0, -1.0] * 4)
    assert _letters([[best], [middle], [worst]]) == ["a", "b", "b"]


def test_a_pair_that_is_told_apart_shares_no_letter_though_a_noisy_one_is_like_both() -> None:
    random = np.random.default_rng(0)
    second = random.normal(size=40)
    third = second - 0.05 + 0.01 * random.normal(size=40)
    noisy = second + 0.1 + random.normal(size=40)
    assert _letters([[noisy], [second], [third]]) == ["ab", "a", "b"]


def test_pairs_that_cannot_be_told_apart_always_share_a_letter() -> None:
    random = np.random.default_rng(1)
    for count in range(2, 7):
        same = np.triu(random.random((count, count)) < 0.5, 1)
        same = same | same.T | np.eye(count, dtype=bool)
        groups = _groups(same)
        shared = np.array(
            [[any({i, j} <= g for g in groups) for j in range(count)] for i in range(count)]
        )
        assert np.array_equal(shared, same)


def test_equal_networks_share_a_letter_and_shifted_ones_do_not() -> None:
    base = np.linspace(20, 30, 5)
    assert _letters([[base], [base.copy()], [base - 1]]) == ["a", "a", "b"]


def test_one_image_has_no_groups() -> None:
    assert _letters([[np.array([1.0])], [np.array([2.0])]]) == [None, None]
    assert _letters([]) == []


def test_the_mean_of_datasets_has_the_variance_of_a_mean_of_means() -> None:
    rng = np.random.default_rng(1)
    small, large = rng.normal(size=(2, 5)), rng.normal(size=(2, 50))
    small[0] += 3
    # alone the few images tell the two apart, and so does the mean over both datasets
    assert not _not_told_apart([small])[0, 1]
    assert not _not_told_apart([small, large])[0, 1]
    assert _not_told_apart([large])[0, 1]


def test_an_unknown_score_is_refused() -> None:
    with pytest.raises(UnknownNameError):
        arranged([], sort="psnr_z")


def test_images_are_paired_by_their_names() -> None:
    """Each row lacks another image: by position, images would be compared with neighbours."""
    scores = {name: [20.0 + 3 * place] for place, name in enumerate("abcdef")}
    one = {"set": {name: each for name, each in scores.items() if name != "a"}}
    other = {"set": {name: [each[0] + 0.5] for name, each in scores.items() if name != "f"}}
    values, is_whole = _arrays([one, other], ["set"])
    assert not is_whole
    assert [list(part) for (part,) in values] == [[23, 26, 29, 32], [23.5, 26.5, 29.5, 32.5]]
    assert _letters(values[::-1]) == ["a", "b"]
    assert _arrays([one, one], ["set"])[1]
    assert _arrays([one, {}], ["set"]) == ([[pytest.approx([])], [pytest.approx([])]], False)
