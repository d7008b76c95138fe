"""Memory in closed form: what is saved for the backward pass, and the peak of a forward pass."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from zoo.cost.memory import activation_bytes, forward_peak_bytes
from zoo.registry import GENERATORS

FLOAT = 4
LOSS_KEEPS = 3 * 4**2  # the published counts include the output at x4, which a loss saves


def floats_per_pixel(network: nn.Module, side: int = 32) -> float:
    return activation_bytes(network, height=side, width=side) / FLOAT / side**2


@pytest.mark.parametrize(
    ("network", "floats"),
    [
        (nn.Conv2d(3, 8, 3, padding=1), 3),  # its input, for the weights' gradient
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1)), 3 + 8),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.Conv2d(8, 5, 1)), 3 + 8),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sigmoid()), 3 + 8),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sigmoid(), nn.Conv2d(8, 1, 1)), 3 + 8),  # once
        (nn.Upsample(scale_factor=2), 0),
    ],
)
def test_what_is_saved_for_the_backward_pass(network: nn.Module, floats: int) -> None:
    assert activation_bytes(network, height=6, width=5) == FLOAT * floats * 6 * 5


@pytest.mark.parametrize(
    ("name", "arguments", "published"),
    [
        ("srresnet", {}, 8_002),
        ("srresnet", {"norm": "none"}, 5_875),
        ("edsr", {"width": 64, "num_blocks": 16, "residual_scaling": 1.0}, 3_507),
        # ours activates in place in the upsampler: two maps of 64 channels at 16 times the pixels
        ("rrdb", {}, 58_739 - 2 * 64 * 4**2),
    ],
)
@pytest.mark.slow
def test_the_papers_networks_keep_what_was_counted(
    name: str, arguments: dict[str, Any], published: int
) -> None:
    network = GENERATORS.get(name)(**arguments)
    assert floats_per_pixel(network) + LOSS_KEEPS == pytest.approx(published, rel=0.002)


def test_counting_changes_nothing() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    state = torch.get_rng_state()
    activation_bytes(network, height=8, width=8)
    assert not network.training
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_counting_for_the_backward_pass_works_where_scores_are_made() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Sigmoid())
    with torch.inference_mode():
        assert activation_bytes(network, height=6, width=5) == FLOAT * (3 + 8) * 6 * 5


def test_a_network_that_looks_at_values_is_counted_on_the_cpu() -> None:
    class Careful(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Conv2d(3, 8, 1)

        def forward(self, image: Tensor) -> Tensor:
            result: Tensor = self.layer(image + float(image.sum()))
            return result

    assert activation_bytes(Careful(), height=6, width=5) == FLOAT * 3 * 6 * 5


def test_peak_of_a_chain_is_its_widest_pair() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.Conv2d(8, 5, 1), nn.Conv2d(5, 2, 1)).eval()
    own = FLOAT * sum(parameter.numel() for parameter in network.parameters())
    # the input is not counted; while the second layer runs, 8 + 5 channels are there
    assert forward_peak_bytes(network, torch.rand(1, 3, 7, 6)) == own + FLOAT * (8 + 5) * 42


def test_peak_counts_neither_views_nor_work_in_place() -> None:
    class Reuses(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            made = image + 1
            return made.mul_(2).view(-1)[:3]

    assert forward_peak_bytes(Reuses(), torch.rand(1, 3, 4, 4)) == FLOAT * 48


def test_peak_sees_what_is_held() -> None:
    class Holds(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            held = [image + number for number in range(5)]
            return held[0]

    class LetsGo(nn.Module):
        def forward(self, image: Tensor) -> Tensor:
            for number in range(5):
                image = image + number
            return image

    image = torch.rand(1, 3, 4, 4)
    assert forward_peak_bytes(Holds(), image) == FLOAT * 48 * 5
    assert forward_peak_bytes(LetsGo(), image) == FLOAT * 48 * 2


def test_shared_parameters_are_counted_once() -> None:
    layer = nn.Conv2d(3, 3, 1, bias=False)
    network = nn.Sequential(layer, layer)
    assert forward_peak_bytes(network, torch.rand(1, 3, 4, 4)) == FLOAT * (9 + 2 * 48)


@pytest.mark.slow
def test_measuring_does_not_load_the_compiler() -> None:
    """It takes seconds and 160 MB, for nothing: `zoo upscale` measures before it begins."""
    code = (
        "import sys, torch; from zoo.cost.memory import forward_peak_bytes\n"
        "assert forward_peak_bytes(torch.nn.Conv2d(3, 3, 3), torch.zeros(1, 3, 9, 9)) > 0\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
