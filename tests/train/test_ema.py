from __future__ import annotations

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from zoo.train.ema import MovingAverage


def test_it_is_torchs_own_average_to_the_bit() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours = MovingAverage(network, decay=0.9)
    theirs = AveragedModel(network, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
    for _ in range(5):
        network(torch.randn(2, 3, 8, 8))
        with torch.no_grad():
            for parameter in network.parameters():
                parameter.add_(torch.randn_like(parameter))
        ours.update_parameters(network)
        theirs.update_parameters(network)
    states = ours.state_dict(), theirs.state_dict()
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name


def test_the_counter_of_updates_stays_in_the_hosts_memory() -> None:
    """Reading it on another device would wait for that device in every step."""
    average = MovingAverage(nn.Linear(2, 2).to("meta"), decay=0.9)
    assert average.n_averaged.device.type == "cpu"
    average.load_state_dict(average.state_dict())
    assert average.n_averaged.device.type == "cpu"
