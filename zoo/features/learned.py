"""LPIPS and DISTS: distances of features with weights learned from human judgements.

piq computes both; its own constructors download pickles, so here they are given their weights. The
networks are frozen and differentiable with respect to the images. Both take RGB in [0, 1] and
return 0 for equal images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import piq
import torch
from piq.functional import L2Pool2d, hann_filter
from piq.perceptual import EPS, VGG16_LAYERS, ContentLoss
from torch import Tensor, nn

from zoo.features.network import Prepared, filled
from zoo.weights import store
from zoo.weights.catalog import PARAMETERS, VGG16, describe
from zoo.weights.tensors import NOT_VERIFIED, tensors_sha256

_TRUNK: Final = "features"
_ALEXNET_LAYERS: Final = {"relu1": "1", "relu2": "4", "relu3": "7", "relu4": "9", "relu5": "11"}
_PLACES: Final[dict[str, str]] = {**VGG16_LAYERS, **_ALEXNET_LAYERS}
"""Position in the trunk of each layer that LPIPS compares."""
_DISTS_LAYERS: Final = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")
_DISTS_CHANNELS: Final = [3, 64, 128, 256, 512, 512]


class LPIPSNetwork(piq.LPIPS):  # type: ignore[misc]  # piq is untyped
    """piq's LPIPS on a trunk and linear weights that are given to it.

    R. Zhang et al., CVPR 2018, Eq. 1.

    Args:
        trunk: the convolutions of VGG16 or AlexNet, numbered as in torchvision.
        linear_weights: `(1, C, 1, 1)` for each layer that is compared, by its name.
    """

    def __init__(self, trunk: nn.Module, linear_weights: Mapping[str, Tensor]) -> None:
        ContentLoss.__init__(
            self,
            feature_extractor=trunk,
            layers=[_PLACES[layer] for layer in linear_weights],
            weights=list(linear_weights.values()),
            normalize_features=True,
        )

    @staticmethod
    def normalize(x: Tensor) -> Tensor:
        """Scale feature vectors to unit length.

        piq takes the root of a sum of squares, whose gradient is NaN where a pixel has no feature
        at all, and it is left to the ReLU before to hide it; that of a norm is 0.
        """
        length = torch.linalg.vector_norm(x, dim=1, keepdim=True)
        return x.div(length + float(EPS))


class DISTSNetwork(piq.DISTS):  # type: ignore[misc]  # piq is untyped
    """piq's DISTS on a trunk and weights that are given to it, at the size that images have.

    K. Ding et al., TPAMI 2020, Eq. 7. piq downscales images of more than 256 pixels first; the
    authors' own class does not, and neither does this one.

    Args:
        trunk: the convolutions of VGG16, numbered as in torchvision. Its poolings are replaced.
        alpha, beta: weights of texture and structure, `(1, 1475, 1, 1)` each; piq expects that
            together they sum to 1, and they are divided by their sum.
    """

    def __init__(self, trunk: nn.Module, alpha: Tensor, beta: Tensor) -> None:
        total = alpha.sum() + beta.sum()
        parts = [(each / total).split(_DISTS_CHANNELS, dim=1) for each in (alpha, beta)]
        ContentLoss.__init__(
            self,
            feature_extractor=trunk,
            layers=[VGG16_LAYERS[layer] for layer in _DISTS_LAYERS],
            weights=[*parts[0], *parts[1]],
            replace_pooling=True,
            normalize_features=False,
            allow_layers_weights_mismatch=True,
        )
        self._prepare_poolings()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return 1 - the similarity of `(N, 3, H, W)` images, RGB in [0, 1]; a scalar."""
        similarity: Tensor = ContentLoss.forward(self, x, y)
        return 1 - similarity

    def _prepare_poolings(self) -> None:
        """Make the poolings' kernels buffers, which follow the network to another device.

        piq makes each of the first image it sees, where that image is, and keeps it.
        """
        channels = 0
        for layer in self.model.children():
            channels = getattr(layer, "out_channels", channels)
            if isinstance(layer, L2Pool2d):
                kernel = hann_filter(layer.kernel_size).repeat((channels, 1, 1, 1))
                del layer.kernel
                layer.register_buffer("kernel", kernel, persistent=False)


def lpips_network(network: str, weights: str = "imagenet", *, fetch: bool = False) -> Prepared:
    """Build LPIPS on a trunk.

    Args:
        network: `vgg16` or `alexnet`.
        weights: of the trunk, see `zoo.weights.store`. With `random` ones every linear weight is 1.
        fetch: whether weights that are not here are downloaded.

    Raises:
        WeightsError: if they are not here and cannot be downloaded.
        IntegrityError: if a file is not what it was.
    """
    if weights == "random":
        names = PARAMETERS["lpips"].group(network)
        shapes = PARAMETERS["lpips"].shapes
        linear = {name.partition(".")[2]: torch.ones(shapes[name]) for name in names}
        learned = store.LoadedWeights(linear, "random")
    else:
        learned = store.load_parameters("lpips", network, fetch=fetch)
    deepest = max(int(_PLACES[layer]) for layer in learned.tensors)
    trunk, provenance = _trunk(network, weights, deepest, fetch=fetch)
    provenance |= {
        "linear_sha256": tensors_sha256(learned.tensors),
        "linear_verified": learned.verified or NOT_VERIFIED,
    }
    return Prepared(LPIPSNetwork(trunk, learned.tensors), provenance)


def dists_network(weights: str = "imagenet", *, fetch: bool = False) -> Prepared:
    """Build DISTS on VGG16; the arguments and errors are those of `lpips_network`.

    With `random` weights, alpha and beta are equal for all channels.
    """
    if weights == "random":
        shapes = PARAMETERS["dists"].shapes
        learned = store.LoadedWeights({n: torch.ones(s) for n, s in shapes.items()}, "random")
    else:
        learned = store.load_parameters("dists", fetch=fetch)
    deepest = int(VGG16_LAYERS[_DISTS_LAYERS[-1]])
    trunk, provenance = _trunk(VGG16, weights, deepest, fetch=fetch)
    provenance |= {
        "parameters_sha256": tensors_sha256(learned.tensors),
        "parameters_verified": learned.verified or NOT_VERIFIED,
    }
    return Prepared(DISTSNetwork(trunk, **learned.tensors), provenance)


def _trunk(
    network: str, weights: str, deepest: int, *, fetch: bool
) -> tuple[nn.Module, dict[str, str]]:
    """Return the convolutions of a network up to a layer, and what is known of their weights."""
    loaded = store.load(network, weights, fetch=fetch)
    with torch.device("meta"):
        layers = list(describe(network).create().get_submodule(_TRUNK).children())
    trunk = filled(nn.Sequential(*layers[: deepest + 1]), loaded.tensors, f"{_TRUNK}.")
    # a third less time on a CPU than the other layout
    return trunk.to(memory_format=torch.channels_last), {
        "network": network,
        "weights": loaded.source,
        "sha256": tensors_sha256(trunk.state_dict()),
        "verified": loaded.verified or NOT_VERIFIED,
        "piq": piq.__version__,
    }
