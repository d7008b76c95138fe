"""Parameters that are not trained, or only from a step on."""

from __future__ import annotations

import pytest
import torch

from tests.train.bits import assert_same_bits, final_state
from tests.train.conftest import MakeOptions, MakeSpec
from tests.train.observers import Stopper
from zoo.errors import RecipeError
from zoo.generators.spandrel import SpandrelNetwork
from zoo.generators.srresnet import SRResNet
from zoo.recipes.book import load_book
from zoo.recipes.schema import Training
from zoo.recipes.variants import shaping, specify
from zoo.runs.directory import RunDirectory
from zoo.train.freezing import Freezing
from zoo.train.run import train

SMALL = {"width": 8, "num_blocks": 2}


def trained(generator: torch.nn.Module) -> set[str]:
    return {name for name, each in generator.named_parameters() if each.requires_grad}


def test_a_pattern_freezes_until_its_step() -> None:
    generator = SRResNet(**SMALL)
    everything = trained(generator)
    freezing = Freezing(generator, ["trunk.*", "head.0.weight"], 3)
    left = {name for name in everything if not name.startswith("trunk.")} - {"head.0.weight"}
    assert trained(generator) == left
    freezing.set_step(2)
    assert trained(generator) == left
    freezing.set_step(3)
    assert trained(generator) == everything
    freezing.set_step(0)  # a rollback
    assert trained(generator) == left


def test_a_module_that_is_frozen_as_a_whole_keeps_its_statistics() -> None:
    generator = SRResNet(**SMALL)
    freezing = Freezing(generator, ["trunk.*"], 1)
    before = {name: each.clone() for name, each in generator.named_buffers()}
    assert before
    for step in range(2):
        freezing.set_step(step)
        freezing.train(generator)
        generator(torch.rand(2, 3, 6, 6))
        changed = {
            name.partition(".")[0]
            for name, each in generator.named_buffers()
            if not torch.equal(each, before[name])
        }
        assert ("trunk" in changed) == (step == 1)


def test_names_are_those_of_a_model_file() -> None:
    small = {"num_feat": 8, "num_conv": 2}
    generator = SpandrelNetwork(architecture="Compact", hyperparameters=small)
    Freezing(generator, ["body.0.*"], None)
    assert not dict(generator.named_parameters())["network.body.0.weight"].requires_grad


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("trnk.*", "no parameter of the generator has a name like 'trnk.*'"), ("*", "every param")],
)
def test_a_pattern_without_effect_or_with_too_much_is_refused(pattern: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said):
        Freezing(SRResNet(**SMALL), [pattern], None)


def test_a_step_without_a_pattern_is_refused(make_spec: MakeSpec) -> None:
    with pytest.raises(RecipeError, match="has no effect without `freeze`"):
        make_spec("srresnet", "training.unfreeze_at=3")


def test_a_run_resumes_bit_for_bit_across_the_step(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    frozen = ('training.freeze=["head.*"]', "training.unfreeze_at=6")
    spec = make_spec("srresnet", small_validation, *frozen)
    whole = train(spec, make_options("straight"))
    with pytest.raises(KeyboardInterrupt):
        train(spec, make_options("stopped", observer=Stopper("content", 7, KeyboardInterrupt())))
    again = train(spec, make_options("stopped"))
    assert_same_bits(final_state(again.directory), final_state(whole.directory))


def test_frozen_weights_are_those_of_the_start(
    make_spec: MakeSpec, make_options: MakeOptions, small_validation: str
) -> None:
    few = ("training.steps=2", 'training.freeze=["head.*"]')
    weights, _ = RunDirectory(
        train(make_spec("srresnet-nobn", small_validation, *few), make_options()).directory
    ).read_weights()
    other, _ = RunDirectory(
        train(
            make_spec("srresnet-nobn", small_validation, *few, "training.learning_rate=1e-2"),
            make_options("other"),
        ).directory
    ).read_weights()
    for name, value in weights.items():
        assert torch.equal(value, other[name]) == name.startswith("head."), name


def test_a_run_without_it_is_written_as_before_and_one_with_it_is_named(
    make_spec: MakeSpec,
) -> None:
    assert "freeze" not in Training(steps=1).model_dump(mode="json")
    setting = 'training.freeze=["head.*"]'
    assert shaping(specify(load_book(), "srresnet", "smoke", settings=[setting])) == (setting,)
