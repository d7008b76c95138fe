"""What every registered loss must do, built in or not."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.registry import LOSSES
from zoo.testing import LossContract

RANDOM = {"weights": "random"}
SEVERAL = {"conv1_2": 0.1, "conv2_2": 1}
NETWORKS: dict[str, dict[str, Any]] = {
    "vgg19": {"layer": "conv2_2", **RANDOM},
    "vgg16": {"layer": "conv5_3", **RANDOM},
    "lpips": RANDOM,
    "dists": RANDOM,
    "perceptual": {},
}
OTHERS: list[tuple[str, dict[str, Any]]] = [
    ("vgg19", {"layers": SEVERAL, "before_activation": False, **RANDOM}),
    ("vgg16", {"layers": SEVERAL, "criterion": "l1", **RANDOM}),
    ("lpips", {"network": "alexnet", **RANDOM}),
    ("perceptual", {"layers": {"blocks.0": 1, "blocks.2": 0.1}}),
]
"""Losses with other arguments than the ones above."""
CASES = [
    *((name, NETWORKS.get(name, {})) for name in LOSSES.names()),
    *(pytest.param(*other, marks=pytest.mark.slow) for other in OTHERS),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
class TestEveryLoss(LossContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str, arguments: dict[str, Any]) -> None:
        self.component, self.arguments = LOSSES.get(name), arguments
