"""A small run to train: specifications from the built-in registry at smoke size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

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
