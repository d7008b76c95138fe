"""A small run to train: specifications from the built-in registry at smoke size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from zoo.data.images import write_png
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec
from zoo.train.observer import Observer
from zoo.train.prepare import Options

MakeSpec = Callable[..., RunSpec]
MakeOptions = Callable[..., Options]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Run smoke-sized steps on one thread: as fast alone, and many times faster on a busy machine,
    where two spinning threads wait for each other.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="session")
def make_spec() -> MakeSpec:
    """Return the complete specification of a built-in recipe at smoke size."""
    book = load_book()

    def make(recipe: str, *settings: str, seed: int = 0) -> RunSpec:
        return complete(resolve(book, recipe, "smoke", seed=seed, settings=settings)).spec

    return make


@pytest.fixture(scope="session")
def small_validation(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the setting that validates on one image of 64x48; photographs take longer."""
    folder = tmp_path_factory.mktemp("small-validation")
    noise = np.random.default_rng(0).integers(0, 256, (12, 16, 3), dtype=np.uint8)
    write_png(folder / "noise.png", noise.repeat(4, 0).repeat(4, 1))
    return f"data.validation={folder}"


@pytest.fixture
def make_options(tmp_path: Path) -> MakeOptions:
    """Return options of a run on the CPU below the test's own folder."""

    def make(
        name: str = "runs", *, observer: Observer | None = None, fresh: bool = False
    ) -> Options:
        return Options(
            run_root=tmp_path / name, device="cpu", fresh=fresh, observer=observer or Observer()
        )

    return make
