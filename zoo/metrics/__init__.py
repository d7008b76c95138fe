"""Metrics: scores of a super-resolved image against its ground truth.

Importing this package imports no torch: names may be checked at once.
"""

from typing import Final

BUILTINS = {
    "psnr-y": "zoo.metrics.fidelity:PSNRY",
    "ssim-y": "zoo.metrics.fidelity:SSIMY",
    "psnr-rgb": "zoo.metrics.fidelity:PSNRRGB",
    "ssim-rgb": "zoo.metrics.fidelity:SSIMRGB",
    "haarpsi": "zoo.metrics.perceptual:HaarPSI",
    "ms-gmsd": "zoo.metrics.perceptual:MSGMSD",
    "lpips": "zoo.metrics.learned:LPIPS",
    "lite1-distance": "zoo.metrics.learned:Lite1Distance",
    "lr-psnr": "zoo.metrics.consistency:LRPSNR",
    "hf-energy": "zoo.metrics.spectrum:HighFrequencyEnergy",
}

# Per-image scores that need the generator itself and not only its output, so that no `Metric` can
# compute them: names as claims write them, and the labels of their columns. What they measure is
# in `zoo.bench.probes`; their keys in records are made as a metric's are (`statistics_gap`).
PROBES: Final[dict[str, str]] = {"statistics-gap": "Statistics gap"}


def metric_key(name: str) -> str:
    """Return the key of a metric in records and tables: `psnr-y` is `psnr_y`."""
    return name.replace("-", "_")
