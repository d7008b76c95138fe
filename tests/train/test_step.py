from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.train.conftest import MakeSpec
from zoo.errors import RecipeError
from zoo.losses.base import Loss
from zoo.losses.consistency import Consistency
from zoo.losses.kinds import Seen
from zoo.recipes.build import build_components
from zoo.recipes.schema import Schedule
from zoo.runs.device import choose_device, plan_execution
from zoo.train.step import (
    Batch,
    TrainingState,
    assemble,
    generator_terms,
    learning_rate_factor,
    set_learning_rates,
    training_step,
)


def make_players(make_spec: MakeSpec, recipe: str, *settings: str) -> TrainingState:
    spec = make_spec(recipe, *settings)
    components = build_components(spec.settings, seed=0)
    execution = plan_execution(spec.settings.runtime, choose_device("cpu"))
    return assemble(components, spec.settings.training, execution)


def make_batch(seed: int = 0) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.rand(2, 3, 8, 8, generator=generator),
        torch.rand(2, 3, 32, 32, generator=generator),
    )


class Recorder:
    """Stands before an adversary and notes what its players are shown."""

    def __init__(self, adversary: Any) -> None:
        self.adversary = adversary
        self.real: list[Tensor] = []
        self.frozen: list[bool] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.adversary, name)

    def discriminator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> Any:
        assert not fake.requires_grad
        self.real.append(real)
        return self.adversary.discriminator_loss(discriminator, real, fake)

    def generator_loss(self, discriminator: Any, real: Tensor, fake: Tensor) -> Any:
        self.frozen.append(not any(p.requires_grad for p in discriminator.parameters()))
        return self.adversary.generator_loss(discriminator, real, fake)


def test_each_discriminator_update_sees_a_fresh_batch(make_spec: MakeSpec) -> None:
    players = make_players(
        make_spec, "srgan-wgangp", "losses.vgg19=null", "adversary.discriminator_steps=3"
    )
    recorder = Recorder(players.adversary)
    players.adversary = recorder  # type: ignore[assignment]
    assert players.num_extra_batches == 2
    batches = [make_batch(seed) for seed in range(3)]
    training_step(players, batches[0], batches[1:])
    shown = [batches[1][1], batches[2][1], batches[0][1]]
    assert len(recorder.real) == 3
    assert all(torch.equal(a, b) for a, b in zip(recorder.real, shown, strict=True))
    assert recorder.frozen == [True]


def test_both_players_move_and_no_gradient_leaks_into_the_discriminator(
    make_spec: MakeSpec,
) -> None:
    players = make_players(make_spec, "srgan-nobn", "losses.vgg19=null", "discriminator.norm=none")
    assert players.discriminator is not None
    before = copy.deepcopy((players.generator.state_dict(), players.discriminator.state_dict()))
    training_step(players, make_batch())
    for module, old in zip((players.generator, players.discriminator), before, strict=True):
        changed = [not torch.equal(value, old[name]) for name, value in module.state_dict().items()]
        assert all(changed)
    gradients = [p.grad for p in players.discriminator.parameters() if p.grad is not None]
    generator_terms(players, players.generate(make_batch()[0]), make_batch()[1])[
        "adversarial"
    ].backward()
    after = [p.grad for p in players.discriminator.parameters() if p.grad is not None]
    assert all(torch.equal(a, b) for a, b in zip(gradients, after, strict=True))


def test_weights_of_a_critic_stay_clipped(make_spec: MakeSpec) -> None:
    settings = ("losses.vgg19=null", "adversary=wgan", "adversary.clip=0.02")
    players = make_players(make_spec, "srgan-nobn", *settings)
    training_step(players, make_batch(), [make_batch(seed) for seed in range(1, 5)])
    assert players.discriminator is not None
    largest = max(each.abs().max().item() for each in players.discriminator.parameters())
    assert largest == pytest.approx(0.02)


def test_every_term_of_every_kind_reaches_the_generator(make_spec: MakeSpec) -> None:
    players = make_players(make_spec, "esrgan-wgangp")
    log = training_step(players, make_batch(), [make_batch(1)], observe=True)
    for term in ("mse", "vgg19", "adversarial"):
        assert log[f"gradient_{term}"] > 0
        assert f"loss_{term}" in log
    assert {"discriminator_penalty", "discriminator_d_real", "discriminator_d_fake"} <= set(log)
    assert not any(value.requires_grad for value in log.values())


