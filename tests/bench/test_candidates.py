"""What can be scored: run directories, and how callables are headed."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.runs.made_up import begin_run, finish_run
from zoo.bench.api import _headed
from zoo.bench.candidates import run_candidate
from zoo.errors import DataError
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.runs.directory import RunDirectory


class Doubler:
    """Upscales, and has no name of its own."""

    def __call__(self, lr_image: Tensor) -> Tensor:
        return lr_image.repeat_interleave(2, -1).repeat_interleave(2, -2)


def enlarge(lr_image: Tensor, factor: int) -> Tensor:
    return lr_image.repeat_interleave(factor, -1).repeat_interleave(factor, -2)


def test_a_summary_without_weights_is_no_finished_run(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path / "run")
    spec = complete(resolve(load_book(), "srresnet", "smoke", seed=0)).spec
    finish_run(directory, begin_run(directory, spec))
    directory.weights.unlink()
    with pytest.raises(DataError, match="is not finished; resume it with: zoo train srresnet"):
        run_candidate(directory.path)


def test_a_folder_without_a_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a run directory"):
        run_candidate(tmp_path)


def test_every_callable_has_a_row_of_its_own() -> None:
    twice, thrice = partial(enlarge, factor=2), partial(enlarge, factor=3)
    headed = _headed([twice, Doubler(), nn.Identity(), thrice, partial(enlarge, factor=4)])
    assert list(headed) == ["enlarge", "Doubler", "Identity", "enlarge-2", "enlarge-3"]
    assert headed["enlarge-2"](torch.zeros(1, 3, 2, 2)).shape == (1, 3, 6, 6)
