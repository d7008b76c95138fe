"""A small suite, and runs at smoke size to score on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data.images import read_image, write_png
from zoo.data.sources import open_source


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Compute small things on one thread: two that wait for each other are slower."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with `Colour` (2 images) and `Grey` (1): 64x64 pixels of photographs."""
    root = tmp_path_factory.mktemp("data")
    for index, path in enumerate(open_source("samples").validation_paths[:2]):
        folder = root / "Colour" / "HR"
        folder.mkdir(parents=True, exist_ok=True)
        write_png(folder / f"{index}.png", np.ascontiguousarray(read_image(path)[96:160, 96:160]))
    (root / "Grey" / "HR").mkdir(parents=True)
    grey = read_image(open_source("samples").validation_paths[2])[:64, :64, 1]
    write_png(root / "Grey" / "HR" / "0.png", np.ascontiguousarray(grey))
    return root


@pytest.fixture(scope="session")
def tiny_suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a suite file of the two small datasets and four quick metrics."""
    path = tmp_path_factory.mktemp("suite") / "tiny.yaml"
    path.write_text(
        "version: 1\nsummary: small\nscale: 4\ndatasets: [Colour, Grey]\n"
        "gallery: [{dataset: Colour, image: '0', crop: [0, 0, 32, 32]}]\n"
        "metrics: [psnr-y, ssim-y, lr-psnr, haarpsi]\n"
    )
    return path