def test_a_term_that_does_not_reach_the_generator_is_an_error(make_spec: MakeSpec) -> None:
    class Detached(Loss):
        def forward(self, sr_image: Tensor, hr_image: Tensor) -> Tensor:
            with torch.no_grad():
                return (sr_image - hr_image).abs().mean()

    players = make_players(make_spec, "srresnet-nobn")
    players.losses["detached"] = Detached()
    players.weights["detached"] = 1.0
    with pytest.raises(RecipeError, match="'detached' has no gradient at the generator"):
        training_step(players, make_batch(), observe=True)


def test_a_step_gives_its_input_and_the_moving_average(make_spec: MakeSpec) -> None:
    settings = ("losses.ldl=1", "losses.consistency=1", "training.ema_decay=0.5")
    players = make_players(make_spec, "srresnet", *settings)
    shown: list[tuple[Tensor, Tensor]] = []

    class Spy(Consistency):
        def distance(self, sr_image: Tensor, hr_image: Tensor, seen: Seen) -> Tensor:
            shown.append((seen.lr_image, seen.average()))
            return super().distance(sr_image, hr_image, seen)

    players.losses["consistency"] = Spy()
    for seed in range(2):
        with torch.no_grad():
            expected = players.ema.module.eval()(make_batch(seed)[0]).clone()
        log = training_step(players, make_batch(seed), observe=True)
        assert torch.equal(shown[-1][0], make_batch(seed)[0])
        assert torch.equal(shown[-1][1], expected)
    assert log["gradient_ldl"] > 0
    assert log["gradient_consistency"] > 0


def test_the_total_is_the_weighted_sum_of_the_terms(make_spec: MakeSpec) -> None:
    players = make_players(
        make_spec, "srgan-nobn", "losses.mse=2", "adversary.weight=0.5", "losses.vgg19=null"
    )
    log = training_step(players, make_batch())
    expected = 2 * log["loss_mse"] + 0.5 * log["loss_adversarial"]
    torch.testing.assert_close(log["loss_total"], expected)


def test_the_moving_average_follows_parameters_and_buffers(make_spec: MakeSpec) -> None:
    players = make_players(make_spec, "srresnet", "training.ema_decay=0.75")
    tracked: dict[str, Tensor] = {}
    for seed in range(3):
        training_step(players, make_batch(seed))
        for name, value in players.generator.state_dict().items():
            if value.is_floating_point():
                old = tracked.get(name)
                tracked[name] = value.clone() if old is None else 0.75 * old + 0.25 * value
    average = players.ema.module.state_dict()
    assert any("running_mean" in name for name in tracked)
    for name, value in tracked.items():
        torch.testing.assert_close(average[name], value)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [1, 1, 1]),
        (Schedule(kind="step", milestones=(0.25, 0.5), gamma=0.5), [1, 0.25, 0.25]),
        (Schedule(kind="cosine", final=0.0), [1, 0.5, 0.5 * (1 + math.cos(math.pi * 0.75))]),
        (Schedule(kind="cosine", final=0.2), [1, 0.6, 0.2 + 0.4 * (1 + math.cos(math.pi * 0.75))]),
    ],
)
def test_learning_rates_follow_their_schedule(schedule: Schedule, expected: list[float]) -> None:
    steps = (0, 50, 75)
    assert [learning_rate_factor(schedule, step, 100) for step in steps] == pytest.approx(expected)


def test_the_critic_has_its_own_learning_rate_and_betas(make_spec: MakeSpec) -> None:
    players = make_players(
        make_spec, "esrgan-wgangp", "losses.vgg19=null", "training.learning_rate=3e-4"
    )
    set_learning_rates(players, 0.5)
    generator, critic = (optimizer.param_groups[0] for optimizer in players.optimizers())
    assert (generator["lr"], generator["betas"]) == (1.5e-4, (0.0, 0.9))
    assert (critic["lr"], critic["betas"]) == (0.5e-4, (0.0, 0.9))


def test_mathematics_is_the_same_in_either_memory_layout(make_spec: MakeSpec) -> None:
    results = []
    for layout in ("true", "false"):
        players = make_players(make_spec, "srresnet-nobn", f"runtime.channels_last={layout}")
        for seed in range(3):
            training_step(players, make_batch(seed))
        results.append(players.generator.state_dict())
    for name, value in results[0].items():
        torch.testing.assert_close(value, results[1][name], atol=1e-5, rtol=1e-4)
