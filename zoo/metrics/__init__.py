"""Metrics: scores of a super-resolved image against its ground truth.

Importing this package imports no torch: names may be checked at once.
"""

import math
from collections.abc import Iterable
from typing import Final

from zoo.errors import RecipeError

BUILTINS = {
    "psnr-y": "zoo.metrics.fidelity:PSNRY",
    "ssim-y": "zoo.metrics.fidelity:SSIMY",
    "psnr-rgb": "zoo.metrics.fidelity:PSNRRGB",
    "ssim-rgb": "zoo.metrics.fidelity:SSIMRGB",
    "haarpsi": "zoo.metrics.perceptual:HaarPSI",
    "ms-gmsd": "zoo.metrics.perceptual:MSGMSD",
    "lpips": "zoo.metrics.learned:LPIPS",
    "lpips-alex": "zoo.metrics.learned:LPIPSAlex",
    "dists": "zoo.metrics.learned:DISTS",
    "niqe": "zoo.metrics.naturalness:NIQE",
    "lite1-distance": "zoo.metrics.learned:Lite1Distance",
    "lr-psnr": "zoo.metrics.consistency:LRPSNR",
    "hf-energy": "zoo.metrics.spectrum:HighFrequencyEnergy",
}

ON_REQUEST: Final = frozenset({"dists"})
"""Metrics that a suite scores by only where it names them, or `--metrics` does.

DISTS takes as long as LPIPS on VGG16, which it resembles."""

# Per-image scores that need the generator itself and not only its output, so that no `Metric` can
# compute them: names as claims write them, and the labels of their columns. What they measure is
# in `zoo.bench.probes`; their keys in records are made as a metric's are (`statistics_gap`).
PROBES: Final[dict[str, str]] = {"statistics-gap": "Statistics gap"}


PANELS: Final[dict[str, tuple[str, ...]]] = {
    "perceptual": (
        "lpips",
        "lpips-alex",
        "dists",
        "lite1-distance",
        "haarpsi",
        "niqe",
        "lr-psnr",
    )
}
"""Names that stand for several metrics."""

ROUNDING: Final = 1e-5
"""How far beyond its range a score may be, in parts of the range: float32 rounds."""


def named_metrics(words: Iterable[str]) -> list[str]:
    """Return the metrics that words name, each once: names with commas between them, or panels.

    Raises:
        RecipeError: if one of the names is empty.
    """
    names = [name.strip() for word in words for name in word.split(",")]
    if not all(names):
        raise RecipeError("the name of a metric is empty; write them as psnr-y,lpips-alex")
    return list(dict.fromkeys(m for name in names for m in PANELS.get(name, (name,))))


def is_in_range(score: float, limits: tuple[float, float] | None) -> bool:
    """Return whether a score is a number in its range, but for rounding; None has no ends."""
    low, high = limits or (-math.inf, math.inf)
    room = ROUNDING * (high - low) if math.isfinite(high - low) else 0.0
    return math.isfinite(score) and low - room <= score <= high + room


def metric_key(name: str) -> str:
    """Return the key of a metric in records and tables: `psnr-y` is `psnr_y`."""
    return name.replace("-", "_")
