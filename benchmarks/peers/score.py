"""Scoring pictures by PSNR and SSIM of the luma and by LPIPS on VGG16: zoo, piq and torchmetrics.

All get the same decoded 8-bit pictures, an enlarged one (MATLAB's bicubic) beside the original, and
apply the protocol: `scale` pixels cut, luma rounded. zoo's way is what `zoo bench` calls for each
image; the others are called by hand, image after image, as their users do. Their LPIPS gets its
weights from zoo's store: their own constructors ask hubs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from unittest.mock import patch

import numpy as np
import piq
import torch
from torch import Tensor, nn

from benchmarks.peers import machine, packages
from benchmarks.scoring_loop import SCALE, SSIM, luma, tensor
from benchmarks.scoring_speed import make_images
from benchmarks.speed.measure import spread
from zoo.bench.forward import to_tensor
from zoo.bench.judges import Judges, columns_of, create_metrics
from zoo.data.images import Image, read_image, to_rgb
from zoo.data.resize import downscale
from zoo.errors import DataError
from zoo.features.learned import lpips_network
from zoo.generators.bicubic import Bicubic
from zoo.metrics import metric_key
from zoo.metrics.base import Comparison
from zoo.recipes.schema import Runtime
from zoo.runs.device import choose_device, plan_execution
from zoo.upscaling.enlarging import enlarge
from zoo.upscaling.tiles import TiledUpscaler
from zoo.weights import store

SCORES: Final = ("psnr-y", "ssim-y", "lpips")
ZOO: Final = "zoo"
Scores = dict[str, float]
Score = Callable[["Pair"], Scores]


@dataclass(frozen=True, slots=True)
class Pair:
    """A picture and what it is compared with.

    Attributes:
        name: of its file.
        sr_image: `(H, W, 3)`, uint8.
        hr_image: the same shape.
        lr_image: `(h, w, 3)`, uint8.
    """

    name: str
    sr_image: Image
    hr_image: Image
    lr_image: Image


def open_zoo() -> Score:
    """Return zoo's way: the metrics of `zoo bench`, through what calls them there."""
    execution = plan_execution(Runtime(), choose_device("cpu"))
    named = create_metrics(SCORES)
    metrics = {metric_key(name): metric for name, metric in named.items()}
    judges = Judges(metrics, columns_of(named), execution)

    def score(pair: Pair) -> Scores:
        images = (to_tensor(image, execution.device) for image in (pair.sr_image, pair.hr_image))
        sr_image, hr_image = images
        lr_image = to_tensor(pair.lr_image, execution.device)
        found = judges.score(Comparison(sr_image, hr_image, lr_image, SCALE), pair.name)
        return {name: found[metric_key(name)] for name in SCORES}

    return score


def open_piq() -> Score:
    """Return piq's functions, called by hand."""
    with torch.inference_mode(mode=False):
        network: nn.Module = lpips_network("vgg16").network
    return _by_hand(
        lambda sr, hr: piq.psnr(sr.double(), hr.double(), data_range=255.0),
        lambda sr, hr: piq.ssim(sr, hr, **SSIM),
        network,
    )


def open_torchmetrics() -> Score:
    """Return torchmetrics' functions and its LPIPS module, called by hand.

    Its SSIM counts windows over a mirrored border, too; the protocol's do not leave the image.
    """
    from torchmetrics.functional.image import (
        peak_signal_noise_ratio,
        structural_similarity_index_measure,
    )
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    def trunk(**_: Any) -> nn.Module:
        with torch.device("meta"):
            network: Any = build(weights=None)
        tensors = store.load("vgg16", "imagenet").tensors
        network.features.load_state_dict(
            {name.removeprefix("features."): value for name, value in tensors.items()
             if name.startswith("features.")},
            assign=True,
        )  # fmt: skip
        built: nn.Module = network
        return built

    from torchvision.models import vgg16 as build

    with patch("torchvision.models.vgg16", trunk):
        network = LearnedPerceptualImagePatchSimilarity(net_type="vgg", normalize=True).eval()
    return _by_hand(
        lambda sr, hr: peak_signal_noise_ratio(sr, hr, data_range=255.0),
        lambda sr, hr: structural_similarity_index_measure(sr, hr, data_range=255.0),
        network,
    )


