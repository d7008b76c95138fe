"""Pictures, and files of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as PillowImage

from zoo.upscaling.pictures import Pixels


@pytest.fixture
def colours() -> Pixels:
    """Return an uint8 RGB picture of 12 rows and 16 columns without symmetry."""
    rows, columns = np.mgrid[0:12, 0:16]
    planes = [15 * columns, 20 * rows, 5 * (rows + columns)]
    return np.stack(planes, axis=2).astype(np.uint8)


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Save an array or Pillow image under a name; return the path."""

    def write(name: str, image: PillowImage.Image | Pixels, **options: object) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        picture = image if isinstance(image, PillowImage.Image) else PillowImage.fromarray(image)
        picture.save(path, **options)
        return path

    return write
