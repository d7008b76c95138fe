"""Images: finding, downloading, decoding, downscaling, storing and sampling them.

Only `zoo.data.stream` imports torch. Nothing here trains or scores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

BUILT_IN_SOURCES: Final = ("samples", "div2k")
"""Names of sources whose held-out images are fixed, whatever a run validates on."""
Progress = Callable[[int, int], None]
"""Called with the units done and the total while a long task runs."""
