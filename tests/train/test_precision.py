"""What stays in float32 where networks compute in bfloat16: dtypes, inspected on the CPU.

A CPU without units for bfloat16 emulates it: the same dtypes, slowly.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.train.conftest import MakeSpec
from tests.train.test_step import make_batch, make_players
from zoo.adversaries.penalties import gradient_penalty
from zoo.recipes.schema import Runtime
from zoo.runs.device import in_layout, plan_execution
from zoo.train.prepare import Options, prepare
from zoo.train.step import training_step

COARSE = "runtime.precision=bfloat16"
NARROW = ("generator.norm=batch", "adversary.discriminator_steps=2")
NAMES = ("convolution", "_fused_adam_", "_foreach_lerp_")


class Watch(TorchDispatchMode):
    """Notes each operation that torch does while entered: name, arguments and results."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.done: list[tuple[str, list[Tensor], list[Tensor]]] = []

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        self.done.append((name, tensors([args, kwargs]), tensors(result)))
        return result


def tensors(values: Any) -> list[Tensor]:
    """Return the floating-point tensors among nested values."""
    found = [each for each in tree_leaves(values) if isinstance(each, Tensor)]
    return [each for each in found if each.is_floating_point()]


def dtypes(values: Any) -> set[torch.dtype]:
    return {value.dtype for value in tensors(values)}


@contextmanager
def watched_outputs(network: nn.Module, kind: type[nn.Module]) -> Iterator[set[torch.dtype]]:
    """Collect the dtypes that a network's layers of one kind give."""
    seen: set[torch.dtype] = set()
    handles = [
        layer.register_forward_hook(lambda *call: seen.add(call[-1].dtype))
        for layer in network.modules()
        if isinstance(layer, kind)
    ]
    yield seen
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize(
    "losses", ["losses.vgg19=null", pytest.param("losses.l1=1", marks=pytest.mark.slow)]
)
def test_a_step_keeps_all_but_the_networks_in_float32(make_spec: MakeSpec, losses: str) -> None:
    """Without a feature network and, taking longer, with one and its distance."""
    players = make_players(make_spec, "srgan-wgangp", *NARROW, losses, COARSE)
    watch = Watch()
    with watch:
        log = training_step(players, make_batch(), [make_batch(1)], observe=True)
        players.ema.update_parameters(players.generator)  # the first one copies
    given = {name: [given for done, given, _ in watch.done if done == name] for name in NAMES}
    assert dtypes(given["convolution"]) == {torch.float32, torch.bfloat16}  # the penalty's, others
    assert dtypes(given["_fused_adam_"]) == dtypes(given["_foreach_lerp_"]) == {torch.float32}
    statistics = [made[1:] for name, _, made in watch.done if name == "native_batch_norm"]
    assert dtypes(statistics) == {torch.float32}
    scalars = [each for _, _, made in watch.done for each in made if each.dim() == 0]
    assert dtypes(scalars) == dtypes(log) == {torch.float32}, "a reduction to one number"
    assert players.discriminator is not None
    weights = [*players.generator.parameters(), *players.discriminator.parameters()]
    state = [part.state_dict() for part in players.stateful().values()]
    assert dtypes([weight.grad for weight in weights]) == dtypes(state) == {torch.float32}


def test_the_penalty_and_both_its_backward_passes_are_in_float32(make_spec: MakeSpec) -> None:
    """The very networks and autocast of a run, whose fake images are bfloat16."""
    players = make_players(make_spec, "srgan-wgangp", *NARROW, COARSE)
    critic, (lr_image, hr_image) = players.discriminator, make_batch()
    assert critic is not None
    with players.execution.autocast():
        fake = players.generate(lr_image)
        logits = critic(hr_image)  # keeps bfloat16 copies of the weights, as in a step
        watch = Watch()
        with watch:
            penalty, _ = gradient_penalty(critic, hr_image, fake)
    with watch:
        penalty.backward()
    assert fake.dtype == logits.dtype == torch.bfloat16
    casts = [(given, made) for name, given, made in watch.done if name == "_to_copy"]
    assert len(casts) == 1  # of the fake images, before anything is computed
    others = [given + made for name, given, made in watch.done if name != "_to_copy"]
    begun = [each for each in others if dtypes(each) - {torch.bfloat16}]
    assert dtypes(begun) == {torch.float32}


def test_validation_is_in_float32(
    make_spec: MakeSpec, small_validation: str, tmp_path: Path
) -> None:
    spec = make_spec("srresnet-nobn", small_validation, COARSE)
    prepared = prepare(spec, Options(tmp_path, device="cpu"), dry_run=tmp_path)
    generator, execution = prepared.components.generator, prepared.execution
    plain = plan_execution(Runtime(precision="float32"), execution.device)
    assert execution.bfloat16
    with watched_outputs(generator, nn.Conv2d) as seen:
        rows = [prepared.validator.row(generator, each, step=0) for each in (execution, plain)]
    assert seen == {torch.float32}
    assert rows[0] == rows[1]


@pytest.mark.parametrize("norm", ["batch", "none"])
def test_the_networks_of_a_step_are_in_bfloat16(make_spec: MakeSpec, norm: str) -> None:
    players = make_players(make_spec, "srresnet", f"generator.norm={norm}", COARSE)
    with watched_outputs(players.generator, nn.Conv2d) as seen:
        training_step(players, make_batch())
    assert seen == {torch.bfloat16}


def test_a_network_with_five_dimensional_parameters_is_laid_out() -> None:
    """torch's conversion of a whole network fails on them."""
    network = nn.Conv2d(3, 4, 3)
    network.register_parameter("wide", nn.Parameter(torch.ones(2, 2, 2, 2, 2)))
    image = torch.rand(1, 3, 8, 8)
    before = network(image)
    placed = in_layout(network, torch.channels_last)
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(placed(image), before)
