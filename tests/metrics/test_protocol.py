from __future__ import annotations

import pytest
import torch

from zoo.errors import ShapeError
from zoo.metrics.protocol import PROTOCOL_VERSION, crop_border, quantize, to_luma


def rgb(*values: int) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.uint8).reshape(3, 1, 1)


def test_the_version_changes_only_with_the_rules() -> None:
    assert PROTOCOL_VERSION == 1


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_quantize_keeps_all_levels(dtype: torch.dtype) -> None:
    levels = torch.arange(256)
    assert torch.equal(quantize(levels.to(dtype) / 255), levels.to(torch.uint8))


@pytest.mark.parametrize(
    ("value", "level"), [(-0.5, 0), (1.5, 255), (0.5 / 255, 1), (1.5 / 255, 2), (2.4 / 255, 2)]
)
def test_quantize_clips_and_rounds_halves_up(value: float, level: int) -> None:
    assert quantize(torch.tensor([value])).item() == level


@pytest.mark.parametrize(
    ("colour", "luma"),
    [
        ((0, 0, 0), 16),
        ((255, 255, 255), 235),
        ((255, 0, 0), 81),  # 16 + 65.481
        ((0, 255, 0), 145),  # 16 + 128.553
        ((0, 0, 255), 41),  # 16 + 24.966
    ],
)
def test_luma_of_the_primaries(colour: tuple[int, int, int], luma: int) -> None:
    result = to_luma(rgb(*colour))
    assert result.dtype == torch.uint8
    assert result.shape == (1, 1, 1)
    assert result.item() == luma


def test_a_single_channel_is_luma_already() -> None:
    image = torch.arange(4, dtype=torch.uint8).reshape(1, 2, 2)
    assert torch.equal(to_luma(image), image)


def test_luma_takes_batches_and_refuses_other_channels() -> None:
    assert to_luma(torch.zeros(2, 3, 4, 5, dtype=torch.uint8)).shape == (2, 1, 4, 5)
    with pytest.raises(ShapeError, match="3 channels"):
        to_luma(torch.zeros(2, 4, 4, dtype=torch.uint8))


def test_crop_border() -> None:
    image = torch.arange(48).reshape(1, 6, 8)
    assert torch.equal(crop_border(image, 2), image[:, 2:4, 2:6])
    assert torch.equal(crop_border(image, 0), image)
    with pytest.raises(ShapeError, match="leaves none"):
        crop_border(image, 3)
