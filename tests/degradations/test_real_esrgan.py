"""The draws of `real-esrgan` against the probabilities of its paper, by chi-square tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable

import numpy as np
import pytest
from scipy.stats import chisquare, kstest

from zoo.data.sampling import sample_generator
from zoo.degradations.bsrgan import BSRGAN
from zoo.degradations.real_esrgan import METHODS, SIZES, Draw, Order, RealESRGAN

NUM_DRAWS = 10_000
LEAST = 1e-4
"""Smallest p-value that passes. There are 44 tests of fixed draws, so nothing here is by chance."""
FAMILIES = {
    "sinc": 0.1,
    "iso": 0.9 * 0.45,
    "aniso": 0.9 * 0.25,
    "generalized-iso": 0.9 * 0.12,
    "generalized-aniso": 0.9 * 0.03,
    "plateau-iso": 0.9 * 0.12,
    "plateau-aniso": 0.9 * 0.03,
}
CATEGORIES: dict[str, tuple[Callable[[Order], Hashable], tuple[dict, dict]]] = {
    "blurs": (lambda o: o.kernel is not None, ({True: 1.0}, {True: 0.8, False: 0.2})),
    "direction": (
        lambda o: o.direction,
        ({"up": 0.2, "down": 0.7, "keep": 0.1}, {"up": 0.3, "down": 0.4, "keep": 0.3}),
    ),
    "method": (lambda o: o.method, (dict.fromkeys(METHODS, 1 / 3),) * 2),
    "noise": (lambda o: o.noise, ({"gaussian": 0.5, "poisson": 0.5},) * 2),
    "grey": (lambda o: o.grey, ({True: 0.4, False: 0.6},) * 2),
    "quality": (lambda o: o.quality, (dict.fromkeys(range(30, 96), 1 / 66),) * 2),
}
NUMBERS: dict[str, tuple[Callable[[Order], tuple[Hashable, float]], dict, dict]] = {
    "factor": (
        lambda o: (o.direction, o.factor),
        {"up": (1, 1.5), "down": (0.15, 1)},
        {"up": (1, 1.2), "down": (0.3, 1)},
    ),
    "strength": (
        lambda o: (o.noise, o.strength),
        {"gaussian": (1, 30), "poisson": (0.05, 3)},
        {"gaussian": (1, 25), "poisson": (0.05, 2.5)},
    ),
}


def require_frequencies(found: Iterable[Hashable], expected: dict) -> None:
    counts = Counter(found)
    assert set(counts) <= set(expected)
    total = counts.total()
    if len(expected) > 1:
        told = [counts[key] for key in expected]
        assert chisquare(told, [total * share for share in expected.values()]).pvalue > LEAST


@pytest.fixture(scope="module")
def draws() -> list[Draw]:
    degradation = RealESRGAN()
    return [degradation.draw(sample_generator(1, 0, number)) for number in range(NUM_DRAWS)]


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", CATEGORIES)
def test_choices_have_their_probabilities(draws: list[Draw], order: int, name: str) -> None:
    choice, expected = CATEGORIES[name]
    require_frequencies((choice(draw.orders[order]) for draw in draws), expected[order])


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1])
def test_kernels_have_their_probabilities(draws: list[Draw], order: int) -> None:
    kernels = [kernel for draw in draws if (kernel := draw.orders[order].kernel) is not None]
    require_frequencies((kernel.family for kernel in kernels), FAMILIES)
    sizes = {size: 1 / len(SIZES) for size in SIZES}
    require_frequencies((len(kernel.weights) for kernel in kernels), sizes)


@pytest.mark.slow
@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_are_uniform_between_their_limits(draws: list[Draw], order: int, name: str) -> None:
    value, *limits = NUMBERS[name]
    pairs = [value(draw.orders[order]) for draw in draws]
    for kind, (low, high) in limits[order].items():
        found = [number for key, number in pairs if key == kind]
        assert kstest(found, "uniform", (low, high - low)).pvalue > LEAST


@pytest.mark.slow
def test_the_end_has_its_probabilities(draws: list[Draw]) -> None:
    require_frequencies((draw.sinc is not None for draw in draws), {True: 0.8, False: 0.2})
    require_frequencies((draw.is_sinc_first for draw in draws), {True: 0.5, False: 0.5})
    require_frequencies((draw.method for draw in draws), dict.fromkeys(METHODS, 1 / 3))


def test_a_wrong_probability_is_found() -> None:
    with pytest.raises(AssertionError):
        require_frequencies([True] * 780 + [False] * 220, {True: 0.7, False: 0.3})


def test_the_shuffled_steps_come_in_any_order() -> None:
    """Each place is as probable for the downscaling; JPEG and sensor noise come as often as set."""
    rng = np.random.default_rng(0)
    lengths = [len(BSRGAN()._steps(8, 8, 4, rng)) for _ in range(2000)]
    expected = {4: 0.25 * 0.75, 5: 0.75 * 0.75 + 0.25 * 0.25, 6: 0.75 * 0.25}
    require_frequencies(lengths, expected)
