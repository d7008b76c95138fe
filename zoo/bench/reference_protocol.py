"""A second implementation of the protocol in plain numpy, and its common variants.

It is independent of `zoo.metrics` and `zoo.data.resize`, so a bug in one of them shows as a
difference. Only the self-test and `benchmarks/protocol_pitfalls.py` use it, never a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]

STUDIO = (65.481 / 255, 128.553 / 255, 24.966 / 255)  # ITU-R BT.601, 16..235
FULL_RANGE = (0.299, 0.587, 0.114)  # the same primaries, 0..255
PEAK = 255.0
WINDOW_RADIUS = 5
WINDOW_SIGMA = 1.5
SSIM_SIDE = 256  # the side to which some shrink images before SSIM


class Scores(NamedTuple):
    """PSNR in dB and SSIM of one image, or their means."""

    psnr: float
    ssim: float


@dataclass(frozen=True, slots=True)
class Chain:
    """A way to score; the defaults are the protocol's.

    Attributes:
        luma: what of an RGB image is compared: luma in 16..235, rounded or not, luma in 0..255, or
            all three channels.
        cuts_border: whether `scale` pixels are cut from each side.
        grey_as_rgb: whether a single-channel image is taken for RGB and its luma compared.
        shrinks_for_ssim: whether SSIM sees images pooled to about 256 pixels.
    """

    luma: Literal["studio", "studio-float", "full-range", "rgb"] = "studio"
    cuts_border: bool = True
    grey_as_rgb: bool = False
    shrinks_for_ssim: bool = False

    def score(self, sr_image: Image, hr_image: Image, scale: int) -> Scores:
        """Score one image.

        Args:
            sr_image: `(H, W, 3)` or `(H, W)` in 0..255.
            hr_image: the same shape.
            scale: pixels of border that the protocol ignores.
        """
        border = scale if self.cuts_border else 0
        height, width = hr_image.shape[:2]
        inner = np.s_[border : height - border, border : width - border]
        sr_planes, hr_planes = self._planes(sr_image[inner]), self._planes(hr_image[inner])
        error = np.mean([np.mean((s - h) ** 2) for s, h in zip(sr_planes, hr_planes, strict=True)])
        psnr = 10 * np.log10(PEAK**2 / max(float(error), 1e-10))
        shrink = _pooled if self.shrinks_for_ssim else _as_it_is
        pairs = zip(sr_planes, hr_planes, strict=True)
        ssim = np.mean([structural_similarity(shrink(s), shrink(h)) for s, h in pairs])
        return Scores(float(psnr), float(ssim))

    def _planes(self, image: Image) -> list[Floats]:
        pixels = image.astype(np.float64)
        if pixels.ndim == 2:
            if not self.grey_as_rgb:
                return [pixels]
            pixels = np.repeat(pixels[:, :, None], 3, axis=2)
        if self.luma == "rgb":
            return list(np.moveaxis(pixels, 2, 0))
        if self.luma == "full-range":
            return [pixels @ np.array(FULL_RANGE)]
        luma = 16 + pixels @ np.array(STUDIO)
        return [np.floor(luma + 0.5) if self.luma == "studio" else luma]


PROTOCOL = Chain()


def structural_similarity(first: Floats, second: Floats) -> float:
    """Return the mean SSIM of two planes in 0..255, over windows that lie inside the image.

    Z. Wang et al., IEEE Transactions on Image Processing 13 (2004), equation 13.
    """
    from scipy.ndimage import correlate1d

    offsets = np.arange(-WINDOW_RADIUS, WINDOW_RADIUS + 1)
    window = np.exp(-(offsets**2) / (2 * WINDOW_SIGMA**2))
    window /= window.sum()

    def blurred(plane: Floats) -> Floats:
        filtered = correlate1d(correlate1d(plane, window, axis=0), window, axis=1)
        inner = slice(WINDOW_RADIUS, -WINDOW_RADIUS)
        return np.asarray(filtered[inner, inner])

    c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
    mean1, mean2 = blurred(first), blurred(second)
    variance1 = blurred(first * first) - mean1 * mean1
    variance2 = blurred(second * second) - mean2 * mean2
    covariance = blurred(first * second) - mean1 * mean2
    structure = (2 * covariance + c2) / (variance1 + variance2 + c2)
    return float(
        np.mean((2 * mean1 * mean2 + c1) / (mean1 * mean1 + mean2 * mean2 + c1) * structure)
    )


def resized(image: Image, height: int, width: int, *, antialias: bool = True) -> Image:
    """Resize as MATLAB's bicubic `imresize` does, or without its antialiasing.

    Args:
        image: `(H, W, C)` or `(H, W)` in 0..255.
        height: rows wanted.
        width: columns wanted.
        antialias: whether the kernel is stretched for downscaling.
    """
    planes = image[:, :, None] if image.ndim == 2 else image
    rows = _weights(image.shape[0], height, antialias=antialias)
    columns = _weights(image.shape[1], width, antialias=antialias)
    done = [_rounded(_rounded(rows @ plane) @ columns.T) for plane in np.moveaxis(planes, 2, 0)]
    result = np.stack(done, axis=2).astype(np.uint8)
    return result[:, :, 0] if image.ndim == 2 else result


def _weights(size: int, new_size: int, *, antialias: bool) -> Floats:
    """Return the `(new_size, size)` matrix that resizes one axis; edges are repeated outwards."""
    ratio = new_size / size
    stretch = min(ratio, 1.0) if antialias else 1.0
    margin = int(np.ceil(2 / stretch)) + 1
    centres = (np.arange(new_size) + 0.5) / ratio - 0.5
    distance = np.abs(centres[:, None] - np.arange(-margin, size + margin)) * stretch
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance <= 1, near, np.where(distance <= 2, far, 0.0))
    weights /= weights.sum(axis=1, keepdims=True)
    inside = weights[:, margin:-margin].copy()
    inside[:, 0] += weights[:, :margin].sum(axis=1)
    inside[:, -1] += weights[:, -margin:].sum(axis=1)
    return np.asarray(inside)


def _rounded(plane: Floats) -> Floats:
    return np.clip(np.floor(plane + 0.5), 0, 255)


def _as_it_is(plane: Floats) -> Floats:
    return plane


def _pooled(plane: Floats) -> Floats:
    """Average over squares so that the shorter side becomes about 256 pixels, as piq does."""
    factor = max(1, round(min(plane.shape) / SSIM_SIDE))
    height, width = (side // factor for side in plane.shape)
    cut = plane[: height * factor, : width * factor]
    return np.asarray(cut.reshape(height, factor, width, factor).mean(axis=(1, 3)))
