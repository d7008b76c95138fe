"""Print bicubic scores by the protocol, beside what is published and what common slips would say.

    ZOO_DATA=../shared/data python benchmarks/protocol_pitfalls.py > benchmarks/results/protocol.md

Nothing here is used by `zoo bench`.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import piq
import torch

from zoo.bench.reference_protocol import PROTOCOL, Chain, Scores, resized
from zoo.bench.selftest import PUBLISHED, score_bicubic
from zoo.bench.suites import BenchImage, SuiteDataset, open_suite
from zoo.data.images import Image, to_rgb

SCALE = 4
Scorer = Callable[[Image, Image], Scores]


def main() -> None:
    """Print one Markdown table over the datasets of the classical suite that are here."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-root", type=Path)
    suite = open_suite("classical-x4", data_root=parser.parse_args().data_root)
    datasets = [dataset for dataset in suite.datasets if dataset.skipped is None]
    print("# Bicubic x4 by the protocol, and by its usual misreadings\n")
    print(
        "Made by `ZOO_DATA=../shared/data python benchmarks/protocol_pitfalls.py`. PSNR in dB and"
    )
    print(f"SSIM, each the mean of per-image values. piq {piq.__version__}.\n")
    print("| how | " + " | ".join(dataset.name for dataset in datasets) + " |")
    print("|---|" + "---:|" * len(datasets))
    _print_row("**published**", [PUBLISHED[dataset.name, SCALE] for dataset in datasets], 2)
    _print_row("**zoo**", [score_bicubic(dataset, SCALE) for dataset in datasets])
    for name, scorer in _slips().items():
        _print_row(name, [_mean(dataset, scorer) for dataset in datasets])
    for name, remake in _other_inputs().items():
        _print_row(name, [_mean(map(remake, dataset), _by(PROTOCOL)) for dataset in datasets])


def _slips() -> dict[str, Scorer]:
    """Return ways to score the same pixels."""
    return {
        "luma not rounded to 8 bits": _by(Chain(luma="studio-float")),
        "border not cut": _by(Chain(cuts_border=False)),
        "a grey image taken for RGB": _by(Chain(grey_as_rgb=True)),
        "RGB instead of luma": _by(Chain(luma="rgb")),
        "luma in 0..255 (0.299, 0.587, 0.114)": _by(Chain(luma="full-range")),
        "SSIM of shrunk images, the rest right": _by(Chain(shrinks_for_ssim=True)),
        "`piq.psnr(x, y)`, `piq.ssim(x, y)` on RGB in [0, 1]": _raw_piq,
        "the same, `piq.psnr(..., convert_to_greyscale=True)`": _raw_piq_greyscale,
    }


def _other_inputs() -> dict[str, Callable[[BenchImage], BenchImage]]:
    """Return ways to make other low-resolution images, which are then scored rightly."""
    return {
        "LR without antialiasing": lambda image: _with_lr(
            image, resized(image.hr_image, *_lr_size(image), antialias=False)
        ),
        "LR by averaging 4x4 blocks": lambda image: _with_lr(image, _averaged(image.hr_image)),
    }


def _by(chain: Chain) -> Scorer:
    return lambda sr_image, hr_image: chain.score(sr_image, hr_image, SCALE)


def _raw_piq(sr_image: Image, hr_image: Image) -> Scores:
    sr_tensor, hr_tensor = _to_tensor(sr_image), _to_tensor(hr_image)
    psnr, ssim = piq.psnr(sr_tensor, hr_tensor), piq.ssim(sr_tensor, hr_tensor)
    return Scores(float(psnr), float(ssim))


def _raw_piq_greyscale(sr_image: Image, hr_image: Image) -> Scores:
    pair = _to_tensor(sr_image), _to_tensor(hr_image)
    psnr = piq.psnr(*pair, convert_to_greyscale=True)
    return Scores(float(psnr), float(piq.ssim(*pair)))


def _mean(images: Iterable[BenchImage] | SuiteDataset, scorer: Scorer) -> Scores:
    scores = []
    for image in images:
        height, width = image.hr_image.shape[:2]
        scores.append(scorer(resized(image.lr_image, height, width), image.hr_image))
    psnr, ssim = np.mean(scores, axis=0)
    return Scores(float(psnr), float(ssim))


def _with_lr(image: BenchImage, lr_image: Image) -> BenchImage:
    return BenchImage(image.name, image.hr_image, lr_image, image.hr_sha256, "")


def _lr_size(image: BenchImage) -> tuple[int, int]:
    return image.hr_image.shape[0] // SCALE, image.hr_image.shape[1] // SCALE


def _averaged(hr_image: Image) -> Image:
    height, width, *channels = hr_image.shape
    blocks = hr_image.reshape(height // SCALE, SCALE, width // SCALE, SCALE, *channels)
    averages = np.floor(blocks.mean(axis=(1, 3)) + 0.5)
    return np.asarray(averages, dtype=np.uint8)


def _to_tensor(image: Image) -> torch.Tensor:
    return torch.from_numpy(to_rgb(image)).permute(2, 0, 1).unsqueeze(0).float() / 255


def _print_row(name: str, scores: Sequence[Scores], digits: int = 3) -> None:
    cells = (f"{score.psnr:.{digits}f} / {score.ssim:.4f}" for score in scores)
    print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()
