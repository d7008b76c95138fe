"""Fixtures of the command tests: run a command in this process, and leave no plugin behind."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from zoo.commands.app import app
from zoo.registry import REGISTRIES

Zoo = Callable[..., Result]
Bench = Callable[..., Result]
SUITE = "version: 1\nsummary: small\nscale: 4\ndatasets: [Tiny]\nmetrics: [psnr-y, ssim-y, lpips]\n"

PLUGIN = '''
from torch import Tensor, nn

from zoo.generators.base import Generator
from zoo.registry import register_generator


@register_generator("plugged-net")
class PluggedNet(Generator):
    """One convolution and a pixel shuffle."""

    def __init__(self, *, scale: int = 4, width: int = 4) -> None:
        super().__init__(scale=scale)
        self.body = nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1),
            nn.Conv2d(width, 3 * scale**2, 3, padding=1),
            nn.PixelShuffle(scale),
        )

    def forward(self, lr_image: Tensor) -> Tensor:
        """Upscale."""
        return self.body(lr_image)
'''


@pytest.fixture
def zoo(monkeypatch: pytest.MonkeyPatch) -> Iterator[Zoo]:
    """Run `zoo ARGUMENTS...`; an exception that is a bug is raised in the test."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    snapshots = {folder: registry.snapshot() for folder, registry in REGISTRIES.items()}

    def run(*arguments: str | Path) -> Result:
        return CliRunner().invoke(
            app, [str(argument) for argument in arguments], catch_exceptions=False
        )

    yield run
    for folder, registry in REGISTRIES.items():
        registry.restore(snapshots[folder])


@pytest.fixture
def plugin_file(tmp_path: Path) -> Path:
    """Return a plugin file that registers the generator `plugged-net`."""
    path = tmp_path / "plugged.py"
    path.write_text(PLUGIN)
    return path


@pytest.fixture
def registry_file(tmp_path: Path) -> Callable[[str], Path]:
    """Write a registry file from its text below `version: 1`."""

    def write(text: str) -> Path:
        path = tmp_path / "mine.yaml"
        path.write_text(f"version: 1\n{text}")
        return path

    return write


@pytest.fixture(scope="session")
def data_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data root with one dataset of three small images."""
    from zoo.data.images import read_image, write_png
    from zoo.data.sources import open_source

    root = tmp_path_factory.mktemp("data")
    folder = root / "Tiny" / "HR"
    folder.mkdir(parents=True)
    for index, path in enumerate(open_source("samples").validation_paths):
        write_png(folder / f"{index}.png", np.ascontiguousarray(read_image(path)[:48, :64]))
    return root


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run root with `srresnet` under two seeds and `srresnet-nobn` under one."""
    import torch

    from zoo.recipes.book import load_book
    from zoo.recipes.checks import complete
    from zoo.recipes.resolve import resolve
    from zoo.train.prepare import Options
    from zoo.train.run import train

    root, book = tmp_path_factory.mktemp("trained") / "runs", load_book()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for recipe, seed in (("srresnet", 0), ("srresnet", 1), ("srresnet-nobn", 0)):
        spec = complete(resolve(book, recipe, "smoke", seed=seed)).spec
        train(spec, Options(run_root=root, device="cpu"))
    torch.set_num_threads(before)
    return root


@pytest.fixture
def run_root(trained: Path, tmp_path: Path) -> Path:
    """Return a copy of the trained runs, free to be damaged."""
    return Path(shutil.copytree(trained, tmp_path / "runs"))


@pytest.fixture
def bench(zoo: Zoo, data_root: Path, run_root: Path, tmp_path: Path) -> Bench:
    """Run `zoo bench ARGUMENTS...` at smoke size on the three small images."""
    suite = tmp_path / "tiny.yaml"
    suite.write_text(SUITE)

    def run(*arguments: str | Path) -> Result:
        options = ("--suite", suite, "--data-root", data_root, "--run-root", run_root)
        return zoo("bench", *arguments, "-p", "smoke", "--device", "cpu", *options)

    return run
