"""Who sets the global random numbers."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from zoo.testing.randomness import reset_sources, undisturbed


@pytest.mark.parametrize(
    ("action", "sources"),
    [
        (lambda: None, []),
        (lambda: (torch.rand(3), random.random(), np.random.rand()), []),  # noqa: NPY002, S311
        (lambda: torch.manual_seed(0), ["torch"]),
        (lambda: np.random.seed(0), ["NumPy"]),  # noqa: NPY002
        (lambda: (random.seed(0), torch.manual_seed(5)), ["torch", "Python"]),
    ],
)
def test_setting_a_seed_is_found_and_drawing_is_not(action: object, sources: list[str]) -> None:
    assert reset_sources(action) == sources  # type: ignore[arg-type]


def test_everything_is_as_before() -> None:
    def draw() -> tuple[float, float, float]:
        return float(torch.rand(())), random.random(), float(np.random.rand())  # noqa: NPY002, S311

    with undisturbed():
        first = draw()
    assert draw() == first
