from __future__ import annotations

import inspect
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from timm.optim import get_optimizer_class  # type: ignore[attr-defined]
from torch import nn

from tests.train.bits import assert_same_bits
from tests.train.conftest import MakeSpec
from tests.train.test_step import make_batch, make_players
from zoo.errors import RecipeError
from zoo.recipes.optimizers import NUM_BETAS, Optimizer
from zoo.recipes.schema import Schedule
from zoo.registry import ADVERSARIES
from zoo.runs.checkpoint import load_latest, save_checkpoint
from zoo.train.optimizers import check_optimizers, make_optimizer
from zoo.train.step import TrainingState, learning_rate_factor, set_learning_rates, training_step

NAMES = get_args(get_args(Optimizer)[0])


def advance(players: TrainingState, first: int, last: int) -> None:
    for number in range(first, last):
        set_learning_rates(players, 0.5**number)
        training_step(players, make_batch(number))


@pytest.mark.parametrize("name", NAMES)
def test_a_restored_optimizer_goes_on_to_the_same_bits(
    name: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    settings = ["losses.vgg19=null", "training.warmup_steps=2", "training.max_gradient_norm=0.1"]
    for player in ("optimizer", "discriminator_optimizer"):
        settings += [f"training.{player}={name}", f"training.{player}_options.weight_decay=0.01"]

    def new() -> TrainingState:
        return make_players(make_spec, "srgan", *settings)

    straight, stopped, resumed = new(), new(), new()
    advance(straight, 0, 4)
    advance(stopped, 0, 2)
    parts = {key: part.state_dict() for key, part in stopped.stateful().items()}
    save_checkpoint(tmp_path, 2, parts)
    saved = load_latest(tmp_path)
    assert saved is not None
    for key, part in resumed.stateful().items():
        part.load_state_dict(saved[key])
    advance(resumed, 2, 4)
    for key, part in straight.stateful().items():
        assert_same_bits(part.state_dict(), resumed.stateful()[key].state_dict(), key)
    moved = zip(new().generator.parameters(), straight.generator.parameters(), strict=True)
    assert not all(torch.equal(before, after) for before, after in moved)


def test_the_default_is_fused_adam_and_does_not_import_timm(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    monkeypatch.setitem(sys.modules, "timm.optim", None)
    layer, options = nn.Linear(2, 2), {"weight_decay": 0.1}
    made = make_optimizer(layer, "adam", learning_rate=1e-3, betas=(0.0, 0.9), options=options)
    (group,) = made.param_groups
    assert type(made) is torch.optim.Adam
    assert (group["fused"], group["betas"], group["weight_decay"]) == (True, (0.0, 0.9), 0.1)


def test_weight_decay_spares_biases_and_lion_steps_by_sign() -> None:
    layer = nn.Linear(2, 2)
    before = {name: value.detach().clone() for name, value in layer.named_parameters()}
    made = make_optimizer(
        layer, "lion", learning_rate=0.1, betas=(0.9, 0.999), options={"weight_decay": 0.5}
    )
    layer.weight.grad, layer.bias.grad = torch.full((2, 2), -3.0), torch.full((2,), 7.0)
    made.step()
    torch.testing.assert_close(layer.weight.detach(), before["weight"] * (1 - 0.1 * 0.5) + 0.1)
    torch.testing.assert_close(layer.bias.detach(), before["bias"] - 0.1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["optimizer_options.weigth_decay=0.1"], "'adam' has no option .* mean 'weight_decay'"),
        (["optimizer=adamw", "optimizer_options.weigth_decay=0.1"], "mean 'weight_decay'"),
        (["optimizer=adamw", "optimizer_options.layer_decay=0.5"], "no option 'layer_decay'"),
        (["optimizer=sgd", "optimizer_options.betas=[0.5, 0.9]"], "no option 'betas'"),
        (["optimizer=adan", "optimizer_options.betas=[0.9]"], "'adan' fails with its options"),
        (["optimizer_options.weight_decay=x"], "'adam' fails with its options"),
        (["optimizer=muon", "optimizer_options.momentum=x"], "'muon' fails with its options"),
        *(
            ([f"optimizer_options.{name}=true"], f"no option '{name}'")
            for name in ("maximize", "fused", "foreach", "capturable", "differentiable")
        ),
    ],
)
def test_wrong_options_are_found_before_training(
    settings: list[str], message: str, make_spec: MakeSpec
) -> None:
    state = torch.random.get_rng_state()
    for player in ("", "discriminator_"):
        chosen = [f"training.{player}{setting}" for setting in settings]
        place = rf"training\.{player}optimizer_options: .*"
        with pytest.raises(RecipeError, match=place + message):
            check_optimizers(make_spec("srgan", *chosen).settings)
    assert torch.equal(state, torch.random.get_rng_state())


def test_timm_takes_as_many_betas_as_the_table_says() -> None:
    for name in NAMES:
        default = inspect.signature(get_optimizer_class(name, bind_defaults=False)).parameters
        found = len(default["betas"].default) if "betas" in default else 0
        assert found == NUM_BETAS.get(name, 2), name


