"""Resolving a recipe under a profile with `--set`: which layer wins, and where values come from."""

from __future__ import annotations

import re
from typing import Any

import pytest

from zoo.errors import RecipeError, UnknownNameError
from zoo.recipes.book import Book
from zoo.recipes.resolve import Resolved, resolve


def run(book: Book, recipe: str, profile: str, *settings: str) -> Resolved:
    return resolve(book, recipe, profile, settings=settings)


def value(resolved: Resolved, path: str) -> Any:
    node: Any = resolved.spec.settings.model_dump()
    for part in path.split("."):
        node = node[part]
    return node


def test_the_profile_wins_over_the_recipe_and_set_over_both(book: Book) -> None:
    resolved = run(book, "rrdb", "demo", "generator.width=20", "training.log_every=7")
    assert value(resolved, "generator.num_blocks") == 1
    assert value(resolved, "generator.width") == 20
    assert value(resolved, "training.learning_rate") == 2e-3
    assert value(resolved, "training.log_every") == 7
    assert resolved.origin(("generator", "width")) == "--set generator.width=20"
    assert "registry.yaml:" in resolved.origin(("generator", "num_blocks"))
    assert resolved.origin(("training", "betas")) == "default"


def test_what_a_recipe_has_fixed_no_profile_changes(book: Book) -> None:
    fixed, free = (run(book, name, "smoke") for name in ("esrgan-wgangp-critic1", "esrgan-wgangp"))
    assert value(fixed, "adversary.discriminator_steps") == 1
    assert value(free, "adversary.discriminator_steps") == 2
    told = run(book, "esrgan-wgangp-critic1", "smoke", "adversary.discriminator_steps=3")
    assert value(told, "adversary.discriminator_steps") == 3


def test_gan_recipes_take_the_adversarial_budget_and_their_pretraining_the_other(
    book: Book,
) -> None:
    resolved = run(book, "esrgan", "smoke")
    assert resolved.pretraining is not None
    assert value(resolved, "training.steps") == 8
    assert value(resolved.pretraining, "training.steps") == 12
    assert resolved.spec.pretraining == resolved.pretraining.spec


def test_pretraining_shares_generator_scale_data_and_seed(book: Book) -> None:
    settings = ["generator.width=12", "scale=2", "data.batch_size=3"]
    resolved = resolve(book, "esrgan", "smoke", seed=5, settings=settings)
    inner = resolved.pretraining
    assert inner is not None
    assert inner.spec.seed == 5
    for field in ("generator", "scale", "data", "runtime"):
        assert getattr(inner.spec.settings, field) == getattr(resolved.spec.settings, field)
    assert list(inner.spec.settings.losses) == ["l1"]
    assert inner.spec.settings.adversary is None


def test_settings_below_pretraining_are_for_that_stage(book: Book) -> None:
    resolved = run(book, "esrgan", "smoke", "pretraining.training.steps=3", "training.steps=2")
    assert resolved.pretraining is not None
    assert value(resolved, "training.steps") == 2
    assert value(resolved.pretraining, "training.steps") == 3


def test_another_adversary_keeps_the_weight_and_drops_the_arguments(book: Book) -> None:
    resolved = run(book, "esrgan-wgangp", "smoke", "adversary=vanilla")
    assert value(resolved, "adversary") == {"name": "vanilla", "weight": 1e-3}


def test_what_set_chooses_gets_the_profiles_budget_and_overrides(book: Book) -> None:
    resolved = run(book, "rrdb", "smoke", "discriminator=vgg", "adversary=wgan-gp")
    assert value(resolved, "training.steps") == 8
    assert value(resolved, "discriminator.width") == 4
    assert value(resolved, "adversary.discriminator_steps") == 2


def test_a_profile_substitutes_a_component_and_keeps_its_weight(book: Book) -> None:
    loss = value(run(book, "srgan", "smoke", "losses.vgg19=2"), "losses.vgg19")
    assert loss == {
        "name": "perceptual",
        "weight": 2,
        "network": "efficientnet-lite0",
        "weights": "package",
        "feature_scale": 0.01,
    }


