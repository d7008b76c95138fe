"""How natural an image looks, judged without its ground truth: NIQE.

A. Mittal, R. Soundararajan, A. C. Bovik, "Making a 'completely blind' image quality analyzer", IEEE
Signal Processing Letters 20.3 (2013), 209-212; equation numbers are that paper's. Each step is a
pure function in float64. The paper leaves details open; here they are those of the program that its
authors published, in MATLAB, since it is that program's numbers that the field prints.

Not here: the mean and covariance of natural images. They are a file, see `zoo.weights.store`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.ndimage import correlate1d
from scipy.special import gammaln
from torch import Tensor

from zoo.data.resize import cubic
from zoo.errors import ShapeError
from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric
from zoo.weights import store
from zoo.weights.tensors import NOT_VERIFIED, tensors_sha256

Array = npt.NDArray[np.float64]

BLOCK_SIDE: Final = 96
"""Side of a block in pixels; at half the size, blocks of half the side show the same."""
_NAME: Final = "niqe"
# Before normalisation: 7 taps, standard deviation 7/6.
_WINDOW: Final[Array] = np.exp(-0.5 * np.square(np.arange(-3.0, 4.0) / (7 / 6)))
_STABILITY: Final = 1.0  # C of Eq. 1, in grey levels
_ROUND_OFF: Final = 1e-11  # in grey levels; errors are below 1e-12, true differences above 1e-10
# Rows and columns that a block is shifted by: horizontal, vertical, both diagonals.
_SHIFTS: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
# Shapes that the fit chooses from, 0.2 to 10.
_SHAPES: Final[Array] = 0.2 + 0.001 * np.arange(9801.0)


@dataclass(frozen=True, slots=True)
class NaturalModel:
    """The distribution of the features of natural images' blocks, a multivariate Gaussian.

    Attributes:
        mean: `(36,)`.
        covariance: `(36, 36)`.
        provenance: where both come from.
    """

    mean: Array
    covariance: Array
    provenance: dict[str, str]


@register_metric("niqe")
class NIQE(Metric):
    """Distance of an image's local statistics from those of natural images; 0 is natural.

    Mittal et al., IEEE Signal Processing Letters 2013, with the parameters their authors published.
    It sees the super-resolved image alone: it does not tell whether detail is true, and sharpening
    an image can lower it.

    On the luma, rounded to 8 bits, `scale` border pixels cut, as the field computes it. The
    covariance over blocks of 96x96 pixels needs two blocks. The smallest side decides what is
    scored; from 192 pixels on, any image has four. Few blocks raise the score: images of 2.7
    to 4.1 have 4.2 to 9.7 in parts of 192x192. Compare images of equal size only. An image with
    texture in fewer than two blocks has no score, which is NaN.

    It computes in numpy, on the CPU.
    """

    needs = ("niqe",)
    label = "NIQE"
    higher_is_better = False
    value_range = None
    min_side = 2 * BLOCK_SIDE

    @torch.inference_mode()
    def __call__(self, sr_image: Tensor, hr_image: Tensor, *, scale: int) -> float:
        """Score one image, see `Metric`; of the ground truth only the shape is looked at.

        Raises:
            ShapeError: if the image is too small.
            WeightsError: if the parameters are not on this machine.
            IntegrityError: if their file is damaged.
        """
        luma, _ = prepared_pair(sr_image, hr_image, scale, luma=True, min_side=self.min_side)
        model = _model(store.store_path(_NAME))
        return niqe(luma[0, 0].numpy().astype(np.float64), model.mean, model.covariance)

    def unavailable(self) -> str | None:
        """Return that the parameters are missing and how to get them, None if they are here."""
        here, detail = store.parameters_available(_NAME)
        return None if here else f"its parameters are not on this machine: {detail}"

    def provenance(self) -> dict[str, str]:
        """Return the hash of the parameters and what they were verified by."""
        if self.unavailable() is not None:
            return {}
        return dict(_model(store.store_path(_NAME)).provenance)


# The cache goes by place, so that another ZOO_HOME has its own parameters.
@cache
def _model(_path: Path) -> NaturalModel:
    loaded = store.load_parameters(_NAME)
    provenance = {
        "sha256": tensors_sha256(loaded.tensors),
        "verified": loaded.verified or NOT_VERIFIED,
    }
    return NaturalModel(loaded.tensors["mu"].numpy(), loaded.tensors["cov"].numpy(), provenance)


def niqe(luma: Array, mean: Array, covariance: Array) -> float:
    """Return the distance of an image's features from those of natural images.

    Args:
        luma: `(H, W)` in 0..255, both sides at least 96.
        mean: `(36,)`, of the features of natural images' blocks.
        covariance: `(36, 36)`, of the same.

    Returns:
        0 or more; NaN where fewer than two blocks have any texture.

    Raises:
        ShapeError: if there is no whole block.
    """
    features = image_features(luma)
    complete = features[np.isfinite(features).all(axis=1)]
    if len(complete) < 2:
        return math.nan
    # As the published program has it: a feature's mean is over all blocks that have this feature,
    # the covariance over those that have all of them.
    return gaussian_distance(
        mean, covariance, np.nanmean(features, axis=0), np.cov(complete, rowvar=False)
    )


def gaussian_distance(
    mean: Array, covariance: Array, other_mean: Array, other_covariance: Array
) -> float:
    """Return the distance D of two multivariate Gaussians, Eq. 10.

    D = sqrt((m1 - m2)^T ((S1 + S2) / 2)^+ (m1 - m2)), where + is the pseudo-inverse.

    Args:
        mean: m1, `(n,)`.
        covariance: S1, `(n, n)`.
        other_mean: m2, `(n,)`.
        other_covariance: S2, `(n, n)`.
    """
    difference = mean - other_mean
    inverse = np.linalg.pinv((covariance + other_covariance) / 2, hermitian=True)
    return math.sqrt(difference @ inverse @ difference)


def image_features(luma: Array) -> Array:
    """Return the features of each block of an image, at its size and at half of it.

    What remains at the right and at the bottom beside whole blocks is cut off first.

    Args:
        luma: `(H, W)` in 0..255, both sides at least 96.

    Returns:
        `(blocks, 36)`, first the 18 of the full size, see `block_features`.

    Raises:
        ShapeError: if there is no whole block.
    """
    height, width = luma.shape
    if min(height, width) < BLOCK_SIDE:
        raise ShapeError(
            f"NIQE needs a block of {BLOCK_SIDE}x{BLOCK_SIDE} pixels, got {height}x{width}"
        )
    whole = luma[: height - height % BLOCK_SIDE, : width - width % BLOCK_SIDE]
    scales = ((whole, BLOCK_SIDE), (halved(whole), BLOCK_SIDE // 2))
    features = [block_features(blocks(normalized(image), side)) for image, side in scales]
    return np.concatenate(features, axis=1)


def halved(image: Array) -> Array:
    """Shrink to half the size as MATLAB's `imresize(image, 0.5)` shrinks doubles: not rounded.

    Keys' cubic, stretched twofold against aliasing, has the same 8 taps for each pixel. Beyond the
    border the image is mirrored, which alone gives the digits of MATLAB R2021a. `zoo.data.resize`
    repeats the border's pixel instead, which alone gives the field's low-resolution files.

    Args:
        image: `(H, W)`, both sides even.

    Returns:
        `(H/2, W/2)`.
    """
    taps = cubic(np.arange(-3.5, 4.0) / 2)
    taps /= taps.sum()
    # scipy centres the eight taps on the fifth: output 2k + 1 reads inputs 2k - 3 to 2k + 4.
    rows = correlate1d(image, taps, axis=0, mode="reflect")[1::2]
    halves: Array = correlate1d(rows, taps, axis=1, mode="reflect")[:, 1::2]
    return halves


def normalized(image: Array) -> Array:
    """Return the mean-subtracted contrast-normalised (MSCN) coefficients, Eq. 1 to 3.

    MSCN = (I - mu) / (sigma + 1), mu = w * I, sigma^2 = |w * I^2 - mu^2|, where w is a Gaussian of
    7x7 pixels with a standard deviation of 7/6 and weights that sum to 1. Beyond the border its
    pixel is repeated.

    Where an image is flat, I - mu is a rounding error of either sign. It is set to the 0 that it
    stands for, as the fit counts negative and positive coefficients. Left in, those errors moved
    scores of images with black regions by up to 0.07.

    Args:
        image: `(H, W)` in grey levels.

    Returns:
        `(H, W)`, without unit.
    """
    mean = _smoothed(image)
    deviation = np.sqrt(np.abs(_smoothed(image**2) - mean**2))
    difference = image - mean
    difference[np.abs(difference) < _ROUND_OFF] = 0.0
    return difference / (deviation + _STABILITY)


def _smoothed(image: Array) -> Array:
    window = _WINDOW / _WINDOW.sum()
    rows = correlate1d(image, window, axis=0, mode="nearest")
    smoothed: Array = correlate1d(rows, window, axis=1, mode="nearest")
    return smoothed


def blocks(image: Array, side: int) -> Array:
    """Cut an image into square blocks.

    Args:
        image: `(H, W)`, both sides multiples of `side`.
        side: pixels.

    Returns:
        `(H/side * W/side, side, side)`, row after row.
    """
    height, width = image.shape
    grid = image.reshape(height // side, side, width // side, side)
    return grid.swapaxes(1, 2).reshape(-1, side, side)


def block_features(coefficients: Array) -> Array:
    """Return the 18 features of each block, in the order of the published parameters.

    First shape and scale of the coefficients, alpha and (beta_l + beta_r) / 2. Then, for the
    products with the left, upper, upper left and upper right neighbours: shape alpha, mean eta
    (Eq. 8) and the scales beta_l and beta_r. A block's first row or column has its last as
    neighbour.

    eta = (beta_r - beta_l) Gamma(2 / alpha) / Gamma(1 / alpha)

    Args:
        coefficients: `(blocks, side, side)`, MSCN.

    Returns:
        `(blocks, 18)`; NaN where a block is flat, but for the shapes, see `fit_asymmetric`.
    """
    shape, left, right = fit_asymmetric(coefficients.reshape(len(coefficients), -1))
    features = [shape, (left + right) / 2]
    for shift in _SHIFTS:
        products = coefficients * np.roll(coefficients, shift, axis=(1, 2))
        shape, left, right = fit_asymmetric(products.reshape(len(products), -1))
        mean = (right - left) * np.exp(gammaln(2 / shape) - gammaln(1 / shape))
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def fit_asymmetric(samples: Array) -> tuple[Array, Array, Array]:
    """Fit asymmetric generalised Gaussians (AGGD, Eq. 7) to samples by matching moments.

    With s_l and s_r, the root mean squares of the negative and of the positive samples,
    g = s_l / s_r and r = mean(|x|)^2 / mean(x^2), alpha is the shape whose moment ratio (see
    `moment_ratio`) is nearest to R = r (g^3 + 1) (g + 1) / (g^2 + 1)^2, and
    beta = s sqrt(Gamma(1 / alpha) / Gamma(3 / alpha)) on either side. (N.-E. Lasmar, Y. Stitou,
    Y. Berthoumieu, "Multiscale skewed heavy tailed model for texture analysis", ICIP 2009.)

    Args:
        samples: `(n, samples)`; exact zeros count for neither side.

    Returns:
        alpha in 0.2..10 in steps of 0.001, beta_l and beta_r in the samples' unit, `(n,)` each.
        The scale of a side without samples is NaN, and alpha is then 0.2: the published program
        takes the first shape of all where it cannot distinguish them.
    """
    negative, positive = np.minimum(samples, 0.0), np.maximum(samples, 0.0)
    left, right = _root_mean_square(negative), _root_mean_square(positive)
    with np.errstate(invalid="ignore"):  # 0 / 0 of a row of zeros
        ratio = (positive - negative).mean(axis=1) ** 2 / np.square(samples).mean(axis=1)
    skew = left / right
    wanted = ratio * (skew**3 + 1) * (skew + 1) / (skew**2 + 1) ** 2
    shape = _shape_of(wanted)
    spread = np.exp(0.5 * (gammaln(1 / shape) - gammaln(3 / shape)))
    return shape, left * spread, right * spread


def _root_mean_square(samples: Array) -> Array:
    """Return the root mean square of each row's samples that are not 0; NaN where all are."""
    squares = np.einsum("ij,ij->i", samples, samples)
    with np.errstate(invalid="ignore"):
        root: Array = np.sqrt(squares / np.count_nonzero(samples, axis=1))
    return root


def moment_ratio(shape: Array) -> Array:
    """Return E(|x|)^2 / E(x^2) of generalised Gaussians: Gamma(2/a)^2 / (Gamma(1/a) Gamma(3/a)).

    Args:
        shape: alpha, any array; 2 is Gaussian, 1 is Laplacian.

    Returns:
        In 0..3/4, the more the higher alpha.
    """
    ratio: Array = np.exp(2 * gammaln(2 / shape) - gammaln(1 / shape) - gammaln(3 / shape))
    return ratio


_RATIOS: Final = moment_ratio(_SHAPES)


def _shape_of(ratios: Array) -> Array:
    """Return the shapes whose moment ratio is nearest, the first shape of all for NaN."""
    above = np.searchsorted(_RATIOS, ratios).clip(1, len(_RATIOS) - 1)
    is_below = ratios - _RATIOS[above - 1] <= _RATIOS[above] - ratios
    nearest = np.where(np.isnan(ratios), 0, above - is_below)
    return _SHAPES[nearest]
