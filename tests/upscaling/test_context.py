"""How far a network sees, and how much of that matters."""

from __future__ import annotations

import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from tests.upscaling.networks import Blur, Placed, Pooled, noise
from zoo.generators.bicubic import Bicubic
from zoo.generators.edsr import EDSR
from zoo.generators.rrdb import RRDBNet
from zoo.generators.srresnet import SRResNet
from zoo.upscaling.context import (
    BLOCK,
    GREY_LEVEL,
    _predicted,
    find_context,
    reach,
    telling_blocks,
)

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


@pytest.mark.parametrize("steps", [0, 1, 5, 40])
def test_each_mean_of_three_reaches_a_pixel_further(steps: int) -> None:
    assert reach(Blur(steps=steps), 2, CPU) == steps


def test_the_longer_direction_counts() -> None:
    class Tall(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            return nn.functional.avg_pool2d(image, (9, 3), stride=1, padding=(4, 1))

    assert reach(Tall(), 1, CPU) == 4


def test_reach_of_the_built_in_networks() -> None:
    """Convolutions of 3x3 add 1 each; behind an upsampling by 2 a half of it, rounded up."""
    # head, 2 a block, the trunk's last, and from the stages the outermost pixel: 1, 1/2, 1/4
    assert reach(SRResNet(width=4, num_blocks=2, kernel_size=3).eval(), 4, CPU) == 8
    assert reach(EDSR(width=4, num_blocks=2), 4, CPU) == 8
    # 15 a block, first and last at low resolution, then 1/2, 1/4, 1/4, 1/4 of a pixel
    assert reach(RRDBNet(width=4, growth=2, num_blocks=1), 4, CPU) == 19
    assert reach(Bicubic(), 4, CPU) == 2


def test_a_network_that_takes_no_strips_needs_whole_images() -> None:
    def fails(image: torch.Tensor) -> torch.Tensor:
        if min(image.shape[-2:]) < 16:
            raise RuntimeError("Kernel size can't be greater than actual input size")
        return image

    def runs_out(image: torch.Tensor) -> torch.Tensor:
        raise torch.OutOfMemoryError

    assert reach(fails, 2, CPU) is None
    with pytest.raises(torch.OutOfMemoryError):
        reach(runs_out, 2, CPU)


def test_a_failure_that_is_not_one_of_the_shape_tells_nothing() -> None:
    network, failures = Blur(steps=3), [RuntimeError("cuDNN error: CUDNN_STATUS_INTERNAL_ERROR")]

    def fails_once(image: torch.Tensor) -> torch.Tensor:
        if failures:
            raise failures.pop()
        return network(image)

    assert reach(fails_once, 2, CPU) == 3

    def fails(image: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("no kernel image is available")

    with pytest.raises(RuntimeError, match="no kernel image"):
        reach(fails, 2, CPU)


def test_a_mean_of_the_picture_reaches_everywhere() -> None:
    assert reach(Pooled(), 2, CPU) is None


def test_statistics_of_the_batch_reach_everywhere() -> None:
    generator = SRResNet(width=4, num_blocks=1).train()
    assert reach(generator, 4, CPU) is None


@pytest.mark.parametrize(("steps", "expected"), [(1, 16), (60, 32)])
def test_context_grows_with_what_matters(steps: int, expected: int) -> None:
    """After n means of three the influence is a bell of variance 2n/3: 3 sigma are enough."""
    assert find_context(Blur(steps=steps), noise(130, 130), 2, steps) == expected


def test_no_more_context_than_the_network_reaches() -> None:
    assert find_context(Blur(steps=0), noise(64, 64), 2, 0) == 0


def test_no_context_helps_a_network_that_counts_columns() -> None:
    assert reach(Placed(), 2, CPU) == 0
    assert find_context(Placed(), noise(200, 200), 2, 1) is None


def test_blocks_are_contrasted_or_bright() -> None:
    image = torch.full((1, 3, 4 * BLOCK, 4 * BLOCK), 0.2)
    image[..., BLOCK + 8 : BLOCK + 12, 2 * BLOCK + 8 : 2 * BLOCK + 12] = 0.6
    image[..., 3 * BLOCK :, :BLOCK] = 0.9
    blocks = telling_blocks(image)
    assert (BLOCK, 2 * BLOCK) in blocks
    assert (3 * BLOCK, 0) in blocks


def test_blocks_of_a_tiny_picture() -> None:
    assert telling_blocks(torch.rand(1, 3, 3, 5)) == [(0, 0)]


class Counting(nn.Module):
    """Counts the pixels it is given."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.own, self.seen, self.largest = Blur(steps=steps), 0, 0

    def forward(self, image: Tensor) -> Tensor:
        size = image.shape[-2] * image.shape[-1]
        self.seen, self.largest = self.seen + size, max(self.largest, size)
        answer: Tensor = self.own(image)
        return answer


@pytest.mark.parametrize("most", [64**2 + 96**2, 50_000, 100_000])
def test_the_search_keeps_to_its_pixels(most: int) -> None:
    network = Counting(steps=200)
    found = find_context(network, noise(200, 200), 2, 200, most)
    assert network.seen <= most
    assert found is not None
    assert 32 <= found <= 128, "3 sigma are 35 pixels"


def test_the_search_keeps_to_the_largest_window() -> None:
    network = Counting(steps=200)
    find_context(network, noise(200, 200), 2, 200, largest=96**2)
    assert network.largest == 96**2


def test_the_rest_of_a_search_is_foretold_from_how_changes_fall() -> None:
    tolerance = GREY_LEVEL / 4
    # e-fold in 8 pixels, measured at 16 and 32 of context; the tolerance is another 3 e-folds away
    assert _predicted([tolerance * math.exp(5), tolerance * math.exp(3)], 64) == 64
    assert _predicted([tolerance * math.exp(11), tolerance * math.exp(9)], 64) == 112
    assert _predicted([tolerance * 5], 32) == 64, "one change says nothing of how they fall"
    assert _predicted([tolerance, 2 * tolerance], 64) == 128
    assert _predicted([math.nan, math.nan], 64) == 128
