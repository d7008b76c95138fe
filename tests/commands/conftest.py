"""Fixtures of the command tests: run a command in this process, and leave no plugin behind."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from zoo.commands.app import app
from zoo.registry import REGISTRIES

Zoo = Callable[..., Result]

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
