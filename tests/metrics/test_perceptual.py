"""HaarPSI and MS-GMSD are piq's, on what the protocol prepared; and metrics of plugins."""

from __future__ import annotations

from pathlib import Path

import piq
import pytest
import torch

from zoo.errors import ShapeError
from zoo.metrics.base import Comparison, Metric
from zoo.metrics.perceptual import MSGMSD, HaarPSI
from zoo.metrics.protocol import crop_border, quantize
from zoo.plugins import load_plugin_file
from zoo.registry import METRICS

ALL = [HaarPSI, MSGMSD]
SMALLEST = {HaarPSI: 16, MSGMSD: 17}
Pair = tuple[torch.Tensor, torch.Tensor]


@pytest.fixture
def noisy() -> Pair:
    generator = torch.Generator().manual_seed(0)
    high = torch.rand(3, 64, 48, generator=generator)
    return (high + 0.1 * torch.randn(high.shape, generator=generator)), high


def prepared(pair: Pair, border: int) -> list[torch.Tensor]:
    return [crop_border(quantize(image), border)[None].float() for image in pair]


def test_haarpsi_is_piqs(noisy: Pair) -> None:
    expected = piq.haarpsi(*prepared(noisy, 4), data_range=255.0)
    assert HaarPSI()(*noisy, scale=4) == float(expected)


def test_ms_gmsd_is_piqs(noisy: Pair) -> None:
    expected = piq.multi_scale_gmsd(*prepared(noisy, 4), data_range=255.0)
    assert MSGMSD()(*noisy, scale=4) == float(expected)


@pytest.mark.parametrize(("metric", "best"), [(HaarPSI, 1.0), (MSGMSD, 0.0)])
def test_equal_images_score_the_best(metric: type[Metric], best: float, noisy: Pair) -> None:
    assert metric()(noisy[1], noisy[1], scale=4) == pytest.approx(best, abs=1e-6)
    assert metric.higher_is_better is (best == 1.0)
    assert abs(metric()(*noisy, scale=4) - best) > 0.01


@pytest.mark.parametrize("metric", ALL)
def test_the_border_is_not_seen(metric: type[Metric], noisy: Pair) -> None:
    sr, hr = noisy
    framed = sr.clone()
    framed[:, :4], framed[:, -4:], framed[..., :4], framed[..., -4:] = 0, 1, 0, 1
    assert metric()(framed, hr, scale=4) == metric()(sr, hr, scale=4)


@pytest.mark.parametrize("metric", ALL)
def test_grey_images_can_be_scored(metric: type[Metric], noisy: Pair) -> None:
    low, high = metric.value_range or (0.0, 0.0)
    assert low < metric()(noisy[0][:1], noisy[1][:1], scale=4) < high


@pytest.mark.parametrize("metric", ALL)
def test_the_smallest_image(metric: type[Metric]) -> None:
    side = SMALLEST[metric] + 8
    sr, hr = torch.rand(2, 3, side, side)
    metric()(sr, hr, scale=4)
    with pytest.raises(ShapeError, match=f"{side - 8}x{side - 8}"):
        metric()(sr[:, 1:], hr[:, 1:], scale=4)


PLUGIN = """
from zoo.metrics.base import Metric
from zoo.metrics.protocol import prepared_pair
from zoo.registry import register_metric


@register_metric("mean-shift")
class MeanShift(Metric):
    label = "Mean shift"
    higher_is_better = None
    value_range = (-255.0, 255.0)

    def __call__(self, sr_image, hr_image, *, scale):
        sr_pixels, hr_pixels = prepared_pair(sr_image, hr_image, scale, luma=True)
        return float(sr_pixels.double().mean() - hr_pixels.double().mean())
"""


def test_a_metric_of_a_plugin_is_one_like_ours(tmp_path: Path) -> None:
    before = METRICS.snapshot()
    try:
        (tmp_path / "shift.py").write_text(PLUGIN)
        load_plugin_file(tmp_path / "shift.py")
        metric = METRICS.get("mean-shift")()
        image = torch.full((1, 16, 16), 100 / 255)
        lighter = Comparison(image + 3 / 255, image, image[:, ::4, ::4], 4)
        assert metric.score(lighter) == 3
        assert metric.unavailable() is None
        assert metric.provenance() == {}
        assert metric.networks == ()
    finally:
        METRICS.restore(before)


def test_every_registered_metric_says_what_it_is() -> None:
    """A contract over all names: what a table needs is there, and equal images score the best."""
    image = torch.rand(3, 64, 64, generator=torch.Generator().manual_seed(1))
    for name in METRICS.names():
        metric = METRICS.get(name)()
        assert metric.label
        assert metric.min_side >= 1
        if metric.unavailable() is not None:
            continue
        best = metric(image, image, scale=4)
        if metric.higher_is_better is None:
            assert best == 0
            continue
        assert metric.value_range is not None
        assert best == pytest.approx(metric.value_range[metric.higher_is_better], abs=1e-5)