def test_a_name_that_is_set_keeps_the_recipes_own_arguments(book: Book) -> None:
    asked = value(run(book, "srgan", "smoke", "losses.vgg19.name=vgg19"), "losses.vgg19")
    assert asked == value(run(book, "srgan", "paper"), "losses.vgg19")


def test_null_removes(book: Book) -> None:
    resolved = run(
        book, "esrgan", "demo", "losses.vgg19=null", "adversary=null", "discriminator=null"
    )
    settings = resolved.spec.settings
    assert list(settings.losses) == ["l1"]
    assert settings.adversary is None
    assert settings.discriminator is None
    assert settings.training.steps == book.profile("demo").leaves["content", "steps"].value


def test_a_length_in_epochs_replaces_one_in_steps(book: Book) -> None:
    training = run(book, "rrdb", "smoke", "training.epochs=2").spec.settings.training
    assert (training.steps, training.epochs) == (None, 2.0)
    training = run(book, "rrdb", "paper", "training.steps=2").spec.settings.training
    assert (training.steps, training.epochs) == (2, None)


def test_later_settings_win(book: Book) -> None:
    assert value(run(book, "rrdb", "demo", "scale=2", "scale=3"), "scale") == 3


FORM = "write path=value, for example training.learning_rate=1e-4"
KINDS = "'constant', 'step' or 'cosine'"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainin.steps=3", "unknown key 'trainin'; did you mean 'training'?"),
        ("training.step=3", "training: unknown key 'step'; did you mean 'steps'?"),
        ("training.steps=many", "training.steps: 'many' should be a whole number"),
        ("training.steps=0", "training.steps: 0 should be greater than 0"),
        ("training=3", "training: 3 should be a mapping"),
        (
            "training.schedule.kind=cosin",
            f"training.schedule.kind: 'cosin' should be {KINDS}; did you mean 'cosine'?",
        ),
        ("data.lr_patch_size=[8, 8]", "data.lr_patch_size: [8, 8] should be a whole number"),
        ("losses.l1x=null", "losses.l1x: there is no loss 'l1x' to remove; did you mean 'l1'?"),
        ("generator=null", "needs 'generator'"),
        ("generator=[1]", "generator: [1] should be a mapping"),
        ("losses.l1=-1", "losses.l1: -1 should be greater than or equal to 0"),
        ("scale", FORM),
        ("=3", FORM),
        ("a..b=3", FORM),
        ("pretraining=null", FORM),
        ("training={steps: 3}", "set one value at a time, with its full path"),
    ],
)
def test_settings_that_are_wrong_say_so(book: Book, setting: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        run(book, "rrdb", "demo", setting)
    told = str(caught.value).partition("; known are: ")[0]
    assert told == f"--set {setting}: {message}"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("pretraining.training.steps=3", "recipe 'rrdb' has no pretraining stage"),
        ("generator.width=[1", "not YAML: expected ',' or ']'"),
        ("generator.width=!x 1", "tag '!x' is not allowed"),
    ],
)
def test_settings_that_cannot_be_read(book: Book, setting: str, message: str) -> None:
    with pytest.raises(RecipeError, match=re.escape(message)):
        run(book, "rrdb", "demo", setting)


def test_all_settings_that_are_wrong_are_said_at_once(book: Book) -> None:
    with pytest.raises(RecipeError) as caught:
        run(book, "rrdb", "demo", "scale=5", "trainin.x=1", "data.batch_size=0")
    assert len(str(caught.value).splitlines()) == 3


def test_unknown_names(book: Book) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'esrgan'"):
        run(book, "esrgann", "demo")
    with pytest.raises(UnknownNameError, match="did you mean 'demo'"):
        run(book, "esrgan", "dem")
    with pytest.raises(RecipeError, match=r"seed: -1 should be greater than or equal to 0"):
        resolve(book, "esrgan", "demo", seed=-1)


def test_a_run_is_json_and_comes_back_equal(book: Book) -> None:
    spec = run(book, "esrgan-wgangp", "demo").spec
    assert type(spec).model_validate_json(spec.model_dump_json()) == spec
