"""Compiled networks in a step: what is compiled, what is not, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Literal

import pytest
import torch
from torch import nn

from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Stopper
from tests.train.test_run import Kill
from tests.train.test_step import make_batch, make_players
from zoo.adversaries.penalties import gradient_penalty
from zoo.errors import MachineError
from zoo.runs.directory import RunDirectory
from zoo.train import autotune as choosing
from zoo.train import compilation
from zoo.train.compilation import CompiledCritic
from zoo.train.memory import forecast_memory
from zoo.train.run import train
from zoo.train.step import training_step
from zoo.train.timing import ROUNDS, StepTimer, Timings, Way

pytestmark = pytest.mark.filterwarnings(
    "ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"  # the compiler looks
)
Stance = Literal["default", "fail_on_recompile"]
COMPILED = ("runtime.compile=true", "adversary.discriminator_steps=2")


@pytest.fixture(autouse=True)
def traced_only(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trace graphs and their gradients as the compiler does, and write no kernels: in seconds."""
    from torch._functorch import config

    before = config.donated_buffer
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="aot_eager"))
    for module in (choosing, compilation):
        monkeypatch.setattr(module, "has_cpp_compiler", lambda: True)  # tracing needs none
    yield
    config.donated_buffer = before
    torch.compiler.reset()


def critic() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3), nn.Flatten())


def test_a_compiled_critic_can_be_penalised() -> None:
    plain = critic()
    compiled = CompiledCritic(plain)
    real, fake = torch.rand(2, 2, 3, 8, 8)
    torch.testing.assert_close(compiled(real), plain(real))
    found = []
    for one in (plain, compiled):
        torch.manual_seed(0)
        penalty, _ = gradient_penalty(one, real, fake)
        found.append(torch.autograd.grad(penalty, list(plain.parameters()), allow_unused=True))
    nothing = [[gradient is None for gradient in one] for one in found]
    assert nothing[0] == nothing[1]  # of the last bias: a constant has no gradient
    assert not all(nothing[0])
    assert all(torch.equal(*pair) for pair in zip(*found, strict=True) if None not in pair)
    with pytest.raises(RuntimeError, match="double backward"):
        gradient_penalty(torch.compile(plain), real, fake)[0].backward()
    assert [name for name, _ in compiled.named_parameters()] == [
        f"critic.{name}" for name, _ in plain.named_parameters()
    ]


def test_images_of_a_generator_go_through_the_compiled_critic() -> None:
    seen: list[bool] = []

    class Telltale(nn.Module):
        def forward(self, image: torch.Tensor) -> torch.Tensor:
            seen.append(torch.compiler.is_compiling())
            return image.mean((1, 2, 3))

    compiled = CompiledCritic(Telltale())
    weight = torch.ones((), requires_grad=True)
    compiled(weight * torch.rand(1, 3, 8, 8))
    compiled(torch.rand(1, 3, 8, 8).requires_grad_())
    assert seen == [True, False]


@pytest.mark.slow
def test_a_compiled_step_is_an_eager_one_and_compiled_once(make_spec: MakeSpec) -> None:
    eager = make_players(make_spec, "srgan-wgangp", COMPILED[1])
    players = make_players(make_spec, "srgan-wgangp", *COMPILED)
    stances: list[Stance] = ["default", "default", "fail_on_recompile"]
    # the first backward pass is not observed: what it was compiled for has to do for all
    for number, (observe, stance) in enumerate(zip((False, True, False), stances, strict=True)):
        batches = make_batch(number), [make_batch(number + 100)]
        torch.manual_seed(number)
        expected = training_step(eager, *batches, observe=observe)
        torch.manual_seed(number)
        with torch.compiler.set_stance(stance):
            found = training_step(players, *batches, observe=observe)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            torch.testing.assert_close(found[name], value, rtol=1e-3, atol=1e-5)
    assert players.generator.state_dict().keys() == eager.generator.state_dict().keys()


def test_a_forecast_compiles_nothing(make_spec: MakeSpec) -> None:
    players = make_players(make_spec, "srresnet-nobn", "runtime.compile=true")
    data = make_spec("srresnet-nobn").settings.data
    with torch.compiler.set_stance("fail_on_recompile"):
        forecast_memory(players, data, scale=4, image_sizes=[(32, 32)])


@pytest.fixture
def compiled_is_faster(monkeypatch: pytest.MonkeyPatch) -> None:
    """Say that it pays to compile, in however short a stage."""

    def timings(_timer: StepTimer, ways: Sequence[Way]) -> tuple[Timings, bool]:
        return {way: [0.5 if way.compile else 1.0] * ROUNDS for way in ways}, False

    monkeypatch.setattr(StepTimer, "timings", timings)
    monkeypatch.setattr(choosing, "MIN_SECONDS_TO_COMPILE", 0.0)


@pytest.mark.slow
def test_a_run_that_was_begun_compiled_goes_on_compiled(
    make_spec: MakeSpec,
    make_options: MakeOptions,
    small_validation: str,
    compiled_is_faster: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where there is no compiler it is refused in words, and finished it needs none."""
    spec = make_spec("srresnet-nobn", small_validation, "runtime.tune=true", "training.steps=4")
    straight = train(spec, make_options("straight"))
    with pytest.raises(Kill):
        train(spec, make_options("killed", observer=Stopper("content", 2, Kill())))
    monkeypatch.delattr(StepTimer, "timings")  # any further measurement fails
    with monkeypatch.context() as elsewhere:
        elsewhere.setattr(compilation, "has_cpp_compiler", lambda: False)
        with pytest.raises(MachineError, match=r"zoo finds no C\+\+ compiler"):
            train(spec, make_options("killed"))
        assert train(spec, make_options("straight")).summary == straight.summary
    killed = train(spec, make_options("killed"))
    provenance = RunDirectory(killed.directory).provenance()
    assert provenance is not None
    ways = [
        (session["choice"]["source"], session["execution"]["compile"])
        for session in provenance["sessions"]
    ]
    assert ways == [("measured", True), ("recorded", True), ("recorded", True)]
    assert_same_bits(final_state(straight.directory), final_state(killed.directory))