def _by_hand(
    psnr: Callable[[Tensor, Tensor], Tensor],
    ssim: Callable[[Tensor, Tensor], Tensor],
    lpips: nn.Module,
) -> Score:
    cut = slice(SCALE, -SCALE)

    def score(pair: Pair) -> Scores:
        arrays = [image[cut, cut] for image in (pair.sr_image, pair.hr_image)]
        sr_luma, hr_luma = (tensor(luma(array)) for array in arrays)
        sr_image, hr_image = (tensor(array) / 255 for array in arrays)
        return {
            "psnr-y": float(psnr(sr_luma, hr_luma)),
            "ssim-y": float(ssim(sr_luma, hr_luma)),
            "lpips": float(lpips(sr_image, hr_image)),
        }

    return torch.no_grad()(score)


WAYS: Final[Mapping[str, tuple[str, Callable[[], Score]]]] = {
    ZOO: ("", open_zoo),
    "piq": ("piq", open_piq),
    "torchmetrics": ("torchmetrics", open_torchmetrics),
}
"""The package that each way needs, and what opens it."""


def measure(
    images: Sequence[Path], *, clock: str, count: int, side: int, repeats: int
) -> dict[str, Any]:
    """Time every way that is there.

    Args:
        images: folders of pictures; none for squares cut from scikit-image's photographs.
        clock: a key of `CLOCKS`.
        count: pictures at most.
        side: of the squares, in pixels.
        repeats: passes over all pictures.
    """
    missing = dict(packages.REFUSED)
    for package, _ in WAYS.values():
        if package and (reason := packages.why_missing(package)) is not None:
            missing[package] = reason
    ways = {name: opened() for name, (package, opened) in WAYS.items() if package not in missing}
    with TemporaryDirectory() as folder:
        pairs = read_pairs(images or [_cut(Path(folder), count, side)], count)
    seconds, scores = take_turns(ways, pairs, repeats, machine.CLOCKS[clock])
    used = [package for package, _ in WAYS.values() if package and package not in missing]
    names = ", ".join(str(Path(*folder.parts[-2:])) for folder in images)
    return machine.provenance(used, clock) | {
        "missing": missing,
        "images": len(pairs),
        "source": names or f"squares of {side} pixels cut from scikit-image's photographs",
        "megapixels": sum(pair.hr_image[..., 0].size for pair in pairs) / 1e6,
        "repeats": repeats,
        "rows": {
            name: {
                "images_per_second": spread([len(pairs) / each for each in times]),
                "ratio": spread(
                    [theirs / own for theirs, own in zip(times, seconds[ZOO], strict=True)]
                ),
                "largest_difference": largest_differences(scores[ZOO], scores[name]),
            }
            for name, times in seconds.items()
        },
    }


def take_turns(
    ways: Mapping[str, Score], pairs: Sequence[Pair], repeats: int, clock: machine.Clock
) -> tuple[dict[str, list[float]], dict[str, dict[str, Scores]]]:
    """Score all pictures by each way in turns; return seconds, and scores by way and picture."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    scores: dict[str, dict[str, Scores]] = {}
    for way in ways.values():
        way(pairs[0])  # loads libraries and weights
    for repeat in range(repeats):
        for name in ways if repeat % 2 == 0 else reversed(list(ways)):
            since = clock()
            scores[name] = {pair.name: ways[name](pair) for pair in pairs}
            seconds[name].append(clock() - since)
    return seconds, scores


def largest_differences(
    first: Mapping[str, Scores], second: Mapping[str, Scores]
) -> dict[str, float]:
    """Return the largest difference of each score over the pictures."""
    return {
        score: max(abs(first[image][score] - second[image][score]) for image in first)
        for score in SCORES
    }


def read_pairs(folders: Sequence[Path], count: int) -> list[Pair]:
    """Read pictures, cut them to multiples of the scale, shrink and enlarge them.

    Args:
        folders: of PNG files, those in folders below too.
        count: pictures at most.

    Raises:
        DataError: if there are none.
    """
    files = [file for folder in folders for file in sorted(folder.rglob("*.png"))][:count]
    if not files:
        raise DataError(f"no .png file in {', '.join(map(str, folders))}: name other folders")
    upscaler = TiledUpscaler(Bicubic(scale=SCALE), tile=0)
    pairs = []
    for file in files:
        image = to_rgb(read_image(file))
        height, width = (side // SCALE * SCALE for side in image.shape[:2])
        hr_image = np.ascontiguousarray(image[:height, :width])
        lr_image = downscale(hr_image, SCALE)
        pairs.append(Pair(str(file), enlarge(upscaler, lr_image)[0], hr_image, lr_image))
    return pairs


def _cut(folder: Path, count: int, side: int) -> Path:
    make_images(folder, count, side)
    return folder / "Cut" / "HR"
