"""The way to run a network: the fastest, and bfloat16 only where nobody sees it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.upscaling.networks import Blur, noise
from zoo.generators.base import Generator
from zoo.upscaling import ways
from zoo.upscaling.context import GREY_LEVEL
from zoo.upscaling.tiles import TiledUpscaler
from zoo.upscaling.ways import Choice, Timings, Way, choose, is_near, window_side

DEFAULT, COARSE = Way(), Way(bfloat16=True)
MEGAPIXEL = 1_000_000


class Off(Generator):
    """Repeats pixels; in bfloat16, those of value 1 come out darker by so many levels of 255."""

    def __init__(self, levels: float) -> None:
        super().__init__(scale=2)
        self.levels = levels

    def forward(self, lr_image: Tensor) -> Tensor:
        if torch.is_autocast_enabled("cpu"):
            lr_image = lr_image - (lr_image == 1) * self.levels * GREY_LEVEL
        return F.interpolate(lr_image, scale_factor=2)


def picture(num_white: int, side: int = 64) -> Tensor:
    """Return a dark square picture with so many white pixels."""
    image = torch.full((1, 3, side, side), 0.2)
    image[..., 10, 10 : 10 + num_white] = 1
    return image


@pytest.fixture
def coarse_is_fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a machine on which bfloat16 is twice as fast."""

    def times(networks: Mapping[Way, Any], _: Tensor) -> Timings:
        return {way: [0.5 if way.bfloat16 else 1.0] * 3 for way in networks}

    monkeypatch.setattr(ways, "multiplies_bfloat16", lambda _: True)
    monkeypatch.setattr(ways, "has_cpp_compiler", lambda: False)
    monkeypatch.setattr(ways, "timed", times)


@pytest.mark.usefixtures("coarse_is_fast")
@pytest.mark.parametrize(
    ("levels", "num_white", "is_taken"),
    [
        (0.9, 40, True),  # within a level everywhere
        (1.9, 4, True),  # less than one in a thousand of the pixels around the blocks
        (1.9, 16, False),  # more than one in a thousand
        (2.1, 1, False),  # one pixel is too many
        (float("nan"), 1, False),
    ],
)
def test_bfloat16_only_where_it_is_near(*, levels: float, num_white: int, is_taken: bool) -> None:
    choice = choose(Off(levels), picture(num_white), 10 * MEGAPIXEL)
    assert choice.way == (COARSE if is_taken else DEFAULT)
    assert choice.source == "measured"
    assert ("not bfloat16" in choice.reason) is not is_taken


@pytest.mark.usefixtures("coarse_is_fast")
def test_each_picture_is_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "zoo")
    upscaler = TiledUpscaler(Off(3), bfloat16=None)
    upscaler.num_left = 10_000
    pictures = (picture(0, 300), picture(5, 300), picture(0, 300), picture(0, 280))
    used = [upscaler.upscale(each, lambda *_: None).way.bfloat16 for each in pictures]
    assert used == [True, False, True, False], "the last is too small to be compared"
    assert caplog.text.count("upscaling in channels_last, bfloat16, eager") == 1
    assert "up to 3.00/255" in caplog.text


def test_a_picture_within_both_limits_is_near() -> None:
    assert is_near(0.999, 2 * GREY_LEVEL)
    assert not is_near(0.9989, GREY_LEVEL)
    assert not is_near(1.0, 2.01 * GREY_LEVEL)


def test_a_cpu_without_units_is_not_given_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    known = {"avx2": True, "avx512_bf16": False}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known)
    cpu = torch.device("cpu")
    assert ways.candidates(cpu) == [Way(), Way(channels_last=False)]
    known["avx512_bf16"] = True
    assert COARSE in ways.candidates(cpu)


@pytest.mark.parametrize("num_ways", [2, 4])
@pytest.mark.parametrize("megapixels", [0.5, 1.5, 4, 100])
def test_little_of_the_work_is_measuring(megapixels: float, num_ways: int) -> None:
    side = window_side(int(megapixels * MEGAPIXEL), num_ways)
    windows = num_ways * (1 + ways.ROUNDS)
    assert side**2 * windows <= ways.SHARE * megapixels * MEGAPIXEL
    assert side <= ways.MAX_SIDE


def test_what_takes_no_time_is_not_measured() -> None:
    choice = choose(Blur(), noise(64, 64), 64 * 64)
    assert (choice.way, choice.source) == (DEFAULT, "default")


def test_nothing_is_measured_unless_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("zoo.upscaling.tiles.choose")
    for wish in (True, False):
        upscaler = TiledUpscaler(Blur(), bfloat16=wish)
        upscaler.num_left = 10_000
        assert upscaler.upscale(noise(64, 64), lambda *_: None).way == Way(bfloat16=wish)
        assert upscaler.choice.source == "set by user"


@torch.inference_mode()
def test_every_way_upscales_alike_and_is_timed() -> None:
    torch.manual_seed(0)
    network = nn.Conv2d(3, 3, 3, padding=1)
    networks = {way: way.place(network) for way in (DEFAULT, Way(channels_last=False), COARSE)}
    window = noise(20, 20)
    timings = ways.timed(networks, window)
    assert all(len(times) == ways.ROUNDS and min(times) > 0 for times in timings.values())
    exact = ways.run(networks[DEFAULT], window, bfloat16=False)
    nchw = ways.run(networks[Way(channels_last=False)], window, bfloat16=False)
    torch.testing.assert_close(nchw, exact)
    assert networks[DEFAULT].weight.is_contiguous(memory_format=torch.channels_last)
    assert 0 < float((ways.run(networks[COARSE], window, bfloat16=True) - exact).abs().max()) < 0.1


@pytest.mark.parametrize("fails", [False, True])
def test_compilation_is_tried_where_there_are_hours_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, *, fails: bool
) -> None:
    def times(networks: Mapping[Way, Any], _: Tensor) -> Timings:
        if fails and any(way.compile for way in networks):
            raise RuntimeError("no compiler\nat all")
        return {way: [0.5 if way.compile else 1.0] * 3 for way in networks}

    monkeypatch.setattr(nn.Module, "compile", lambda _: None)
    monkeypatch.setattr(ways, "timed", times)
    monkeypatch.setattr(ways, "has_cpp_compiler", lambda: True)
    monkeypatch.setattr(ways, "multiplies_bfloat16", lambda _: False)
    hours = int(2 * ways.MIN_SECONDS_TO_COMPILE * 64 * 64)
    assert choose(Blur(), noise(64, 64), hours // 4).way == DEFAULT
    choice = choose(Blur(), noise(64, 64), hours)
    assert choice.way == (DEFAULT if fails else Way(compile=True))
    assert ("torch.compile failed; continuing without it: no compiler" in caplog.text) is fails


@pytest.mark.slow
@pytest.mark.skipif(not ways.has_cpp_compiler(), reason="torch.compile needs a C++ compiler")
@torch.inference_mode()
def test_a_compiled_network_upscales_alike() -> None:
    network, window = nn.Conv2d(3, 3, 3, padding=1), noise(20, 30)
    answer = ways.run(Way(compile=True).place(network), window, bfloat16=False)
    torch.testing.assert_close(answer, network(window), rtol=1e-4, atol=1e-5)
    torch.compiler.reset()


def test_a_choice_is_told_in_words_and_as_data() -> None:
    choice = Choice(DEFAULT, "measured", "the default", {str(DEFAULT): 12.34})
    assert choice.describe() == (
        "channels_last, float32, eager (the default); seconds per megapixel of input: "
        "channels_last, float32, eager 12.3"
    )
    assert choice.document()["way"] == "channels_last, float32, eager"
