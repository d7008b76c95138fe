"""Metrics: scores of a super-resolved image against its ground truth."""

BUILTINS = {
    "psnr-y": "zoo.metrics.fidelity:PSNRY",
    "ssim-y": "zoo.metrics.fidelity:SSIMY",
    "psnr-rgb": "zoo.metrics.fidelity:PSNRRGB",
    "ssim-rgb": "zoo.metrics.fidelity:SSIMRGB",
    "haarpsi": "zoo.metrics.perceptual:HaarPSI",
    "ms-gmsd": "zoo.metrics.perceptual:MSGMSD",
}
