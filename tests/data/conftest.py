"""Small synthetic photographs for the tests of `zoo.data`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zoo.data.images import write_png

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def make_images(tmp_path: Path) -> MakeImages:
    """Return a function that writes images of given sizes with distinct random pixels."""

    def make(*sizes: tuple[int, ...], folder: str = "photos", seed: int = 0) -> list[Path]:
        rng = np.random.default_rng(seed)
        paths = []
        for number, size in enumerate(sizes):
            path = tmp_path / folder / f"{number:03d}.png"
            write_png(path, rng.integers(0, 256, size, dtype=np.uint8))
            paths.append(path)
        return paths

    return make
