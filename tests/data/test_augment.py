from __future__ import annotations

import itertools

import numpy as np
import pytest

from zoo.data.augment import copy_image, dihedral
from zoo.data.resize import downscale

IMAGE = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)


def test_the_eight_symmetries_are_distinct() -> None:
    seen = set()
    for flip, turns in itertools.product([False, True], range(4)):
        turned = dihedral(IMAGE, flip=flip, quarter_turns=turns)
        assert turned.shape == ((2, 4, 3) if turns % 2 == 0 else (4, 2, 3))
        seen.add((turned.shape, turned.tobytes()))
    assert len(seen) == 8


def test_flip_comes_first_and_turns_are_counter_clockwise() -> None:
    corner = np.zeros((4, 4), dtype=np.uint8)
    corner[0, 0] = 1
    assert dihedral(corner, flip=False, quarter_turns=1)[3, 0] == 1
    assert dihedral(corner, flip=True, quarter_turns=1)[0, 0] == 1
    assert np.array_equal(dihedral(corner, flip=False, quarter_turns=4), corner)


@pytest.mark.parametrize(("flip", "turns"), [*itertools.product([False, True], range(4))])
def test_turning_commutes_with_shrinking(flip: bool, turns: int) -> None:  # noqa: FBT001
    # True up to the rounding between the passes, whose order turning exchanges.
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    first = downscale(dihedral(image, flip=flip, quarter_turns=turns), 4).astype(int)
    last = dihedral(downscale(image, 4), flip=flip, quarter_turns=turns).astype(int)
    assert np.abs(first - last).max() <= 1


@pytest.mark.parametrize(("flip", "turns"), [*itertools.product([False, True], range(4))])
def test_a_copy_has_the_pixels_of_the_view(flip: bool, turns: int) -> None:  # noqa: FBT001
    large = np.random.default_rng(0).integers(0, 256, (9, 11, 3), dtype=np.uint8)
    view = dihedral(large[1:6, 2:9], flip=flip, quarter_turns=turns)
    target = np.zeros(view.shape, dtype=np.uint8)
    copy_image(view, target)
    assert np.array_equal(target, view)
