"""What every registered degradation must do, built in or not."""

from __future__ import annotations

from typing import Any

import pytest

from zoo.registry import DEGRADATIONS
from zoo.testing import DegradationContract

STEPS = {"steps": [{"name": "blur", "sigma": [0.5, 1.0]}, {"name": "noise"}, {"name": "jpeg"}]}
CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, STEPS if name == "chain" else {}) for name in DEGRADATIONS.names()),
    ("blur", {"sigma": (1.6, 1.6)}),
    ("blur", {"sigma": (0.0, 0.0)}),
    ("jpeg", {"quality": (40, 40)}),
]


@pytest.mark.parametrize(("name", "arguments"), CASES)
class TestEveryDegradation(DegradationContract):
    @pytest.fixture(autouse=True)
    def _choose(self, name: str, arguments: dict[str, Any]) -> None:
        self.component, self.arguments = DEGRADATIONS.get(name), arguments
