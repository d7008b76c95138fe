"""The contract of metrics: `MetricContract`."""

from __future__ import annotations

import math
from typing import Any
from unittest import SkipTest

import torch
import torch.nn.functional as F
from torch import Tensor

from zoo.metrics import is_in_range
from zoo.metrics.base import Comparison, Metric
from zoo.testing.contract import Contract, images, require, require_untouched

SCALE = 4
SIDE = 96
"""Side in pixels of the images of most checks; larger if the metric needs it."""


class MetricContract(Contract):
    """A number for one image, with its meaning declared."""

    kind = "metrics"
    component: type[Metric]

    def build(self, *, seed: int = 0, **changes: Any) -> Metric:
        """Build the metric; skip the check if it is not available here."""
        metric: Metric = super().build(seed=seed, **changes)
        reason = metric.unavailable()
        if reason is not None:
            raise SkipTest(reason)
        return metric

    def comparison(self, *, side: int | None = None, seed: int = 1) -> Comparison:
        """Return a real image, `(3, H, W)` with details of all sizes, compared to itself."""
        side = side or max(SIDE, _least_side(self.component))
        hr_image = _picture(side, side + SCALE, seed)
        lr_image = F.avg_pool2d(hr_image.unsqueeze(0), SCALE).squeeze(0)
        return Comparison(hr_image, hr_image, lr_image, SCALE)

    def test_declared_facts(self) -> None:
        """Label, unit, direction, range and smallest side are declared and make sense."""
        metric = self.component
        require(isinstance(metric.label, str), "`label` is not text")
        require(isinstance(metric.unit, str), "`unit` is not text")
        known = metric.higher_is_better in (True, False, None)
        require(known, "`higher_is_better` is neither True, False nor None")
        limits = metric.value_range
        ordered = limits is None or (len(limits) == 2 and limits[0] < limits[1])
        require(ordered, f"`value_range` is {limits!r}, not (smallest, largest) or None")
        sided = isinstance(metric.min_side, int) and metric.min_side >= 1
        require(sided, f"`min_side` is {metric.min_side!r}")
        direction = {True: "higher is better", False: "lower is better", None: "0 is best"}
        reach = "no bound known" if limits is None else f"{limits[0]:g} to {limits[1]:g}"
        unit = f" {metric.unit}" if metric.unit else ""
        self.measured = f"{direction[metric.higher_is_better]}, {reach}{unit}"

    def test_finite_number(self) -> None:
        """A score is a finite `float`, and both images keep their values."""
        metric, one = self.build(), self._noisy(self.comparison())
        before = one.sr_image.clone(), one.hr_image.clone()
        value = metric.score(one)
        require(type(value) is float, f"it is a {type(value).__name__}, not a float")
        require(math.isfinite(value), f"it is {value}")
        require_untouched(one.sr_image, before[0], "the generated image")
        require_untouched(one.hr_image, before[1], "the real image")
        self.measured = f"{value:.4g} for a little noise"

    def test_best_at_the_real_image(self) -> None:
        """No degraded image scores better than the real one."""
        metric, same = self.build(), self.comparison()
        best = metric.score(same)
        values = {name: metric.score(each) for name, each in self._degraded(same).items()}
        for name, value in values.items():
            better = _loss_of(self.component, value) < _loss_of(self.component, best) - 1e-6
            require(not better, f"{name} scores {value:.4g}, but the real image scores {best:.4g}")
        self.measured = f"{best:.4g}; " + ", ".join(f"{n} {v:.4g}" for n, v in values.items())

    def test_range(self) -> None:
        """Scores stay in the declared range."""
        metric, same = self.build(), self.comparison()
        limits = self.component.value_range
        if limits is None:
            raise SkipTest("it declares no range")
        for name, one in {"the real image": same, **self._degraded(same)}.items():
            value = metric.score(one)
            require(
                is_in_range(value, limits),
                f"{name} scores {value:.6g}, outside {limits[0]:g} to {limits[1]:g}",
            )

    def test_smallest_image(self) -> None:
        """An image of the smallest declared side, after the border is cut, gets a score."""
        side = _least_side(self.component)
        value = self.build().score(self._noisy(self.comparison(side=side)))
        require(math.isfinite(value), f"a {side}x{side + SCALE} image scores {value}")
        self.measured = f"{side}x{side + SCALE} pixels at x{SCALE}"

    def test_same_images_give_the_same_score(self) -> None:
        """The same images give the same score to the last bit, also with a new instance."""
        one = self._noisy(self.comparison())
        first = self.build()
        values = [first.score(one), first.score(one), self.build().score(one)]
        require(len(set(values)) == 1, f"it scored {', '.join(repr(value) for value in values)}")

    def _noisy(self, one: Comparison, amount: float = 0.1) -> Comparison:
        noise = images(*one.hr_image.shape, seed=4) - 0.5
        return Comparison(one.hr_image + amount * noise, one.hr_image, one.lr_image, one.scale)

    def _degraded(self, one: Comparison) -> dict[str, Comparison]:
        image = one.hr_image.unsqueeze(0)
        blurred = F.avg_pool2d(F.pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
        others = {"blur": blurred, "inverted": 1 - image, "black": torch.zeros_like(image)}
        made = {
            name: Comparison(each.squeeze(0), one.hr_image, one.lr_image, one.scale)
            for name, each in others.items()
        }
        return {"noise": self._noisy(one), **made}


def _loss_of(metric: type[Metric], value: float) -> float:
    """Return a score with its sign changed so that less is better."""
    if metric.higher_is_better is None:
        return abs(value)
    return -value if metric.higher_is_better else value


def _least_side(metric: type[Metric]) -> int:
    """Return the smallest multiple of the scale that leaves `min_side` within the border."""
    return SCALE * math.ceil((metric.min_side + 2 * SCALE) / SCALE)


def _picture(height: int, width: int, seed: int) -> Tensor:
    """Return a `(3, height, width)` image in [0, 1]: the sum of noise at several sizes."""
    total = torch.zeros(1, 3, height, width)
    for cell in (1, 4, 16, 64):
        shape = (1, 3, math.ceil(height / cell) + 1, math.ceil(width / cell) + 1)
        noise = images(*shape, seed=seed + cell)
        total += F.interpolate(noise, size=(height, width), mode="bilinear", align_corners=False)
    return (total / 4).squeeze(0).mul(255).round().div(255)
