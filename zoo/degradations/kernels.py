"""Blur kernels, and how an image is filtered with one.

The families are those of Wang et al., "Real-ESRGAN: Training real-world blind super-resolution with
pure synthetic data", ICCVW 2021, Sec. 3.1 and 3.3. Not here: which kernel is drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy import fft
from scipy.special import j1

from zoo.degradations.base import Floats

Doubles = npt.NDArray[np.float64]


def gaussian(
    size: int,
    sigma: tuple[float, float],
    *,
    angle: float = 0.0,
    shape: float = 1.0,
    shift: float = 0.0,
) -> Floats:
    """Return a (generalised) Gaussian kernel, `exp(-q^shape / 2)` with the quadratic form q.

    Args:
        size: side in pixels, odd.
        sigma: standard deviations along both axes, in pixels.
        angle: rotation of the first axis, in radians.
        shape: 1 is a Gaussian; less is heavier-tailed, more is flatter.
        shift: of the centre to the right and down, in pixels.

    Returns:
        `(size, size)`, summing to 1.
    """
    q = _quadratic(size, sigma, angle, shift)
    return _normalised(np.exp(-0.5 * q**shape))


def plateau(
    size: int, sigma: tuple[float, float], *, angle: float = 0.0, shape: float = 1.0
) -> Floats:
    """Return a plateau-shaped kernel, `1 / (1 + q^shape)`; arguments as of `gaussian`."""
    return _normalised(1 / (1 + _quadratic(size, sigma, angle, 0.0) ** shape))


def sinc(size: int, cutoff: float) -> Floats:
    """Return the circular ideal low-pass, which rings at edges.

    Its value at radius r is `cutoff * J1(cutoff * r) / (2 pi r)` (Real-ESRGAN, Eq. 6).

    Args:
        size: side in pixels, odd.
        cutoff: cut-off frequency in radians per pixel, up to pi.
    """
    radius = np.sqrt(_quadratic(size, (1.0, 1.0), 0.0, 0.0))
    centre = size // 2
    radius[centre, centre] = 1.0
    kernel = cutoff * j1(cutoff * radius) / (2 * np.pi * radius)
    kernel[centre, centre] = cutoff**2 / (4 * np.pi)
    return _normalised(kernel)


def filtered(image: Floats, kernel: Floats) -> Floats:
    """Convolve each channel of `(H, W, C)` with `(k, k)`; the image is mirrored at its border."""
    reach = len(kernel) // 2
    padded = np.pad(image, ((reach, reach), (reach, reach), (0, 0)), mode="reflect")
    # the transform is periodic; its wrap-around reaches only what is cut off
    sides = [fft.next_fast_len(side, real=True) for side in padded.shape[:2]]
    spectrum = fft.rfft2(padded, sides, axes=(0, 1))
    spectrum *= fft.rfft2(kernel, sides)[:, :, None]
    whole = fft.irfft2(spectrum, sides, axes=(0, 1))
    height, width = image.shape[:2]
    return np.asarray(whole[2 * reach :, 2 * reach :][:height, :width], dtype=np.float32)


FAMILIES: dict[str, tuple[Callable[..., Floats], bool, bool]] = {
    "iso": (gaussian, False, False),
    "aniso": (gaussian, True, False),
    "generalized-iso": (gaussian, False, True),
    "generalized-aniso": (gaussian, True, True),
    "plateau-iso": (plateau, False, True),
    "plateau-aniso": (plateau, True, True),
}
"""By name: the kernel, whether its axes differ, whether its shape is drawn."""


def _quadratic(size: int, sigma: tuple[float, float], angle: float, shift: float) -> Doubles:
    """Return the squared distance to the centre in units of the rotated standard deviations."""
    places = np.arange(size) - size // 2 - shift
    x, y = places[None, :], places[:, None]
    first = (np.cos(angle) * x + np.sin(angle) * y) / sigma[0]
    second = (np.cos(angle) * y - np.sin(angle) * x) / sigma[1]
    return np.asarray(first**2 + second**2, dtype=np.float64)


def _normalised(kernel: Doubles) -> Floats:
    return np.asarray(kernel / kernel.sum(), dtype=np.float32)
