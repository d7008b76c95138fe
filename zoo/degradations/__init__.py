"""Degradations: how a low-resolution image is made from a high-resolution one (internal)."""

BUILTINS = {
    "bicubic": "zoo.degradations.bicubic:Bicubic",
    "blur": "zoo.degradations.blur:Blur",
    "bsrgan": "zoo.degradations.bsrgan:BSRGAN",
    "chain": "zoo.degradations.chain:Chain",
    "jpeg": "zoo.degradations.jpeg:JPEG",
    "noise": "zoo.degradations.noise:Noise",
    "real-esrgan": "zoo.degradations.real_esrgan:RealESRGAN",
}
