"""LPIPS and DISTS against the packages of their authors, and against what is published.

Made-up weights always: they prove the path. The published weights where they are (`real_weights`):
they give the numbers that papers print.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from torch import Tensor

from tests.features.made_up import random_parameters, random_trunk
from tests.metrics.references import Distance, lpips_class, reference_dists, reference_lpips
from zoo.data.images import read_image, to_rgb
from zoo.data.resize import crop_to_multiple, downscale, upscale
from zoo.generators.bicubic import Bicubic
from zoo.registry import METRICS
from zoo.weights import store

Pixels = np.ndarray
SCALE = 4
AGREEMENT = 1e-5
"""Largest difference to a reference implementation: both compute in float32."""
TRUNKS = {"lpips": "vgg16", "lpips-alex": "alexnet", "dists": "vgg16"}
"""The trunk of each learned metric."""
NAMES = sorted(TRUNKS)


def group(tensors: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    return {name: value for name, value in tensors.items() if name.startswith(f"{network}.")}


@cache
def made_up_reference(name: str) -> Distance:
    """Return the reference of a metric on the made-up weights."""
    network = TRUNKS[name]
    if name == "dists":
        return reference_dists(random_trunk(network), random_parameters("dists"))
    linear = group(random_parameters("lpips"), network)
    return reference_lpips(network, random_trunk(network), linear)


def real_reference(name: str) -> Distance:
    """Return the reference of a metric on the stored trunk, with the rest from its own package."""
    trunk = store.load(TRUNKS[name], fetch=False).tensors
    if name == "dists":
        return reference_dists(trunk)
    return reference_lpips(TRUNKS[name], trunk)


def score(name: str, sr_image: Tensor, hr_image: Tensor, border: int = 0) -> float:
    return METRICS.get(name)()(sr_image, hr_image, scale=border)


def by_reference(distance: Distance, sr_image: Tensor, hr_image: Tensor) -> float:
    """Compare `(C, H, W)` images of 8 bits; a grey one is repeated to RGB."""
    first, second = (image.expand(3, -1, -1)[None] for image in (sr_image, hr_image))
    return distance(first, second)


def to_tensor(pixels: Pixels) -> Tensor:
    return torch.from_numpy(np.atleast_3d(pixels).copy()).permute(2, 0, 1).float() / 255


def pictures(height: int, width: int, channels: int = 3) -> tuple[Tensor, Tensor]:
    """Return a picture of 8 bits with details of several sizes, and a noisy one."""
    random = np.random.default_rng(height * width)
    total = np.zeros((height, width, channels))
    for cell in (1, 4, 16):
        coarse = random.random((height // cell + 1, width // cell + 1, channels))
        total += coarse.repeat(cell, 0).repeat(cell, 1)[:height, :width] / 3
    noisy = total + 0.1 * random.standard_normal(total.shape)
    high, low = (np.clip(255 * one + 0.5, 0, 255).astype(np.uint8) for one in (total, noisy))
    return to_tensor(low), to_tensor(high)


# --- Made-up weights ---


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("size", [(31, 33), (47, 32), (63, 95), (77, 131)])
@pytest.mark.parametrize("name", NAMES)
def test_the_authors_package_agrees_at_odd_sizes(
    name: str, size: tuple[int, int], channels: int
) -> None:
    pair = pictures(*size, channels)
    expected = by_reference(made_up_reference(name), *pair)
    assert expected > 0.01
    assert score(name, *pair) == pytest.approx(expected, abs=AGREEMENT)


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("name", ["lpips-alex", "dists"])
@pytest.mark.slow
def test_the_authors_package_agrees_on_images_above_256_pixels(name: str) -> None:
    """piq would shrink them for DISTS, as its authors' example does before the class sees them."""
    pair = pictures(259, 257)
    expected = by_reference(made_up_reference(name), *pair)
    assert score(name, *pair) == pytest.approx(expected, abs=AGREEMENT)


@pytest.mark.usefixtures("filled_store")
@pytest.mark.parametrize("name", NAMES)
def test_the_border_is_cut_and_pixels_are_rounded_first(name: str) -> None:
    low, high = pictures(55, 49)
    inner = [image[:, 4:-4, 4:-4] for image in (low, high)]
    expected = by_reference(made_up_reference(name), *inner)
    found = score(name, low + 0.4 / 255, high - 0.4 / 255, border=4)
    assert found == pytest.approx(expected, abs=AGREEMENT)


# --- The published weights ---


