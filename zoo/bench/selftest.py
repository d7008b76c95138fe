"""The self-test: bicubic interpolation must reproduce the published scores, or no table is printed.

If a value is missed, a second implementation (`zoo.bench.reference_protocol`) scores the images
again, with one part of the computation changed at a time, until the numbers agree.

Not here: the protocol itself (`zoo.metrics.protocol`), suites (`zoo.bench.suites`).
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from zoo.bench.forward import to_tensor
from zoo.bench.reference_protocol import PROTOCOL, Chain, Scores, resized
from zoo.bench.suites import BenchImage
from zoo.data.images import Image
from zoo.data.pairs import KNOWN_SETS
from zoo.data.resize import upscale
from zoo.errors import IntegrityError
from zoo.metrics.fidelity import PSNRY, SSIMY
from zoo.text import few

logger = logging.getLogger(__name__)

TOLERANCE = Scores(0.02, 0.001)
"""Largest distance to the published values, in dB and SSIM."""

PUBLISHED: dict[tuple[str, int], Scores] = {
    ("Set5", 4): Scores(28.42, 0.8104),
    ("Set14", 4): Scores(26.00, 0.7027),
    ("BSD100", 4): Scores(25.96, 0.6675),
    ("Urban100", 4): Scores(23.14, 0.6577),
    ("Manga109", 4): Scores(24.89, 0.7866),
}
"""Bicubic PSNR_Y and SSIM_Y: X. Wang et al., ESRGAN (2018), table 2, and its predecessors."""

_NEAR = Scores(0.01, 0.0007)  # closer than this, two numbers are of one chain
_CHAINS: dict[str, tuple[str, Chain]] = {
    "full-range luma": (
        "luma: it is in 0..255 (0.299 R + 0.587 G + 0.114 B) instead of 16..235",
        Chain(luma="full-range"),
    ),
    "float luma": ("luma: it is not rounded to 8 bits", Chain(luma="studio-float")),
    "RGB": ("luma: all three channels are scored instead", Chain(luma="rgb")),
    "border": ("border: it is scored instead of cut off", Chain(cuts_border=False)),
    "grey as RGB": (
        "grey images: they are scored as RGB instead of on their raw values",
        Chain(grey_as_rgb=True),
    ),
    "SSIM downsampling": (
        "SSIM: images are downscaled before they are compared, which is piq's default",
        Chain(shrinks_for_ssim=True),
    ),
}


class SelfTestError(IntegrityError):
    """Bicubic interpolation does not score what is published.

    Attributes:
        link: the link of the chain that is off: a key of the chains scored otherwise, or `number of
            images`, `grey image stored as RGB`, `low-resolution images`, `high-resolution images`,
            `upscaling or scoring`.
    """

    def __init__(self, message: str, link: str) -> None:
        self.link = link
        super().__init__(message)


def why_unchecked(dataset: str, scale: int) -> str | None:
    """Return why a dataset has no published value to be compared with, None if it has one."""
    if (dataset, scale) in PUBLISHED:
        return None
    if dataset in KNOWN_SETS:
        return (
            f"there is no reliable published bicubic score for {dataset} at x{scale} under this "
            "protocol: not self-tested"
        )
    return f"{dataset} is not a public test set, so there is no published score to compare with"


def score_bicubic(images: Iterable[BenchImage], scale: int) -> Scores:
    """Return the mean PSNR_Y and SSIM_Y of MATLAB's bicubic interpolation, by zoo's metrics.

    Args:
        images: of one dataset, at least one.
        scale: upscaling factor.
    """
    psnr, ssim = PSNRY(), SSIMY()
    scores = []
    for image in images:
        sr_tensor = to_tensor(upscale(image.lr_image, scale))
        hr_tensor = to_tensor(image.hr_image)
        scores.append(
            (psnr(sr_tensor, hr_tensor, scale=scale), ssim(sr_tensor, hr_tensor, scale=scale))
        )
    return _mean(scores)


def check_bicubic(
    dataset: str, scale: int, psnr_y: float, ssim_y: float, images: Sequence[BenchImage]
) -> None:
    """Compare a bicubic row with the published one; a dataset without one passes.

    Args:
        dataset: the dataset's name.
        scale: upscaling factor.
        psnr_y: mean PSNR of the luma that was measured, in dB.
        ssim_y: mean SSIM of the luma that was measured.
        images: what was scored; decoded again only where the check fails.

    Raises:
        SelfTestError: if it is missed; the message names the link of the chain that is off.
    """
    published = PUBLISHED.get((dataset, scale))
    if published is None:
        return
    observed = Scores(psnr_y, ssim_y)
    expected = KNOWN_SETS[dataset].num_images
    if len(images) == expected and _distance(observed, published, TOLERANCE) <= 1:
        return
    if len(images) != expected:
        link, detail = "number of images", f"there are {len(images)}, not {expected}"
    else:
        logger.warning("%s: the self-test failed; looking for the reason", dataset)
        link, detail = _find_fault(observed, published, _Evidence.gather(images, scale))
    raise SelfTestError(
        f"self-test of {dataset} x{scale}: bicubic scores {psnr_y:.3f} dB / {ssim_y:.4f}, but the "
        f"published score is {published.psnr:.2f} / {published.ssim:.4f} (tolerance "
        f"{TOLERANCE.psnr:g} dB / {TOLERANCE.ssim:g}). The cause is: {link} ({detail}). Until this "
        "is corrected, no score on this dataset can be compared with others",
        link,
    )


@dataclass(slots=True)
class _Evidence:
    """What the second implementation finds on the images, one entry an image.

    Attributes:
        as_given: protocol scores of the images as they are.
        otherwise: scores with one link changed, by its name.
        remade: protocol scores with low-resolution images made anew.
        raw: scores on raw values of images whose channels are all equal, by position.
        names: of the images.
        odd_sizes: names of images whose sizes do not fit together.
        strange: names of images whose low-resolution image is not MATLAB's.
        aliased: of those, names of the ones that are nearer to a resize without antialiasing.
        made: whether zoo made the low-resolution images itself.
    """

    as_given: list[Scores] = field(default_factory=list)
    otherwise: dict[str, list[Scores]] = field(default_factory=lambda: {n: [] for n in _CHAINS})
    remade: list[Scores] = field(default_factory=list)
    raw: dict[int, Scores] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    odd_sizes: list[str] = field(default_factory=list)
    strange: list[str] = field(default_factory=list)
    aliased: list[str] = field(default_factory=list)
    made: bool = True

    @classmethod
    def gather(cls, images: Iterable[BenchImage], scale: int) -> _Evidence:
        evidence = cls()
        for image in images:
            evidence.names.append(image.name)
            evidence.made &= image.lr_file is None
            height, width = image.hr_image.shape[:2]
            if (height, width) != tuple(scale * side for side in image.lr_image.shape[:2]):
                evidence.odd_sizes.append(image.name)
                continue
            evidence._add(image, scale)
        return evidence

    def _add(self, image: BenchImage, scale: int) -> None:
        hr_image = image.hr_image
        height, width = hr_image.shape[:2]
        sr_image = resized(image.lr_image, height, width)
        if hr_image.ndim == 3 and (hr_image == hr_image[:, :, :1]).all():
            planes = sr_image[:, :, 0], hr_image[:, :, 0]
            self.raw[len(self.as_given)] = PROTOCOL.score(*planes, scale)
        self.as_given.append(PROTOCOL.score(sr_image, hr_image, scale))
        for name, (_, chain) in _CHAINS.items():
            self.otherwise[name].append(chain.score(sr_image, hr_image, scale))
        lr_image = resized(hr_image, height // scale, width // scale)
        if np.array_equal(lr_image, image.lr_image):
            self.remade.append(self.as_given[-1])
            return
        self.strange.append(image.name)
        aliased = resized(hr_image, height // scale, width // scale, antialias=False)
        if _difference(image.lr_image, aliased) < _difference(image.lr_image, lr_image):
            self.aliased.append(image.name)
        self.remade.append(PROTOCOL.score(resized(lr_image, height, width), hr_image, scale))


def _find_fault(observed: Scores, published: Scores, evidence: _Evidence) -> tuple[str, str]:
    """Return the link that is off, and how."""
    if evidence.odd_sizes:
        detail = f"{few(evidence.odd_sizes)}: not cut to a multiple of the scale"
        return "high-resolution images", detail
    # The protocol first: of chains that agree on these images, it is not the culprit.
    means = {"": _mean(evidence.as_given)}
    means |= {name: _mean(scores) for name, scores in evidence.otherwise.items()}
    nearest = min(means, key=lambda name: _distance(observed, means[name], _NEAR))
    if _distance(observed, means[nearest], _NEAR) > 1:
        detail = (
            f"a second implementation gets {means[''].psnr:.3f} dB / {means[''].ssim:.4f} from the "
            "same images, and no known mistake explains the first numbers: check the installed "
            "piq and torch"
        )
        return "upscaling or scoring", detail
    if nearest:
        return nearest, _CHAINS[nearest][0]
    return _find_data_fault(published, evidence)


def _find_data_fault(published: Scores, evidence: _Evidence) -> tuple[str, str]:
    """Return what is wrong with images that are scored rightly."""
    if evidence.strange and _distance(_mean(evidence.remade), published, TOLERANCE) <= 1:
        whose = "zoo made them" if evidence.made else "they were read from files"
        how = ", without antialiasing" if evidence.aliased else ""
        detail = f"{few(evidence.strange)}: not as MATLAB makes them{how}; {whose}"
        return "low-resolution images", detail
    for position, raw in evidence.raw.items():
        scores = [*evidence.remade]
        scores[position] = raw
        if _distance(_mean(scores), published, TOLERANCE) <= 1:
            equal = [evidence.names[index] for index in evidence.raw]
            detail = (
                f"in {few(equal)} all channels are equal, but the published scores use one image "
                "of this set as single-channel"
            )
            return "grey image stored as RGB", detail
    detail = f"they are not the published images: {few(evidence.names)}; get the dataset again"
    return "high-resolution images", detail


def _distance(first: Scores, second: Scores, unit: Scores) -> float:
    """Return the larger of two differences, in units; infinite where a score is not finite."""
    differences = (
        abs(first.psnr - second.psnr) / unit.psnr,
        abs(first.ssim - second.ssim) / unit.ssim,
    )
    worst = max(differences)
    return worst - 1e-9 if np.isfinite(differences).all() else float("inf")


def _mean(scores: Sequence[tuple[float, float]]) -> Scores:
    psnr, ssim = np.mean(scores, axis=0)
    return Scores(float(psnr), float(ssim))


def _difference(first: Image, second: Image) -> float:
    return float(np.mean(np.abs(first.astype(np.int16) - second.astype(np.int16))))
