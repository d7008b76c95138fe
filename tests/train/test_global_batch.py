"""Several processes compute what one would: with float64 networks, gloo and the CPU."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.train.shared import Case, in_processes, train_case, train_case_from
from zoo.data.sampling import Share
from zoo.registry import ADVERSARIES
from zoo.runs.world import World

BOUND = 1e-9
ALL = [Case(name, on) for name in ADVERSARIES.names() for on in (False, True)]
CHEAP = [Case("relativistic", batch_norm=True, steps=3), Case("wgan-gp", batch_norm=True, steps=2)]
IN_PARTS = [
    Case("relativistic", batch_norm=True, accumulate=2),
    Case("wgan-gp", batch_norm=True, accumulate=2),
]
OF_FOUR = {"relativistic, batch norm on", "wgan-gp, batch norm on", "relativistic, batch norm off"}
"""Four processes on two cores take their time."""
SAME_WITHOUT_PARTS = ("none", "vanilla", "lsgan", "hinge", "wgan", "wgan-gp", "r1-r2")
"""Adversaries of which a part of the batch has the mean gradient's share."""


def train_all(cases: list[Case], world: World) -> dict[str, dict[str, Tensor]]:
    return {str(case): train_case(case, world) for case in cases}


def difference(first: dict[str, Tensor], second: dict[str, Tensor]) -> float:
    """Return the largest difference of any tensor of two trainings."""
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def test_two_processes_agree_with_one(tmp_path: Path) -> None:
    alone = in_processes(1, tmp_path / "1", partial(train_all, CHEAP))
    both = in_processes(2, tmp_path / "2", partial(train_all, CHEAP))
    assert {case: difference(alone[case], both[case]) < BOUND for case in alone} == {
        str(case): True for case in CHEAP
    }


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_1_2_and_4_processes_agree_for_every_adversary(tmp_path: Path) -> None:
    cases = [*ALL, *IN_PARTS]
    alone = in_processes(1, tmp_path / "1", partial(train_all, cases))
    for size, fit in ((2, cases), (4, [case for case in cases if str(case) in OF_FOUR])):
        found = in_processes(size, tmp_path / str(size), partial(train_all, fit))
        worst = {case: difference(alone[case], found[case]) for case in found}
        assert not {case: far for case, far in worst.items() if far >= BOUND}


def test_a_batch_in_parts_is_the_batch_of_more_processes() -> None:
    """Of one process in two parts and of one process at once: the same step."""
    for name in SAME_WITHOUT_PARTS:
        whole, parts = (
            Case(name, batch_norm=False, steps=3),
            Case(name, batch_norm=False, accumulate=2, steps=3),
        )
        one, other = (train_case(case, World()) for case in (whole, parts))
        weights = [{k: v for k, v in each.items() if "log." not in k} for each in (one, other)]
        assert difference(*weights) < BOUND, name


@pytest.mark.slow
def test_resumes_on_another_number_of_processes(tmp_path: Path) -> None:
    case = Case("wgan-gp", batch_norm=True)
    straight = in_processes(1, tmp_path / "0", partial(train_case_from, case, None, 20))
    saved = None
    for number, (size, end) in enumerate([(2, 7), (1, 14), (2, 20)], start=1):
        work = partial(train_case_from, case, saved, end)
        saved = in_processes(size, tmp_path / str(number), work)
    assert saved is not None
    for name in ("generator", "discriminator", "ema"):
        assert difference(straight[name], saved[name]) < BOUND
    assert torch.equal(straight["random"]["torch"], saved["random"]["torch"])


def test_every_process_has_its_own_pieces_of_each_part() -> None:
    shares = [Share(rank, 2, parts=2) for rank in range(2)]
    assert [share.pieces(3, 8) for share in shares] == [[(24, 2), (28, 2)], [(26, 2), (30, 2)]]
    assert Share(parts=2).pieces(3, 8) == [(24, 8)]


def _normalised(world: World, *, track: bool) -> dict[str, Tensor]:
    from zoo.train.global_batch import globalise

    torch.manual_seed(0)
    layer = nn.BatchNorm2d(3, track_running_stats=track, momentum=None).double()
    images = (3 + torch.rand(4, 3, 5, 5, dtype=torch.float64)).requires_grad_()
    share = images[slice(None) if not world.is_shared else slice(2 * world.rank, None)][
        : 4 // world.size
    ]
    network = globalise(nn.Sequential(layer), world, torch.device("cpu"))
    for _ in range(2):
        made = network(share)
    (first,) = torch.autograd.grad(made.pow(3).sum() / made[0].numel(), share, create_graph=True)
    (second,) = torch.autograd.grad(first.pow(2).sum(), share)
    return {
        **network.state_dict(),
        "made": made[:2].detach(),
        "first": first[:2].detach(),
        "second": second[:2],
    }


@pytest.mark.slow
def test_batch_norm_of_the_whole_batch_has_torchs_numbers_and_both_gradients(
    tmp_path: Path,
) -> None:
    for track in (False, True):
        alone = in_processes(1, tmp_path / f"1{track}", partial(_normalised, track=track))
        both = in_processes(2, tmp_path / f"2{track}", partial(_normalised, track=track))
        assert difference(alone, both) < 1e-12
