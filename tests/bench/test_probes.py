"""Batch statistics in place of running ones, and nothing else touched."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from zoo.bench.probes import (
    STATISTICS_GAP,
    STATISTICS_GAP_COLUMN,
    STATISTICS_GAP_KEY,
    has_batch_norm,
    statistics_gap,
    with_batch_statistics,
)
from zoo.metrics import PROBES
from zoo.metrics.fidelity import PSNRY
from zoo.registry import GENERATORS, METRICS


def normed() -> nn.Module:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Dropout(0.5)).eval()
    network[1].running_mean.copy_(torch.randn(4))
    network[1].running_var.copy_(torch.rand(4) + 0.5)
    network[1].num_batches_tracked.fill_(7)
    return network


def test_a_layer_uses_the_image_it_is_given() -> None:
    network, image = normed(), torch.rand(1, 3, 8, 8)
    with torch.no_grad(), with_batch_statistics(network):
        inside = network(image)
    # by definition: the statistics of each channel of the output are those of affine's start
    torch.testing.assert_close(inside.mean(dim=(0, 2, 3)), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        inside.var(dim=(0, 2, 3), unbiased=False), torch.ones(4), atol=1e-2, rtol=0
    )
    with torch.no_grad():
        assert not torch.allclose(network(image), inside)


def test_nothing_is_left_behind() -> None:
    network, image = normed(), torch.rand(1, 3, 8, 8)
    state = {name: value.clone() for name, value in network.state_dict().items()}
    before = network(image)
    with torch.inference_mode(), with_batch_statistics(network):
        network(image)
        assert not network.training
        assert not network[2].training
    assert all(torch.equal(state[name], value) for name, value in network.state_dict().items())
    assert [layer.training for layer in network.modules()] == [False] * 4
    assert network[1].track_running_stats
    assert torch.equal(network(image), before)


def test_an_error_inside_leaves_nothing_behind() -> None:
    network = normed()
    with pytest.raises(RuntimeError), with_batch_statistics(network):
        raise RuntimeError
    assert not network[1].training
    assert network[1].track_running_stats


def test_a_network_in_training_stays_in_training() -> None:
    network = normed().train()
    with with_batch_statistics(network):
        network(torch.rand(2, 3, 8, 8))
    assert network[1].training
    assert network[1].num_batches_tracked == 7


@pytest.mark.parametrize(
    ("network", "expected"),
    [
        (normed(), True),
        (nn.Conv2d(3, 3, 1), False),
        (nn.GroupNorm(1, 3), False),
        (nn.BatchNorm2d(3, track_running_stats=False), False),  # always the batch's
    ],
)
def test_who_has_batch_norm(network: nn.Module, *, expected: bool) -> None:
    assert has_batch_norm(network) is expected


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_gap_of_a_generator(norm: str) -> None:
    torch.manual_seed(1)
    generator = GENERATORS.get("srresnet")(
        width=8, num_blocks=1, kernel_size=3, norm=norm, interpolation_skip=True
    )
    for parameter in generator.parameters():
        nn.init.normal_(parameter, std=0.1)
    lr_image, hr_image = torch.rand(1, 3, 8, 8), torch.rand(3, 32, 32)
    with torch.inference_mode():
        running = generator.eval()(lr_image)[0]
        with with_batch_statistics(generator):
            batch = generator(lr_image)[0]
    gap = statistics_gap(running, batch, hr_image, scale=4)
    assert has_batch_norm(generator) is (norm == "batch")
    assert (gap > 0.01) if norm == "batch" else (gap == 0)
    assert gap == pytest.approx(statistics_gap(batch, running, hr_image, scale=4))


def test_gap_in_decibels() -> None:
    hr_image = torch.full((1, 32, 32), 100 / 255)
    near, far = hr_image + 1 / 255, hr_image + 10 / 255
    # piq adds 1e-8 to squared errors of images in [0, 1]
    expected = 10 * math.log10((100 / 255**2 + 1e-8) / (1 / 255**2 + 1e-8))
    assert statistics_gap(near, far, hr_image, scale=4) == pytest.approx(expected, abs=1e-9)
    assert PSNRY()(near, hr_image, scale=4) > PSNRY()(far, hr_image, scale=4)


def test_its_name_is_for_claims_and_no_metrics() -> None:
    assert STATISTICS_GAP in PROBES
    assert STATISTICS_GAP not in METRICS.names()
    assert STATISTICS_GAP_KEY == "statistics_gap"
    assert STATISTICS_GAP_COLUMN.unit == "dB"
