"""Metrics and costs on the device: the same scores, and memory that is really there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from zoo.bench import evaluate
from zoo.bench.candidates import callable_candidate
from zoo.bench.evaluate import Scorer
from zoo.bench.judges import create_metrics
from zoo.bench.suites import open_suite
from zoo.cost.measure import COST_COLUMNS, measured_cost
from zoo.cost.memory import forward_peak_bytes
from zoo.data.images import write_png
from zoo.data.resize import upscale
from zoo.metrics.base import Comparison
from zoo.recipes.schema import Runtime
from zoo.registry import GENERATORS, METRICS
from zoo.runs.device import plan_execution

FLOAT = 4


@pytest.mark.parametrize("name", METRICS.names())
def test_scores_are_the_same_on_every_device(device: torch.device, name: str) -> None:
    metric = METRICS.get(name)()
    if metric.unavailable() is not None:
        pytest.skip("its weights are not installed")
    generator = torch.Generator().manual_seed(0)
    hr_image = torch.rand(3, 64, 72, generator=generator)
    sr_image = hr_image + 0.1 * torch.randn(hr_image.shape, generator=generator)
    lr_image = torch.rand(3, 16, 18, generator=generator)
    here = metric.score(Comparison(sr_image, hr_image, lr_image, 4))
    images = (image.to(device) for image in (sr_image, hr_image, lr_image))
    with plan_execution(Runtime(), device).scoring():
        there = metric.score(Comparison(*images, 4))
    assert there == pytest.approx(here, rel=1e-4)


def test_peak_memory_has_the_widest_layers(device: torch.device) -> None:
    network = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 64, 1)).to(device).eval()
    peak = forward_peak_bytes(network, torch.rand(1, 3, 128, 128, device=device))
    least = FLOAT * 2 * 64 * 128**2
    # beyond it: parameters, and on a GPU what convolutions need inside
    assert least < peak < 3 * least


def test_everything_is_measured(device: torch.device) -> None:
    network = GENERATORS.get("srresnet")(width=8, num_blocks=1).to(device)
    found = measured_cost(network, scale=4, device=device, side=32)
    assert found.keys() == COST_COLUMNS.keys()
    assert all(value > 0 for value in found.values())
    assert next(network.parameters()).device.type == device.type


def test_a_suite_scores_the_same_on_every_device(
    device: torch.device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches, metrics and feature networks on the device; a pixel may fall to the next level."""
    monkeypatch.setattr(evaluate, "measured_cost", lambda *_, **__: {})
    folder = tmp_path / "Pair" / "HR"
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    for number in range(3):
        coarse = random.integers(0, 256, (18, 20, 3), dtype=np.uint8)
        write_png(folder / f"{number}.png", upscale(coarse, 4))
    (tmp_path / "pair.yaml").write_text("version: 1\nsummary: x\nscale: 4\ndatasets: [Pair]\n")
    suite = open_suite(str(tmp_path / "pair.yaml"), data_root=tmp_path)
    network = GENERATORS.get("srresnet")(width=8, num_blocks=1, interpolation_skip=True)
    found = {}
    for place in (torch.device("cpu"), device):
        scorer = Scorer(suite, create_metrics(), plan_execution(Runtime(), place), tmp_path)
        found[place] = scorer.score(callable_candidate("network", network, scale=4)).scored
        assert next(network.parameters()).device.type == place.type
    for image, scores in found[torch.device("cpu")].items():
        assert found[device][image] == pytest.approx(scores, rel=1e-4, abs=1e-4)
