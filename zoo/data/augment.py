"""The eight symmetries of the square, applied equally to a low- and a high-resolution patch.

Not here: which symmetry a sample gets (`zoo.data.sampling`).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]


def dihedral(image: Image, *, flip: bool, quarter_turns: int) -> Image:
    """Mirror an image left to right if asked, then turn it.

    Args:
        image: `(H, W, C)` or `(H, W)`.
        flip: whether to mirror first.
        quarter_turns: turns by 90 degrees counter-clockwise, any whole number.

    Returns:
        The image as a view of the same pixels; sides exchanged if the number of turns is odd.
    """
    return np.rot90(image[:, ::-1] if flip else image, quarter_turns)


def copy_image(source: Image, target: Image) -> None:
    """Copy an image into another; fast where the source is mirrored or turned.

    Rows that are in memory as they are to lie are copied whole. Others go channel by channel: for
    whole pixels numpy would begin a loop of three bytes for each of them, four times slower.

    Args:
        source: `(H, W, C)`, a view in any order.
        target: `(H, W, C)`, contiguous; written to.
    """
    if source.strides[1:] == target.strides[1:]:
        target[:] = source
        return
    for channel in range(target.shape[2]):
        target[:, :, channel] = source[:, :, channel]
