"""What every registered metric must do, built in or not."""

from __future__ import annotations

import pytest

from zoo.registry import METRICS
from zoo.testing import MetricContract

NAMES = [
    pytest.param(name, marks=pytest.mark.slow) if METRICS.get(name).networks else name
    for name in METRICS.names()
]


@pytest.mark.parametrize("name", NAMES)
class TestEveryMetric(MetricContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str) -> None:
        self.component, self.arguments = METRICS.get(name), {}
