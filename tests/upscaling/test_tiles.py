"""Tiles leave no seam, whole pictures stay whole, and memory that runs out is survived."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from tests.upscaling.networks import Blur, Greedy, Placed, Pooled, noise
from zoo.errors import MachineError, RecipeError, WeightsError
from zoo.generators.base import Generator
from zoo.generators.bicubic import Bicubic
from zoo.generators.edsr import EDSR
from zoo.generators.rrdb import RRDBNet
from zoo.generators.srresnet import SRResNet
from zoo.upscaling import memory, tiles
from zoo.upscaling.context import GREY_LEVEL
from zoo.upscaling.tiles import TiledUpscaler
from zoo.upscaling.ways import Tiling

OUT_OF_MEMORY = RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9")


def run(upscaler: TiledUpscaler, image: Tensor) -> tuple[Tensor, Tiling, Tensor]:
    """Return the picture, how it was made, and how often each pixel was written."""
    size = [side * upscaler.scale for side in image.shape[-2:]]
    result, count = torch.full((3, *size), torch.nan), torch.zeros(size)

    def write(piece: Tensor, top: int, left: int) -> None:
        place = (slice(top, top + piece.shape[2]), slice(left, left + piece.shape[3]))
        result[:, *place] = piece[0].clamp(0, 1)
        count[place] += 1

    return result, upscaler.upscale(image, write), count


def averaging(generator: Generator) -> Generator:
    """Give convolutions positive weights of sum 1, so that what is far away is not lost."""
    random = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for layer in generator.modules():
            if isinstance(layer, nn.Conv2d):
                layer.weight.copy_(torch.rand(layer.weight.shape, generator=random) + 0.2)
                layer.weight.div_(layer.weight.sum(dim=(1, 2, 3), keepdim=True))
        last = [layer for layer in generator.modules() if isinstance(layer, nn.Conv2d)][-1]
        last.weight.div_(generator.eval()(torch.full((1, 3, 48, 48), 0.5)).max())
    return generator


def trained_norm() -> Generator:
    """Return an SRResNet whose batch norm has statistics that are not those of no training."""
    generator = averaging(SRResNet(width=4, num_blocks=4, scale=2))
    for layer in generator.modules():
        if isinstance(layer, nn.BatchNorm2d):
            torch.nn.init.uniform_(layer.running_var, 0.5, 2)
            torch.nn.init.normal_(layer.running_mean, 0, 0.1)
    return generator


NETWORKS: dict[str, Callable[[], Generator]] = {
    "bicubic": lambda: Bicubic(scale=2),
    "blur": lambda: Blur(steps=20),
    "edsr": lambda: averaging(EDSR(width=4, num_blocks=10, residual_scaling=1.0, scale=2)),
    "rrdb": lambda: averaging(RRDBNet(width=4, growth=2, num_blocks=2, scale=2)),
    "srresnet with batch norm": trained_norm,
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_seam_is_below_one_level(name: str) -> None:
    torch.manual_seed(0)
    generator, image = NETWORKS[name](), noise(101, 150)
    whole, untiled, _ = run(TiledUpscaler(generator, tile=0), image)
    cut, tiling, count = run(TiledUpscaler(generator, tile=64), image)
    assert untiled.num_tiles == 1
    assert tiling.num_tiles > 4
    assert tiling.side <= 64
    assert whole.std() > 0.05, "the network makes a picture"
    assert float((whole - cut).abs().max()) < GREY_LEVEL
    assert (count == 1).all(), "each pixel comes from one tile"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [(97, 300), (333, 211)])
@pytest.mark.parametrize("name", NETWORKS)
def test_the_seam_is_below_one_level_at_every_size(
    name: str, size: tuple[int, int], seed: int
) -> None:
    torch.manual_seed(seed)
    generator, image = NETWORKS[name](), noise(*size, seed)
    whole, _, _ = run(TiledUpscaler(generator, tile=0), image)
    for tile in (64, 70, 129):
        cut, _, _ = run(TiledUpscaler(generator, tile=tile), image)
        assert float((whole - cut).abs().max()) < GREY_LEVEL


def test_too_little_context_is_seen_at_the_seams_and_mended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where the blocks that were tried say too little, the picture is done again with more."""
    generator, image = Blur(steps=60), noise(70, 176)
    first = iter([16])
    found = tiles.find_context
    monkeypatch.setattr(tiles, "find_context", lambda *given: next(first, None) or found(*given))
    whole, _, _ = run(TiledUpscaler(generator, tile=0), image)
    cut, tiling, count = run(TiledUpscaler(generator, tile=96), image)
    assert tiling.context >= 32
    assert int(count.max()) == 2
    assert float((whole - cut).abs().max()) < GREY_LEVEL