@pytest.fixture
def real(real_weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have the published weights in the store."""
    monkeypatch.setenv("ZOO_HOME", str(real_weights.parent))
    return real_weights


@pytest.mark.slow
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("network", ["vgg16", "alexnet"])
def test_the_linear_weights_are_those_of_the_package(network: str) -> None:
    model = lpips_class(network, store.load(network, fetch=False).tensors)
    found = store.load_parameters("lpips", network).tensors
    for layer, weight in zip(model.lins, found.values(), strict=True):
        assert torch.equal(layer.model[-1].weight, weight)


def low_and_high(path: Path) -> tuple[Pixels, Pixels]:
    """Return MATLAB's bicubic x4 of an image, rounded, and the image."""
    high = crop_to_multiple(read_image(path), SCALE)
    return upscale(downscale(high, SCALE), SCALE), high


@pytest.mark.slow
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("name", NAMES)
def test_twenty_crops_of_set14(name: str, shared_data: Path) -> None:
    """The one grey image of Set14 among them."""
    reference = real_reference(name)
    files = sorted((shared_data / "Set14" / "HR").iterdir())
    random = np.random.default_rng(0)
    differences, grey = [], 0
    for number in range(20):
        pair = low_and_high(files[number % len(files)])
        height, width = (2 * int(random.integers(32, 90)) + 1 for _ in range(2))
        top, left = (
            int(random.integers(0, whole - part))
            for whole, part in zip(pair[1].shape, (height, width), strict=False)
        )
        crops = [to_tensor(one[top : top + height, left : left + width]) for one in pair]
        grey += crops[0].shape[0] == 1
        expected = by_reference(reference, *crops)
        assert expected > 0.02
        differences.append(abs(score(name, *crops) - expected))
    assert grey > 0
    assert max(differences) < AGREEMENT


@pytest.mark.slow
@pytest.mark.usefixtures("real")
def test_whole_images_are_not_shrunk_for_dists(shared_data: Path) -> None:
    """Baboon, 480x500: of the shrunk image DISTS would be another."""
    pair = [to_tensor(one) for one in low_and_high(shared_data / "Set14" / "HR" / "001.png")]
    expected = by_reference(real_reference("dists"), *pair)
    assert score("dists", *pair) == pytest.approx(expected, abs=AGREEMENT)


BICUBIC = {
    ("lpips", "Set5"): 0.283,
    ("lpips", "Set14"): 0.365,
    ("lpips-alex", "Set5"): 0.344,
    ("lpips-alex", "Set14"): 0.441,
}
"""Means of bicubic x4 with 4 pixels cut, by the package `lpips`."""
PUBLISHED = {"Set5": (0.3406, 0.3407), "Set14": (0.4401, 0.4393)}
"""LPIPS-Alex of bicubic x4 on whole images: as computed, and as C. Ma et al., CVPR 2020, print."""


def bicubic_mean(name: str, folder: Path, border: int) -> float:
    """Return the mean score of the generator `bicubic`, which is rounded once, at the end."""
    scores = []
    for path in sorted(folder.iterdir()):
        high = crop_to_multiple(read_image(path), SCALE)
        low = to_tensor(to_rgb(downscale(high, SCALE)))
        with torch.inference_mode():
            found = Bicubic(scale=SCALE)(low[None])[0]
        if high.ndim == 2:
            found = found.mean(0, keepdim=True)
        scores.append(score(name, found, to_tensor(high), border))
    return float(np.mean(scores))


@pytest.mark.slow
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(("name", "dataset"), sorted(BICUBIC))
def test_bicubic_has_the_mean_of_the_authors_package(
    name: str, dataset: str, shared_data: Path
) -> None:
    mean = bicubic_mean(name, shared_data / dataset / "HR", SCALE)
    assert mean == pytest.approx(BICUBIC[name, dataset], abs=0.0006)


@pytest.mark.slow
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize("dataset", sorted(PUBLISHED))
def test_bicubic_has_the_published_lpips(dataset: str, shared_data: Path) -> None:
    mean = bicubic_mean("lpips-alex", shared_data / dataset / "HR", 0)
    computed, published = PUBLISHED[dataset]
    assert mean == pytest.approx(computed, abs=0.00006)
    assert mean == pytest.approx(published, abs=0.001)


def example() -> dict[str, Tensor]:
    """Return three patches of 64x64: a face, the same blurred, the same moved.

    They take the place of the authors' `ex_ref`, `ex_p0` and `ex_p1`, which are in their repository
    alone: a patch of a photograph inside scikit-image, its means over 5x5 pixels, and the patch
    one pixel further down and to the right.
    """
    photograph = skimage.data.astronaut()
    top, left, side = 80, 190, 64
    windows = np.lib.stride_tricks.sliding_window_view(
        photograph[top - 2 : top + side + 2, left - 2 : left + side + 2].astype(np.int64),
        (5, 5),
        axis=(0, 1),
    )
    parts = {
        "reference": photograph[top : top + side, left : left + side],
        "blurred": ((2 * windows.sum(axis=(-2, -1)) + 25) // 50).astype(np.uint8),
        "moved": photograph[top + 1 : top + side + 1, left + 1 : left + side + 1],
    }
    return {kind: to_tensor(pixels) for kind, pixels in parts.items()}


EXAMPLE = {
    ("lpips", "blurred"): 0.1713,
    ("lpips", "moved"): 0.0710,
    ("lpips-alex", "blurred"): 0.2892,
    ("lpips-alex", "moved"): 0.0232,
    ("dists", "blurred"): 0.1820,
    ("dists", "moved"): 0.0405,
}
"""What the packages `lpips` 0.1.4 and `dists-pytorch` 0.1 give for the example."""
DIGITS = 0.00005


@pytest.mark.slow
@pytest.mark.usefixtures("real")
@pytest.mark.parametrize(("name", "kind"), sorted(EXAMPLE))
def test_the_worked_example(name: str, kind: str) -> None:
    images = example()
    found = score(name, images[kind], images["reference"])
    assert found == pytest.approx(EXAMPLE[name, kind], abs=DIGITS + AGREEMENT)
    by_package = by_reference(real_reference(name), images[kind], images["reference"])
    assert by_package == pytest.approx(EXAMPLE[name, kind], abs=DIGITS)


def test_the_squared_error_prefers_the_other_patch() -> None:
    """What the authors' example shows: LPIPS takes a small move for the smaller damage."""
    images = example()
    blurred, moved = (
        float((images[kind] - images["reference"]).square().mean()) for kind in ("blurred", "moved")
    )
    assert 2 * blurred < moved
    for name in NAMES:
        assert EXAMPLE[name, "blurred"] > 2 * EXAMPLE[name, "moved"]
