"""What every registered loss must do, built in or not."""

from __future__ import annotations

import pytest

from zoo.registry import LOSSES
from zoo.testing import LossContract

RANDOM = {"weights": "random"}
NETWORKS = {"vgg19": {"layer": "conv2_2", **RANDOM}, "perceptual": {}}
NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if name in NETWORKS else name
    for name in LOSSES.names()
]


@pytest.mark.parametrize("name", NAMES)
class TestEveryLoss(LossContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self.component, self.arguments = LOSSES.get(name), NETWORKS.get(name, {})
