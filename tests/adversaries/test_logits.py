from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from zoo.adversaries.logits import at_least_float32, batch_mean, global_mean, score_both
from zoo.discriminators.vgg import DiscriminatorNorm, VGGDiscriminator

TWO_PROCESSES = """
import sys, torch, torch.distributed as dist
from zoo.adversaries.relativistic import RelativisticAverage

rank, rendezvous = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
torch.manual_seed(0)
real, fake = torch.randn(2, 4, 3, 2, 2, dtype=torch.float64)
weight = torch.randn(12, dtype=torch.float64)

def gradient(real, fake):
    leaf = weight.clone().requires_grad_()
    critic = lambda image: (image.flatten(1) @ leaf)[:, None]
    RelativisticAverage().discriminator_loss(critic, real, fake)["total"].backward()
    return leaf.grad

mine = slice(2 * rank, 2 * rank + 2)
shared = gradient(real[mine], fake[mine])
dist.all_reduce(shared)  # what DistributedDataParallel does: gradients are averaged
dist.destroy_process_group()
torch.testing.assert_close(shared / 2, gradient(real, fake))
"""


def test_one_process_has_nothing_to_share() -> None:
    values = torch.tensor([1.0, 2.0, 6.0])
    assert batch_mean(values) == global_mean(values) == 3


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_precision_is_raised_never_lowered(given: torch.dtype, kept: torch.dtype) -> None:
    assert at_least_float32(torch.ones(2, dtype=given)).dtype == kept


@pytest.mark.slow
def test_two_processes_have_the_gradient_of_the_whole_batch(tmp_path: object) -> None:
    command = [sys.executable, "-c", TWO_PROCESSES]
    processes = [subprocess.Popen([*command, str(rank), f"{tmp_path}/meet"]) for rank in range(2)]
    assert [process.wait(timeout=120) for process in processes] == [0, 0]


@pytest.mark.parametrize(
    ("norm", "batches"), [("none", [5]), ("layer", [5]), ("instance", [5]), ("batch", [2, 3])]
)
def test_one_pass_where_images_are_scored_apart(
    norm: DiscriminatorNorm, batches: list[int]
) -> None:
    torch.manual_seed(0)
    discriminator = VGGDiscriminator(width=4, norm=norm, hidden=8).double()
    real, fake = torch.rand(5, 3, 32, 32, dtype=torch.float64).split([2, 3])
    expected = discriminator(real), discriminator(fake)
    seen: list[int] = []
    discriminator.register_forward_pre_hook(lambda _module, inputs: seen.append(len(inputs[0])))
    found = score_both(discriminator, real, fake)
    assert seen == batches
    for logits, apart in zip(found, expected, strict=True):
        torch.testing.assert_close(logits, apart, rtol=1e-12, atol=1e-12)


def test_a_function_is_called_for_each_kind() -> None:
    seen: list[int] = []

    def critic(image: torch.Tensor) -> torch.Tensor:
        seen.append(len(image))
        return image.mean(dim=(1, 2, 3), keepdim=True).flatten(1)

    score_both(critic, torch.rand(2, 3, 4, 4), torch.rand(3, 3, 4, 4))
    assert seen == [2, 3]
