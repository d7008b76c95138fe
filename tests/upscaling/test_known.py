"""The context that a network needs is looked for once for each file of weights."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.upscaling.networks import Blur, Pooled, noise
from zoo.generators.srresnet import SRResNet
from zoo.models.details import Details
from zoo.models.file import read_model, write_model
from zoo.models.model import Model
from zoo.upscaling import api, known, tiles
from zoo.upscaling.known import KeptContext, Known, measured
from zoo.upscaling.tiles import TiledUpscaler

IMAGE = noise(101, 150)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Keep what is found in a folder of the test's own."""
    monkeypatch.setattr(known, "cache_dir", lambda: tmp_path / "cache")
    api._kept.clear()
    yield tmp_path / "cache" / "contexts"
    api._kept.clear()


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which every measurement adds its name."""
    done: list[str] = []
    for name in ("reach", "find_context"):
        original = getattr(tiles, name)

        def counted(*given: object, name: str = name, original: object = original) -> object:
            done.append(name)
            return original(*given)  # type: ignore[operator]

        monkeypatch.setattr(tiles, name, counted)
    return done


@pytest.fixture
def file(tmp_path: Path) -> Path:
    generator = SRResNet(scale=2, width=4, num_blocks=1)
    details = Details(
        name="small",
        generator={"name": "srresnet", "width": 4, "num_blocks": 1},
        scale=2,
        origin="imported",
    )
    write_model(tmp_path / "small.safetensors", Model(details, generator.state_dict()))
    return tmp_path / "small.safetensors"


def upscaled(path: Path) -> torch.Tensor:
    api._kept.clear()  # as in another process
    result: torch.Tensor = api.upscale(IMAGE, model=path, tile=64, device="cpu")
    return result


def test_a_second_process_does_not_look_again(file: Path, cache: Path, searches: list[str]) -> None:
    first = upscaled(file)
    assert searches == ["reach", "find_context"]
    (kept,) = cache.glob("*.json")
    assert json.loads(kept.read_text())["context"] % 16 == 0
    assert torch.equal(upscaled(file), first)
    assert searches == ["reach", "find_context"]
    model = read_model(file)
    changed = {name: value + 1e-3 for name, value in model.tensors.items()}
    write_model(file, replace(model, tensors=changed))
    upscaled(file)
    assert len(searches) == 4, "other weights are another network"


def test_a_damaged_file_is_measured_again(
    file: Path, cache: Path, searches: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    upscaled(file)
    (kept,) = cache.glob("*.json")
    kept.write_text('{"context": 0, "receptive_field": 0}')
    with caplog.at_level(logging.WARNING):
        upscaled(file)
    assert "is damaged" in caplog.text
    assert len(searches) == 4


def test_what_the_model_file_says_is_used(file: Path, searches: list[str]) -> None:
    model = read_model(file)
    found = measured(model.build())
    assert found is not None
    source = model.details.source | found.texts()
    write_model(file, replace(model, details=model.details.model_copy(update={"source": source})))
    upscaled(file)
    assert searches == []


def test_too_little_context_is_widened_and_kept(tmp_path: Path) -> None:
    """What is known is of another image: a seam shows, and what it needs is kept."""
    kept = KeptContext(tmp_path / "x.json", told=Known(reach=40, context=0))
    upscaler = TiledUpscaler(Blur(steps=20), tile=96, kept=kept)
    tiling = upscaler.upscale(IMAGE, lambda *_: None)
    assert tiling.seam <= tiles.SEAM_TOLERANCE
    assert kept.read() == Known(reach=40, context=tiling.context)


def test_what_a_small_image_cannot_show_is_not_kept(tmp_path: Path) -> None:
    """Both blocks that are compared are cut at the border of the image."""
    kept = KeptContext(tmp_path / "x.json")
    upscaler = TiledUpscaler(Blur(steps=100), tile=40, kept=kept)
    upscaler._needed_context(noise(64, 64))
    assert kept.read() is None
    TiledUpscaler(Blur(steps=100), tile=40, kept=kept)._needed_context(noise(600, 600))
    assert kept.read() is not None
    assert measured(Blur(steps=100)) is None


@pytest.mark.parametrize("found", [Known(None, None), Known(33, 32), Known(33, None)])
def test_texts_say_the_same(found: Known) -> None:
    assert Known.of_texts(found.texts()) == found
    assert Known.of_texts({}) is None
    assert Known.of_texts({"receptive_field": "x", "context": "3"}) is None


def test_a_network_that_needs_the_whole_image_or_too_long_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert measured(Pooled()) == Known(None, None)
    monkeypatch.setattr(known, "_SLOW", 0.0)
    assert measured(Blur(steps=1)) is None


class Failing(Blur):
    """Fails for a while, as a busy or broken device does."""

    failures = 0

    def forward(self, lr_image: torch.Tensor) -> torch.Tensor:
        if self.failures:
            self.failures -= 1
            raise RuntimeError("CUDNN_STATUS_EXECUTION_FAILED")
        return super().forward(lr_image)


def test_what_could_not_be_measured_is_not_kept(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    kept, network = KeptContext(tmp_path / "x.json"), Failing(steps=4)
    upscaler = TiledUpscaler(network, tile=64, kept=kept)
    network.failures = 2
    tiling = upscaler.upscale(IMAGE, lambda *_: None)
    assert tiling.num_tiles == 1
    assert "could not measure how far the network sees, so it gets whole images: CUDNN" in (
        caplog.text
    )
    assert kept.read() is None
    TiledUpscaler(network, tile=64, kept=kept).upscale(IMAGE, lambda *_: None)
    assert kept.read() == Known(reach=4, context=16)
