"""The eight symmetries of the square, applied alike to a low- and a high-resolution patch.

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
        The image, contiguous; sides exchanged if the number of turns is odd.
    """
    mirrored = image[:, ::-1] if flip else image
    return np.ascontiguousarray(np.rot90(mirrored, quarter_turns))
