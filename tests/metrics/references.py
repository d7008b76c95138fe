"""The reference implementations: the authors' packages `lpips` and `dists-pytorch`.

Their constructors would download the trunk; here it comes from the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import DISTS_pytorch
import lpips
import pytest
import torch
from DISTS_pytorch import DISTS_pt
from lpips import pretrained_networks
from torch import Tensor, nn

from tests.features.made_up import filled_convolutions

Distance = Callable[[Tensor, Tensor], float]
"""Compares `(1, 3, H, W)` images, RGB in [0, 1]."""
NAMES = {"vgg16": "vgg", "alexnet": "alex"}


def lpips_class(network: str, trunk: Mapping[str, Tensor]) -> lpips.LPIPS:
    """Return the class of the package `lpips`, with the linear weights it carries.

    Args:
        network: `vgg16` or `alexnet`.
        trunk: its weights under torchvision's names.
    """
    features = filled_convolutions(network, trunk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            pretrained_networks.tv, network, lambda **_: SimpleNamespace(features=features)
        )
        return lpips.LPIPS(net=NAMES[network], pnet_rand=True, verbose=False).eval()


def reference_lpips(
    network: str, trunk: Mapping[str, Tensor], linear: Mapping[str, Tensor] | None = None
) -> Distance:
    """Return LPIPS as the package `lpips` computes it.

    Args:
        network: `vgg16` or `alexnet`.
        trunk: its weights under torchvision's names.
        linear: weights by layer, in place of those inside the package.
    """
    model = lpips_class(network, trunk)
    if linear is not None:
        for layer, weight in zip(model.lins, linear.values(), strict=True):
            layer.model[-1].weight = nn.Parameter(weight.clone(), requires_grad=False)

    @torch.inference_mode()
    def distance(first: Tensor, second: Tensor) -> float:
        return float(model(2 * first - 1, 2 * second - 1))

    return distance


def reference_dists(
    trunk: Mapping[str, Tensor], weights: Mapping[str, Tensor] | None = None
) -> Distance:
    """Return DISTS as the package `dists-pytorch` computes it.

    Args:
        trunk: weights of VGG16 under torchvision's names.
        weights: alpha and beta, in place of those inside the package.
    """
    features = filled_convolutions("vgg16", trunk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DISTS_pt.models, "vgg16", lambda **_: SimpleNamespace(features=features))
        model = DISTS_pt.DISTS(load_weights=False).eval()
    if weights is None:
        file = Path(next(iter(DISTS_pytorch.__path__))) / "weights.pt"
        weights = torch.load(file, weights_only=True)
    model.alpha.data, model.beta.data = weights["alpha"].clone(), weights["beta"].clone()

    @torch.inference_mode()
    def distance(first: Tensor, second: Tensor) -> float:
        return float(model(first, second))

    return distance
