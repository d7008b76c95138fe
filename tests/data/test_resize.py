from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zoo.data.images import read_image
from zoo.data.resize import crop_to_multiple, cubic, downscale, taps, upscale
from zoo.errors import ShapeError

SET5 = [f"Set5/{number:03d}" for number in range(1, 6)]
SET14 = [f"Set14/{number:03d}" for number in range(1, 15)]


@pytest.mark.parametrize("image", [*SET5, *SET14])
def test_low_resolution_equals_matlab(shared_data: Path, image: str) -> None:
    dataset, name = image.split("/")
    high = read_image(shared_data / dataset / "HR" / f"{name}.png")
    matlab = read_image(shared_data / dataset / "LR_bicubic" / "X4" / f"{name}.png")
    ours = downscale(crop_to_multiple(high, 4), 4)
    assert ours.shape == matlab.shape
    assert np.count_nonzero(ours != matlab) == 0


def test_a_single_channel_image_stays_one(shared_data: Path) -> None:
    grey = read_image(shared_data / "Set14" / "HR" / "003.png")
    assert grey.ndim == 2
    assert downscale(crop_to_multiple(grey, 4), 4).ndim == 2


@pytest.mark.parametrize(
    ("distance", "weight"), [(0, 1), (0.5, 0.5625), (1, 0), (1.5, -0.0625), (2, 0), (3, 0)]
)
def test_kernel_is_keys_with_a_minus_half(distance: float, weight: float) -> None:
    assert cubic(np.array([distance, -distance])).tolist() == [weight, weight]


def test_enlarging_by_two_uses_the_known_weights() -> None:
    indices, weights = taps(size=8, new_size=16)
    # Output pixel 4 lies at 1.75: distances 1.75, 0.75, 0.25, 1.25 from pixels 0, 1, 2, 3.
    used = {i: w for i, w in zip(indices[4], weights[4], strict=True) if w}
    assert used == {0: -0.0234375, 1: 0.2265625, 2: 0.8671875, 3: -0.0703125}


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 8])
def test_weights_sum_to_one_and_taps_stay_inside(scale: int) -> None:
    for size, new_size in [(48, 48 // scale), (48, 48 * scale)]:
        indices, weights = taps(size, new_size)
        assert indices.min() >= 0
        assert indices.max() < size
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
@pytest.mark.parametrize("shape", [(12, 24), (12, 24, 3), (12, 24, 1)])
def test_constants_are_preserved(value: int, shape: tuple[int, ...]) -> None:
    image = np.full(shape, value, dtype=np.uint8)
    small = downscale(image, 4)
    assert small.shape == (3, 6, *shape[2:])
    assert np.all(small == value)
    assert np.array_equal(upscale(small, 4), image)


def test_factor_one_is_the_identity() -> None:
    image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
    assert np.array_equal(downscale(image, 1), image)


def test_the_uint8_rounding_between_the_passes_is_there() -> None:
    # The path of most reimplementations: no rounding until the end. One pixel in ten differs.
    image = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    rows, columns = taps(64, 16), taps(64, 16)
    high = np.einsum("ot,otw->ow", rows[1], image[rows[0]].astype(float))
    float_path = np.einsum("ot,hot->ho", columns[1], high[:, columns[0]])
    float_path = np.clip(np.floor(float_path + 0.5), 0, 255)
    share = np.mean(downscale(image, 4) != float_path)
    assert 0.02 < share < 0.3


@pytest.mark.parametrize(
    ("image", "scale"),
    [
        (np.zeros((9, 8), np.uint8), 4),
        (np.zeros((8, 9, 3), np.uint8), 4),
        (np.zeros((8, 8), np.float32), 4),
        (np.zeros((8, 8), np.uint8), 0),
        (np.zeros((0, 8), np.uint8), 2),
        (np.zeros(8, np.uint8), 2),
    ],
)
def test_what_cannot_be_shrunk_is_refused(image: np.ndarray, scale: int) -> None:
    with pytest.raises(ShapeError):
        downscale(image, scale)


def test_crop_to_multiple_cuts_bottom_and_right() -> None:
    image = np.arange(11 * 10, dtype=np.uint8).reshape(11, 10)
    assert np.array_equal(crop_to_multiple(image, 4), image[:8, :8])
    with pytest.raises(ShapeError, match="smaller than the scale"):
        crop_to_multiple(image, 11)
