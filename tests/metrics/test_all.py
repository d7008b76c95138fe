"""What every registered metric must do, built in or not."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.registry import METRICS
from zoo.testing import MetricContract
from zoo.weights.catalog import PARAMETERS

PARAMETRIC = [name for name in METRICS.names() if set(METRICS.get(name).needs) & set(PARAMETERS)]
"""Metrics with parameters that no installed package brings."""


@pytest.mark.parametrize("name", METRICS.names())
class TestEveryMetric(MetricContract):
    """On made-up weights where it takes weights that no installed package brings."""

    @pytest.fixture(autouse=True)
    def _choose(self, name: str, filled_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZOO_HOME", str(filled_home))
        self.component, self.arguments = METRICS.get(name), {}


@pytest.mark.slow
@pytest.mark.parametrize("name", PARAMETRIC)
class TestEveryMetricOnRealWeights(MetricContract):
    """On those that are published."""

    @pytest.fixture(autouse=True)
    def _choose(self, name: str, real_weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("ZOO_HOME", str(real_weights.parent))
        self.component, self.arguments = METRICS.get(name), {}
