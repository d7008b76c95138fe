"""The contract of degradations fails for each promise that is broken, and for that alone."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from zoo.data.resize import downscale
from zoo.degradations.base import Degradation, Image
from zoo.testing import DegradationContract


class Whole(Degradation):
    """What every check accepts."""

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        lr_image = downscale(hr_image, scale)
        return np.clip(lr_image + rng.integers(-9, 10, lr_image.shape), 0, 255).astype(np.uint8)


class Undeclared(Whole):
    per_sample: Any = "yes"


class Floats(Whole):
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Any:
        return super().__call__(hr_image, scale=scale, rng=rng) / 255


class Large(Whole):
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        return super().__call__(hr_image, scale=1, rng=rng)


class OwnRandomness(Whole):
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        return downscale(hr_image, scale) // 2 + np.uint8(random.randint(0, 99))  # noqa: S311


class Memory(Whole):
    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        self.calls += 1
        return downscale(hr_image, scale) // 2 + np.uint8(self.calls)


class Constant(Whole):
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        return downscale(hr_image, scale)


class Noise(Whole):
    def __call__(self, hr_image: Image, *, scale: int, rng: np.random.Generator) -> Image:
        shape = (hr_image.shape[0] // scale, hr_image.shape[1] // scale, 3)
        return rng.integers(0, 256, shape, dtype=np.uint8)


class Unsendable(Whole):
    def __init__(self) -> None:
        super().__init__()
        self.function = lambda: None


def contract(component: type[Degradation]) -> DegradationContract:
    found = DegradationContract()
    found.component = component
    return found


@pytest.mark.parametrize("check", DegradationContract.checks())
def test_a_right_one_passes_every_check(check: str) -> None:
    getattr(contract(Whole), check)()


@pytest.mark.parametrize(
    ("component", "check", "message"),
    [
        (Undeclared, "test_declared_facts", "neither True nor False"),
        (Floats, "test_images_of_any_size", "it is float64, not uint8"),
        (Large, "test_images_of_any_size", r"24x48 pixels become|become \(96, 120, 3\)"),
        (OwnRandomness, "test_generator_decides_everything", "differ|global generator of Python"),
        (Memory, "test_generator_decides_everything", "an earlier call changes the result"),
        (Constant, "test_draws_differ", "set `per_sample = False`"),
        (Noise, "test_shows_the_same_picture", "the (correlation|mean of a colour)"),
    ],
)
def test_a_broken_promise_is_found(component: type[Degradation], check: str, message: str) -> None:
    with pytest.raises(AssertionError, match=message):
        getattr(contract(component), check)()


def test_one_that_cannot_be_sent_is_found() -> None:
    with pytest.raises(Exception, match="pickle"):
        contract(Unsendable).test_other_processes()
