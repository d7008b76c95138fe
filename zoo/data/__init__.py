"""Images: finding, downloading, decoding, downscaling, storing and sampling them.

Only `zoo.data.stream` imports torch. Nothing here trains or scores.

Internal.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BUILT_IN_SOURCES: Final = ("samples", "div2k")
"""Names of sources that say themselves which images are held out, whatever is validated on."""
Progress = Callable[[int, int], None]
"""Called with (units done, units in all) while something long continues."""
