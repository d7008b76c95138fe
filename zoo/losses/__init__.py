"""Losses: content and perceptual terms of the generator."""

from collections.abc import Mapping
from typing import Final

from zoo.weights.catalog import CATALOG

BUILTINS = {
    "dists": "zoo.losses.learned:DISTS",
    "l1": "zoo.losses.pixel:L1",
    "lpips": "zoo.losses.learned:LPIPS",
    "mse": "zoo.losses.pixel:MSE",
    "perceptual": "zoo.losses.perceptual:Perceptual",
    "vgg16": "zoo.losses.perceptual:VGG16",
    "vgg19": "zoo.losses.perceptual:VGG19",
}
KEPT_BY_ALIKE: Final[dict[frozenset[str], tuple[str, ...]]] = {
    frozenset({"vgg16", "vgg19"}): ("before_activation", "criterion", "feature_scale"),
}
"""Arguments that a loss keeps from an alike one whose place it takes; which layers it compares is
not among them, for it has other layers."""


def stand_ins(components: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the losses that compare by another network than they are named for, and by which.

    A profile may put VGG16 in the place of VGG19, whose weights are harder to have.

    Args:
        components: provenance of a run's components by their names, as runs record it.
    """
    return {
        name: f"{known['network']} ({known.get('layer', 'layer not stated')})"
        for name, known in components.items()
        if name in CATALOG and known.get("network", name) != name
    }