@pytest.mark.parametrize("name", sorted(set(NAMES) - NUM_BETAS.keys()))
def test_each_player_trains_with_the_betas_of_its_own_setting(
    name: str, make_spec: MakeSpec
) -> None:
    players = make_players(
        make_spec,
        "esrgan-wgangp",
        "losses.vgg19=null",
        "training.betas=[0.5, 0.8]",
        f"training.optimizer={name}",
        f"training.discriminator_optimizer={name}",
    )
    found = [optimizer.param_groups[0]["betas"] for optimizer in players.optimizers()]
    assert [tuple(betas) for betas in found] == [(0.5, 0.8), (0.0, 0.9)]


def test_an_optimizer_without_the_adversarys_betas_needs_a_decision(make_spec: MakeSpec) -> None:
    def check(name: str, *settings: str) -> None:
        chosen = [f"training.discriminator_optimizer={name}", *settings]
        check_optimizers(make_spec("esrgan-wgangp", *chosen).settings)

    for name, number in (("rmsprop", "no"), ("sgd", "no"), ("adan", "3")):
        message = (
            rf"discriminator_betas \[0.0, 0.9\] has no effect on '{name}', which takes {number}"
        )
        with pytest.raises(RecipeError, match=message):
            check(name)
        check(name, "adversary.discriminator_betas=[0.9, 0.999]")
    check("adan", "training.discriminator_optimizer_options.betas=[0.1, 0.9, 0.99]")


def test_betas_that_a_constructor_does_not_declare_are_checked(
    make_spec: MakeSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec("esrgan", "training.discriminator_optimizer=sgd")
    plain = ADVERSARIES.get("relativistic")

    def fixed(**arguments: Any) -> Any:
        return plain(**{**arguments, "discriminator_betas": (0.5, 0.9)})

    monkeypatch.setattr(ADVERSARIES, "get", lambda _: fixed)
    with pytest.raises(RecipeError, match=r"of 'relativistic' .* has no effect on 'sgd'"):
        check_optimizers(spec.settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["training.optimizer=schedulefreeadamw"], "timm does not have it"),
        (["training.optimizer=adahessian"], "second derivative"),
        (["training.optimizer=adamm"], "adamw"),
        (["training.optimizer=sgd", "training.betas=[0.5, 0.9]"], "has no effect on 'sgd'"),
        (["training.optimizer=adan", "training.betas=[0.5, 0.9]"], "which takes 3 betas"),
        (
            ["training.optimizer_options.betas=[0.5, 0.9]"],
            "training.betas sets the betas of 'adam'",
        ),
        (
            ["training.optimizer=lion", "training.optimizer_options.betas=[0.5, 0.9]"],
            "training.betas sets the betas of 'lion'",
        ),
        (["training.accumulate=3"], "does not divide"),
    ],
)
def test_refusals(settings: list[str], message: str, make_spec: MakeSpec) -> None:
    with pytest.raises(RecipeError, match=message):
        make_spec("srresnet", *settings)


def test_warm_up_rises_linearly_to_the_schedule() -> None:
    schedule = Schedule(kind="cosine", final=0.0)
    plain = [learning_rate_factor(schedule, step, 10) for step in range(10)]
    warm = [learning_rate_factor(schedule, step, 10, 4) for step in range(10)]
    shares = [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1, 1]
    assert warm == pytest.approx([a * b for a, b in zip(plain, shares, strict=True)])


def test_a_long_gradient_is_shortened_for_each_player(make_spec: MakeSpec) -> None:
    limits: dict[str, Any] = {"max_gradient_norm": 1e-3, "discriminator_max_gradient_norm": 2e-3}
    settings = [f"training.{name}={value}" for name, value in limits.items()]
    players = make_players(make_spec, "srgan-nobn", "losses.vgg19=null", *settings)
    training_step(players, make_batch())
    for network, norm in zip((players.generator, players.discriminator), (1e-3, 2e-3), strict=True):
        assert network is not None
        gradients = [each.grad for each in network.parameters() if each.grad is not None]
        length = torch.cat([each.flatten() for each in gradients]).norm().item()
        assert length == pytest.approx(norm, rel=1e-3)


def test_parts_of_a_batch_give_the_gradient_of_the_batch(make_spec: MakeSpec) -> None:
    settings = ("losses.vgg19=null", "discriminator.norm=none", "adversary.weight=1")
    whole = make_players(make_spec, "srgan-nobn", *settings)
    parts = make_players(make_spec, "srgan-nobn", *settings, "training.accumulate=2")
    logs = [training_step(each, make_batch(), observe=True) for each in (whole, parts)]
    assert logs[0].keys() == logs[1].keys()
    torch.testing.assert_close(logs[0]["loss_total"], logs[1]["loss_total"])
    torch.testing.assert_close(logs[0]["discriminator_total"], logs[1]["discriminator_total"])
    for one, other in zip(whole.generator.parameters(), parts.generator.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, atol=1e-6, rtol=1e-3)


def test_the_moving_average_is_float32_under_bfloat16(make_spec: MakeSpec) -> None:
    players = make_players(make_spec, "srresnet", "runtime.precision=bfloat16")
    training_step(players, make_batch())
    tensors = players.ema.module.state_dict().values()
    assert {each.dtype for each in tensors if each.is_floating_point()} == {torch.float32}
