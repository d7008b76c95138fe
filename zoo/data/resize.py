"""MATLAB's `imresize(image, scale, 'bicubic')` for uint8 images and whole factors, bit for bit.

Here: the kernel, its taps and the two passes. Not here: anything on tensors (the `bicubic`
generator has its own differentiable form) and any other resampling.

MATLAB stretches Keys' cubic by the factor when it downscales (antialiasing), normalises the weights
of each output pixel, handles the height first, and, for uint8 images, **rounds to uint8 between the
passes**. Taps outside the image are clamped to its edge. With all five, the low-resolution files
that the field publishes are reproduced without one differing pixel.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from zoo.errors import ShapeError

Image = npt.NDArray[np.uint8]
KERNEL_WIDTH = 4  # support of Keys' cubic, in pixels of the coarser grid
_STRIP_LEVELS = 1 << 20


def downscale(image: Image, scale: int) -> Image:
    """Downscale by a whole factor as `imresize(image, 1/scale, 'bicubic')` does.

    Args:
        image: `(H, W, C)` or `(H, W)` in 0..255, H and W multiples of `scale`.
        scale: the factor, at least 1.

    Returns:
        `(H/scale, W/scale, C)` or `(H/scale, W/scale)`.

    Raises:
        ShapeError: if a side is not a multiple of the factor (see `crop_to_multiple`).
    """
    height, width = _checked_size(image, scale)
    if height % scale or width % scale:
        raise ShapeError(
            f"cannot shrink {height}x{width} pixels by {scale}: both sides must be multiples of it"
        )
    return _resize(image, height // scale, width // scale)


def upscale(image: Image, scale: int) -> Image:
    """Enlarge by a whole factor as `imresize(image, scale, 'bicubic')` does.

    Args:
        image: `(h, w, C)` or `(h, w)` in 0..255.
        scale: the factor, at least 1.

    Returns:
        `(h*scale, w*scale, C)` or `(h*scale, w*scale)`.
    """
    height, width = _checked_size(image, scale)
    return _resize(image, height * scale, width * scale)


def crop_to_multiple(image: Image, scale: int) -> Image:
    """Cut the bottom and right so that both sides are multiples of `scale` (a view).

    Args:
        image: `(H, W, C)` or `(H, W)`.
        scale: the factor.

    Raises:
        ShapeError: if nothing would remain.
    """
    height, width = _checked_size(image, scale)
    if height < scale or width < scale:
        raise ShapeError(f"an image of {height}x{width} pixels is smaller than the scale {scale}")
    return image[: height - height % scale, : width - width % scale]


def cubic(distance: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Evaluate Keys' cubic convolution kernel with a = -1/2.

    R. Keys, "Cubic convolution interpolation for digital image processing", IEEE Transactions on
    Acoustics, Speech, and Signal Processing 29 (1981), equation 15.

    Args:
        distance: offsets from the centre, in pixels of the coarser grid, any shape.

    Returns:
        Weights of the same shape; zero from a distance of 2 on.
    """
    d = np.abs(distance)
    near = (1.5 * d - 2.5) * d * d + 1.0
    far = ((-0.5 * d + 2.5) * d - 4.0) * d + 2.0
    return np.where(d <= 1.0, near, np.where(d < 2.0, far, 0.0))


def taps(size: int, new_size: int) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.float64]]:
    """Return which pixels each output pixel of one axis reads, and with what weights.

    Args:
        size: pixels along the axis now.
        new_size: pixels along the axis wanted.

    Returns:
        Indices and weights, both `(new_size, taps)`; each row of weights sums to 1.
    """
    ratio = new_size / size
    stretch = min(ratio, 1.0)
    # Pixel centres lie at half integers: output centre (i + 1/2) maps to (i + 1/2) / ratio.
    centres = (np.arange(new_size) + 0.5) / ratio - 0.5
    support = KERNEL_WIDTH / stretch
    first = np.floor(centres - support / 2).astype(np.intp)
    indices = first[:, None] + np.arange(int(np.ceil(support)) + 2)
    weights = cubic((centres[:, None] - indices) * stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    used = weights.any(axis=0)
    return np.clip(indices[:, used], 0, size - 1), weights[:, used]


def _resize(image: Image, new_height: int, new_width: int) -> Image:
    return _resize_axis(_resize_axis(image, new_height, axis=0), new_width, axis=1)


def _resize_axis(image: Image, new_size: int, *, axis: int) -> Image:
    indices, weights = taps(image.shape[axis], new_size)
    shape = list(image.shape)
    shape[axis] = new_size
    resized = np.empty(shape, dtype=np.uint8)
    # Sums are of 8 bytes a level: those of a large photograph are made strip by strip.
    step = max(1, _STRIP_LEVELS * image.shape[1 - axis] // max(1, resized.size))
    for start in range(0, image.shape[1 - axis], step):
        strip = (slice(None),) * (1 - axis) + (slice(start, start + step),)
        resized[strip] = _resize_strip(image[strip], indices, weights, axis)
    return resized


def _resize_strip(
    strip: Image, indices: npt.NDArray[np.intp], weights: npt.NDArray[np.float64], axis: int
) -> Image:
    shape = list(strip.shape)
    shape[axis] = len(indices)
    along = [1] * strip.ndim
    along[axis] = len(indices)
    total = np.zeros(shape, dtype=np.float64)
    # One gather per tap: 16 for a factor of 4, whatever the image's size.
    for tap in range(indices.shape[1]):
        total += strip.take(indices[:, tap], axis=axis) * weights[:, tap].reshape(along)
    # MATLAB rounds halves away from zero; numpy.round would round them to even.
    return np.clip(np.floor(total + 0.5), 0, 255).astype(np.uint8)


def _checked_size(image: Image, scale: int) -> tuple[int, int]:
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or 0 in image.shape:
        raise ShapeError(
            f"expected a uint8 image (H, W) or (H, W, C), got {image.dtype} {image.shape}"
        )
    if scale < 1:
        raise ShapeError(f"the scale must be at least 1, got {scale}")
    return image.shape[0], image.shape[1]
