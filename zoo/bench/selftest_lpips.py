"""The self-test of LPIPS: bicubic interpolation must reproduce the published value.

The published values are on AlexNet and whole images, without cutting the border. If bicubic's PSNR
is right, the images are right, so the cause of an error is the network, its weights or piq.

Not here: the self-test of PSNR and SSIM (`zoo.bench.selftest`).
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

import torch

from zoo.bench.forward import to_tensor
from zoo.bench.selftest import SelfTestError
from zoo.bench.suites import BenchImage
from zoo.generators.bicubic import Bicubic
from zoo.metrics.base import Metric
from zoo.weights.store import store_path

METRIC = "lpips-alex"
TOLERANCE = 0.001
"""Largest distance to the published values."""

PUBLISHED: dict[tuple[str, int], float] = {
    ("Set5", 4): 0.3407,
    ("Set14", 4): 0.4393,
    ("BSD100", 4): 0.5249,
    ("Urban100", 4): 0.4726,
}
"""Bicubic LPIPS v0.1 on AlexNet, RGB, nothing cut: C. Ma et al., Structure-preserving
super-resolution with gradient guidance (CVPR 2020), its authors' repository.

With 4 pixels cut, as the protocol scores, the values are others by up to 0.004 (Set5 0.344), and on
VGG16 they are far lower (Set5 0.283): a table that names neither network nor border cannot be
compared."""


def check_lpips(dataset: str, scale: int, images: Iterable[BenchImage], metric: Metric) -> str:
    """Compare bicubic interpolation's LPIPS with the published value.

    Args:
        dataset: the dataset's name.
        scale: upscaling factor.
        images: of the dataset.
        metric: LPIPS on AlexNet.

    Returns:
        What came out; empty for a dataset without a published value.

    Raises:
        SelfTestError: if it is missed.
    """
    published = PUBLISHED.get((dataset, scale))
    if published is None:
        return ""
    found = fmean(_score(image, scale, metric) for image in images)
    if abs(found - published) <= TOLERANCE:
        return f"{metric.label} on whole images {found:.4f}, published {published:.4f}"
    files = [str(store_path(name)) for name in metric.needs]
    facts = ", ".join(f"{key} {value[:12]}" for key, value in metric.provenance().items())
    raise SelfTestError(
        f"self-test of {dataset} x{scale}: bicubic has {metric.label} {found:.4f} on whole images, "
        f"but the published value is {published:.4f} (tolerance {TOLERANCE:g}). Its PSNR is right, "
        f"so the images are right; the cause is the network, its weights or piq ({facts}). Get the "
        f"weights again: rm {' '.join(files)} && zoo weights get {' '.join(metric.needs)}",
        "LPIPS",
    )


def _score(image: BenchImage, scale: int, metric: Metric) -> float:
    """Score one image, whole, upscaled as the baseline's row is: rounded once, at the end."""
    with torch.inference_mode():
        sr_image = Bicubic(scale=scale)(to_tensor(image.lr_image)[None])[0]
    return metric(sr_image, to_tensor(image.hr_image), scale=0)
