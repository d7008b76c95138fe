"""The cost of a generator compared with the reference, measured alternately in one process.

Not here: how a cost is measured (`zoo.cost.measure`); a suite's table of costs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch

from zoo.cost.measure import measure_time, measured_cost
from zoo.generators import REFERENCE
from zoo.generators.base import Generator
from zoo.registry import REGISTRIES

COMPARED: Final = {
    "ms_per_megapixel": "time, ms per megapixel of output",
    "peak_memory": "peak memory, MB",
    "parameters": "parameters",
    "macs": "MACs, in billions",
}
_UNITS: Final = {"peak_memory": 1e6, "macs": 1e9}
ROUNDS = 3
SIDE: Final = 64
USUAL_SCALE = 4


@dataclass(frozen=True, slots=True)
class CostComparison:
    """One cost of a generator and of the reference.

    Attributes:
        key: its name in `zoo.cost.measure`.
        label: description with the unit.
        own: the generator's figure, in that unit.
        reference: the reference's figure.
    """

    key: str
    label: str
    own: float
    reference: float

    @property
    def ratio(self) -> float | None:
        """The ratio to the reference; None if that is 0."""
        return self.own / self.reference if self.reference else None


def reference_name() -> str:
    """Return the name of the reference generator."""
    return REFERENCE


def compare_cost(component: type[Generator], arguments: dict[str, Any]) -> list[CostComparison]:
    """Measure a generator and the reference at its defaults, alternately, on the CPU.

    Both upscale an image of 64x64 pixels, by 4 if the generator can. The minimum of each one's
    times
    counts, because other work on the machine only adds time.

    Args:
        component: the generator's class.
        arguments: constructor arguments without `scale`.
    """
    scale = USUAL_SCALE if USUAL_SCALE in component.scales else max(component.scales)
    reference = REGISTRIES["generators"].get(REFERENCE)
    device = torch.device("cpu")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pair = [component(**{**arguments, "scale": scale}).eval(), reference(scale=scale).eval()]
    costs = [measured_cost(each, scale=scale, device=device, side=SIDE) for each in pair]
    for _ in range(ROUNDS - 1):
        for cost, each in zip(costs, pair, strict=True):
            timing = measure_time(each, scale=scale, device=device, side=SIDE)
            cost["ms_per_megapixel"] = min(cost["ms_per_megapixel"], timing.ms_per_megapixel)
    return [
        CostComparison(key, label, *(cost[key] / _UNITS.get(key, 1) for cost in costs))
        for key, label in COMPARED.items()
        if all(key in cost for cost in costs)
    ]
