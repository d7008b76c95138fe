from __future__ import annotations

import torch

from zoo.generators.srresnet import SRResNet
from zoo.generators.srresnet_tanh import TanhSRResNet


def test_it_is_srresnet_with_a_tanh_from_0_to_1() -> None:
    squashed = TanhSRResNet(scale=2, width=4, num_blocks=1).eval()
    plain = SRResNet(scale=2, width=4, num_blocks=1).eval()
    plain.load_state_dict(squashed.state_dict())
    image = 4 * torch.rand(1, 3, 5, 4)
    with torch.no_grad():
        output = squashed(image)
        torch.testing.assert_close(output, torch.sigmoid(2 * plain(image)))
    assert output.min() > 0
    assert output.max() < 1


def test_zero_weights_give_mid_grey() -> None:
    network = TanhSRResNet(scale=2, width=4, num_blocks=1)
    torch.nn.init.zeros_(network.tail.weight)
    torch.nn.init.zeros_(network.tail.bias)
    with torch.no_grad():
        assert torch.equal(network(torch.rand(1, 3, 2, 2)), torch.full((1, 3, 4, 4), 0.5))
