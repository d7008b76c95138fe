"""A scoring script as the field writes it: image after image, score after score, on the CPU.

The generator runs on the device; its result is fetched, rounded and kept as an array, as if it had
been saved. It shares with zoo the bicubic shrinking, MATLAB's, and nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import piq
import timm
import torch
from PIL import Image
from torch import Tensor, nn

from zoo.data.resize import downscale
from zoo.weights import store
from zoo.weights.catalog import describe

SCALE = 4
SCORES = (
    "psnr-y", "ssim-y", "psnr-rgb", "ssim-rgb", "haarpsi", "ms-gmsd", "lite1-distance", "lr-psnr",
    "hf-energy",
)  # fmt: skip
LITE1 = "efficientnet-lite1"
SSIM: dict[str, Any] = {"data_range": 255.0, "downsample": False}


def lite1_network() -> nn.Module:
    """Return EfficientNet-Lite1's features on the CPU, as timm builds it."""
    network: nn.Module = timm.create_model(describe(LITE1).architecture, features_only=True)
    network.load_state_dict(store.load(LITE1, "package").tensors, strict=False)
    return network.eval()


@torch.no_grad()
def loop_scores(
    network: nn.Module, files: Sequence[tuple[Path, Path]], device: torch.device, lite1: nn.Module
) -> dict[str, dict[str, float]]:
    """Score a generator on pairs of HR and LR files; return the scores by image."""
    found = {}
    for hr_file, lr_file in files:
        hr_array, lr_array = (np.asarray(Image.open(file)) for file in (hr_file, lr_file))
        sr_image = network(tensor(lr_array).div(255.0).to(device)).clamp(0, 1).cpu()
        sr_array = (sr_image[0].permute(1, 2, 0).numpy() * 255.0 + 0.5).astype(np.uint8)
        found[hr_file.stem] = _scores(sr_array, hr_array, lr_array, lite1)
    return found


def _scores(
    sr_array: np.ndarray, hr_array: np.ndarray, lr_array: np.ndarray, lite1: nn.Module
) -> dict[str, float]:
    cut = slice(SCALE, -SCALE)
    arrays = [array[cut, cut] for array in (sr_array, hr_array)]
    sr_y, hr_y = (tensor(luma(array)) for array in arrays)
    sr, hr = (tensor(array) for array in arrays)
    shrunk = downscale(sr_array, SCALE)
    return {
        "psnr-y": piq.psnr(sr_y.double(), hr_y.double(), data_range=255.0).item(),
        "ssim-y": piq.ssim(sr_y, hr_y, **SSIM).item(),
        "psnr-rgb": piq.psnr(sr.double(), hr.double(), data_range=255.0).item(),
        "ssim-rgb": piq.ssim(sr, hr, **SSIM).item(),
        "haarpsi": piq.haarpsi(sr, hr, data_range=255.0).item(),
        "ms-gmsd": piq.multi_scale_gmsd(sr, hr, data_range=255.0).item(),
        "lite1-distance": _lite1_distance(sr, hr, lite1),
        "lr-psnr": piq.psnr(
            tensor(shrunk).double(), tensor(lr_array).double(), data_range=255.0
        ).item(),
        "hf-energy": 10 * math.log10((_power(luma(arrays[0])) + 1 / 12)
                                     / (_power(luma(arrays[1])) + 1 / 12)),
    }  # fmt: skip


def tensor(array: np.ndarray) -> Tensor:
    """Return `(1, C, H, W)` float32 in 0..255."""
    planes = array[:, :, None] if array.ndim == 2 else array
    return torch.from_numpy(planes.transpose(2, 0, 1).copy()).unsqueeze(0).float()


def luma(array: np.ndarray) -> np.ndarray:
    """Return the BT.601 luma of `(H, W, 3)` or `(H, W)` uint8, rounded, 16..235."""
    levels = 16.0 + (array.astype(np.float64) @ (65.481, 128.553, 24.966)) / 255.0
    return (levels + 0.5).astype(np.uint8)


def _lite1_distance(sr: Tensor, hr: Tensor, lite1: nn.Module) -> float:
    total = 0.0
    for first, second in zip(lite1((sr - 127) / 128), lite1((hr - 127) / 128), strict=True):
        units = (
            one / (one.square().sum(1, keepdim=True).sqrt() + 1e-10) for one in (first, second)
        )
        total += (next(units) - next(units)).square().sum(1).mean().item()
    return total / 5


def _power(luma: np.ndarray) -> float:
    """Return the power per pixel above the low-resolution grid's Nyquist frequency."""
    window = np.outer(*(np.hanning(side) for side in luma.shape))
    spectrum = np.fft.fft2((luma - luma.mean()) * window)
    rows, columns = (np.abs(np.fft.fftfreq(side)) > 0.5 / SCALE for side in luma.shape)
    high = rows[:, None] | columns
    return float((np.abs(spectrum) ** 2)[high].sum() / (luma.size * np.square(window).sum()))
