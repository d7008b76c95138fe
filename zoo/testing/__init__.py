"""Public contracts: what every component must do, as classes a plugin's author subclasses.

    from zoo.testing import GeneratorContract
    from my_net import MyNet

    class TestMyNet(GeneratorContract):
        component = MyNet
        arguments = {"width": 8}

pytest collects the `test_*` methods; they need no pytest themselves: a broken promise is an
`AssertionError` with a sentence, what cannot be checked here is `unittest.SkipTest`. `zoo check`
runs the same methods. Not here: the tests of zoo itself, which use these classes too.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from zoo.testing.adversaries import AdversaryContract
    from zoo.testing.degradations import DegradationContract
    from zoo.testing.discriminators import DiscriminatorContract
    from zoo.testing.generators import GeneratorContract
    from zoo.testing.losses import LossContract
    from zoo.testing.metrics import MetricContract

__all__ = [
    "AdversaryContract",
    "DegradationContract",
    "DiscriminatorContract",
    "GeneratorContract",
    "LossContract",
    "MetricContract",
]

_HOMES = {
    "AdversaryContract": "zoo.testing.adversaries",
    "DegradationContract": "zoo.testing.degradations",
    "DiscriminatorContract": "zoo.testing.discriminators",
    "GeneratorContract": "zoo.testing.generators",
    "LossContract": "zoo.testing.losses",
    "MetricContract": "zoo.testing.metrics",
}


def __getattr__(name: str) -> Any:
    """Import a contract on first use (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the contracts, those not yet imported among them."""
    return sorted({*globals(), *__all__})