def test_a_seam_that_shows_ends_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiles after it would be made twice."""
    generator, image, heard = Blur(steps=60), noise(70, 400), []
    first = iter([2])
    found = tiles.find_context
    monkeypatch.setattr(tiles, "find_context", lambda *given: next(first, None) or found(*given))
    upscaler = TiledUpscaler(generator, tile=96)
    upscaler.upscale(image, lambda *_: None, lambda done, total: heard.append((done, total)))
    again = heard.index((1, heard[-1][1]), 1)
    assert heard[again - 1][0] < heard[again - 1][1]
    assert heard[-1][0] == heard[-1][1]


@pytest.mark.parametrize(
    ("generator", "why"), [(Pooled(), "the whole image"), (Placed(), "coordinates of that")]
)
def test_what_needs_the_whole_picture_gets_it_and_says_so(
    generator: Generator, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    image = noise(80, 200)
    whole, tiling, _ = run(TiledUpscaler(generator, tile=96), image)
    assert tiling.num_tiles == 1
    assert torch.equal(whole, generator(image)[0].clamp(0, 1))
    assert why in caplog.text


def test_the_whole_picture_in_want_of_memory(caplog: pytest.LogCaptureFixture) -> None:
    class Both(Greedy):
        def forward(self, lr_image: Tensor) -> Tensor:
            return super().forward(lr_image) - lr_image.mean()

    image = noise(170, 200)
    generator = Both(most=170 * 180, error=OUT_OF_MEMORY)
    _, tiling, _ = run(TiledUpscaler(generator, tile=192), image)
    assert tiling.num_tiles > 1
    assert tiling.seam > 0
    assert f"{tiling.seam / GREY_LEVEL:.2f}/255" in caplog.text


@pytest.mark.parametrize(
    "error", [OUT_OF_MEMORY, MemoryError(), torch.OutOfMemoryError("CUDA out of memory")]
)
def test_tiles_are_halved_until_they_fit(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    image = noise(150, 200)
    expected, _, _ = run(TiledUpscaler(Blur(steps=1), tile=0), image)
    upscaler = TiledUpscaler(Greedy(most=80 * 80, error=error))
    result, tiling, _ = run(upscaler, image)
    assert torch.equal(result, expected)
    assert tiling.side <= 80
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [message.split(";")[1] for message in said] == [
        " continuing with tiles of 112",
        " continuing with tiles of 64",
    ]
    caplog.clear()
    run(upscaler, image)
    assert "memory" not in caplog.text, "what was learnt is kept for the next picture"


@pytest.mark.slow
def test_less_memory_than_the_smallest_tile_needs_is_an_error() -> None:
    with pytest.raises(MachineError, match="not enough memory"):
        run(TiledUpscaler(Greedy(most=10, error=OUT_OF_MEMORY)), noise(70, 90))


def test_no_tiles_means_no_tiles() -> None:
    with pytest.raises(MachineError, match="without --tile 0"):
        run(TiledUpscaler(Greedy(most=100, error=OUT_OF_MEMORY), tile=0), noise(70, 90))


def test_another_error_is_not_taken_for_one_of_memory() -> None:
    with pytest.raises(RuntimeError, match="a bug"):
        run(TiledUpscaler(Greedy(most=10, error=RuntimeError("a bug"))), noise(70, 90))


def test_tiles_follow_the_memory_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "bytes_per_pixel", lambda *_: 1000.0)
    monkeypatch.setattr(memory, "room_for_a_tile", lambda _: [100 * 100 * 1000])
    assert 100 * 100 * memory.MOST_BYTES_PER_PIXEL > 100 * 100 * 1000, "it is measured"
    _, small, _ = run(TiledUpscaler(Blur()), noise(100, 100))
    _, large, _ = run(TiledUpscaler(Blur()), noise(100, 101))
    assert (small.num_tiles, large.num_tiles) == (1, 2)


@pytest.mark.parametrize(
    ("steps", "side", "is_whole"), [(120, 400, True), (120, 390, False), (4, 400, False)]
)
def test_what_sees_far_is_upscaled_whole_where_it_fits(
    monkeypatch: pytest.MonkeyPatch, *, steps: int, side: int, is_whole: bool
) -> None:
    """Small tiles would save memory and compute much twice; the search for context takes long."""
    searched = []

    def find(*_: object) -> int:
        searched.append(True)
        return 16

    monkeypatch.setattr(memory, "bytes_per_pixel", lambda *_: 1000.0)
    monkeypatch.setattr(memory, "room_for_a_tile", lambda _: [400 * 240 * 1000, side**2 * 1000])
    monkeypatch.setattr(tiles, "find_context", find)
    _, tiling, _ = run(TiledUpscaler(Blur(steps=steps)), noise(400, 400))
    assert (tiling.num_tiles == 1, not searched) == (is_whole, is_whole)


def test_a_tile_that_is_all_context_is_refused() -> None:
    with pytest.raises(RecipeError, match="use at least 64"):
        run(TiledUpscaler(Blur(), tile=40), noise(100, 100))
    with pytest.raises(RecipeError, match="not -1"):
        TiledUpscaler(Blur(), tile=-1)


def test_damaged_weights_are_an_error() -> None:
    generator = SRResNet(width=4, num_blocks=1)
    torch.nn.init.constant_(generator.tail.weight, torch.nan)
    with pytest.raises(WeightsError, match="not finite"):
        run(TiledUpscaler(generator), noise(8, 8))


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    result, _, _ = run(TiledUpscaler(SRResNet(width=4, num_blocks=1)), noise(*size))
    assert result.shape == (3, 4 * size[0], 4 * size[1])
    assert bool(torch.isfinite(result).all())


def test_bfloat16_is_near() -> None:
    generator, image = EDSR(width=4, num_blocks=2, interpolation_skip=True), noise(40, 90)
    exact, _, _ = run(TiledUpscaler(generator), image)
    coarse, _, _ = run(TiledUpscaler(generator, tile=64, bfloat16=True), image)
    assert 0 < float((exact - coarse).abs().max()) < 0.05


LIMITED = """
import resource, sys, logging
import torch
from tests.upscaling.networks import noise
from zoo.generators.srresnet import SRResNet
from zoo.upscaling import tiles
logging.basicConfig(format="%(message)s")
torch.set_num_threads(1)
upscaler = tiles.TiledUpscaler(SRResNet(width=32, num_blocks=1))
upscaler.upscale(noise(8, 8), lambda *_: None)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (400 << 20),) * 2)
print(upscaler.upscale(noise(400, 400), lambda *_: None).num_tiles)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits the address space of a process")
def test_memory_that_really_runs_out() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) > 1
    assert "not enough memory" in done.stderr
