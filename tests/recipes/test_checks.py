"""Completing runs: defaults, rules between components, the four switches, every combination."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from zoo.errors import PluginError, RecipeError
from zoo.plugins import load_plugin_file
from zoo.recipes.book import Book, load_book, read_book
from zoo.recipes.checks import check_book, check_registry, complete, generator_arguments
from zoo.recipes.resolve import Resolved, resolve
from zoo.recipes.schema import RunSpec
from zoo.registry import REGISTRIES, Origin

ADVERSARIES = [name for name in REGISTRIES["adversaries"].names() if name != "none"]
SWITCHES = list(
    itertools.product(["batch", "none"], ADVERSARIES, ["vgg19", None], [0.2, 1.0])
)  # norm, adversary, perceptual loss, residual scaling


def run(book: Book, recipe: str, profile: str, *settings: str) -> Resolved:
    return complete(resolve(book, recipe, profile, settings=settings))


@pytest.fixture
def plugins(tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Return a function that loads plugin code; all registries are as before afterwards."""
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}

    def load(code: str) -> None:
        path = tmp_path / f"plugin_{abs(hash(code))}.py"
        path.write_text(code, encoding="utf-8")
        load_plugin_file(path)

    yield load
    for kind, registry in REGISTRIES.items():
        registry.restore(before[kind])


def test_every_recipe_completes_under_every_profile(book: Book) -> None:
    for recipe, profile in itertools.product(book.recipes, book.profiles):
        resolved = run(book, recipe, profile)
        spec = resolved.spec
        assert RunSpec.model_validate_json(spec.model_dump_json()).recipe == recipe
        assert spec.pretraining == (resolved.pretraining.spec if resolved.pretraining else None)


@pytest.mark.parametrize(("norm", "adversary", "perceptual", "scaling"), SWITCHES)
def test_the_four_switches_are_independent(
    book: Book, norm: str, adversary: str, perceptual: str | None, scaling: float
) -> None:
    settings = [f"generator.norm={norm}", f"adversary={adversary}"]
    settings += [f"generator.residual_scaling={scaling}"]
    settings += [] if perceptual else ["losses.vgg19=null"]
    spec = run(book, "esrgan", "smoke", *settings).spec
    generator, critic = spec.settings.generator.arguments, spec.settings.discriminator
    assert (generator["norm"], generator["residual_scaling"]) == (norm, scaling)
    assert spec.settings.adversary is not None
    assert critic is not None
    assert spec.settings.adversary.name == adversary
    assert ("vgg19" in spec.settings.losses) is (perceptual is not None)
    assert critic.arguments["norm"] == {"wgan-gp": "layer", "r1-r2": "none"}.get(adversary, "batch")
    assert spec.pretraining is not None
    assert spec.pretraining.settings.generator == spec.settings.generator


def test_a_default_that_the_adversary_forbids_gives_way_and_says_so(book: Book) -> None:
    origin = ("discriminator", "norm")
    assert run(book, "esrgan", "demo").origin(origin) == "default of vgg"
    resolved = run(book, "esrgan", "demo", "adversary=wgan-gp")
    assert resolved.origin(origin) == "required by wgan-gp"


def test_writing_what_the_adversary_forbids_is_an_error_with_its_reason(book: Book) -> None:
    settings = "adversary=wgan-gp", "discriminator.norm=batch"
    with pytest.raises(RecipeError) as caught:
        run(book, "esrgan", "demo", *settings)
    assert str(caught.value) == (
        "--set discriminator.norm=batch: discriminator.norm: norm 'batch' cannot be used with "
        "'wgan-gp': the gradient penalty is computed per image, and batch norm couples the "
        "images of a batch (Gulrajani et al. 2017, Sec. 4); use 'layer'"
    )


def test_problems_of_both_stages_are_said_at_once(book: Book) -> None:
    settings = ["pretraining.losses.l1.reduction=sum", "adversary.weigth=1", "losses.vgg19.layr=x"]
    with pytest.raises(RecipeError) as caught:
        run(book, "esrgan", "paper", *settings)
    said = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in said] == [
        "--set adversary.weigth=1",
        "--set losses.vgg19.layr=x",
        "--set pretraining.losses.l1.reduction=sum",
    ]


def test_no_adversary_by_null_and_by_name_are_both_right(book: Book) -> None:
    assert run(book, "rrdb", "demo").spec.settings.adversary is None
    by_name = run(book, "rrdb", "demo", "adversary=none", "adversary.weight=0").spec.settings
    assert by_name.adversary is not None
    with pytest.raises(RecipeError, match="no adversary uses the discriminator"):
        run(book, "esrgan", "demo", "adversary=none")


@pytest.mark.parametrize(
    "setting",
    [
        "discriminator_optimizer=adamw",
        "discriminator_optimizer_options.weight_decay=0.1",
        "discriminator_max_gradient_norm=1",
    ],
)
def test_settings_of_a_discriminator_need_one(book: Book, setting: str, tmp_path: Path) -> None:
    key = setting.partition("=")[0].partition(".")[0]
    for recipe, prefix in (("rrdb", ""), ("esrgan", "pretraining.")):
        with pytest.raises(RecipeError, match=f"`{key}` has no effect without a `discriminator`"):
            run(book, recipe, "demo", f"{prefix}training.{setting}")
    run(book, "rrdb", "demo", f"training.{key}=null")
    default = run(book, "rrdb", "demo").spec.settings.training
    found = run(book, "esrgan", "demo", f"training.{setting}").spec
    assert found.pretraining is not None
    assert found.pretraining.settings.training == default
    assert getattr(found.settings.training, key) != getattr(default, key)

    dotted, value = setting.split("=")
    option = dotted.partition(".")[2]
    text = f"{key}: {{{option}: {value}}}" if option else f"{key}: {value}"
    mine = tmp_path / "mine.yaml"
    adversarial = f"adversarial: {{steps: 2, {text}}}"
    mine.write_text(
        "version: 1\nprofiles:\n  mine:\n    summary: a discriminator's settings\n"
        f"    content: {{steps: 2}}\n    {adversarial}\n",
        encoding="utf-8",
    )
    by_profile = run(load_book([mine]), "esrgan", "mine").spec
    assert by_profile.pretraining is not None
    assert getattr(by_profile.pretraining.settings.training, key) == getattr(default, key)
    assert getattr(by_profile.settings.training, key) == getattr(found.settings.training, key)


def test_betas_that_the_discriminators_optimizer_does_not_take_are_refused(book: Book) -> None:
    with pytest.raises(RecipeError, match="which takes no betas"):
        run(book, "esrgan-wgangp", "demo", "training.discriminator_optimizer=sgd")


def test_a_scale_the_generator_lacks_is_refused(book: Book) -> None:
    with pytest.raises(RecipeError, match=r"--set scale=7: scale: 7 should be 2, 3, 4 or 8"):
        run(book, "rrdb", "demo", "scale=7")
    settings = run(book, "rrdb", "demo", "scale=3").spec.settings
    assert generator_arguments(settings.generator, settings.scale)["scale"] == 3


def test_values_are_completed_as_the_constructor_declares_them(book: Book) -> None:
    adversary = run(book, "esrgan-wgangp", "demo", "adversary.penalty_weight=5").spec.settings
    assert adversary.adversary is not None
    arguments = adversary.adversary.arguments
    assert arguments["discriminator_betas"] == (0.0, 0.9)
    assert isinstance(arguments["penalty_weight"], float)
    betas = run(book, "esrgan-wgangp", "demo", "adversary.discriminator_betas=[0, 0.5]")
    assert betas.spec.settings.adversary is not None
    assert betas.spec.settings.adversary.arguments["discriminator_betas"] == (0.0, 0.5)


def test_a_run_is_small_json(book: Book) -> None:
    text = run(book, "esrgan-wgangp", "paper").spec.model_dump_json()
    assert json.loads(text)["settings"]["discriminator"] == {
        "name": "vgg",
        "width": 64,
        "norm": "layer",
        "head": "pool",
        "patch_size": None,
        "hidden": 1024,
    }


PLUGIN = """
from __future__ import annotations
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from zoo.generators.base import Generator
from zoo.registry import register_generator

if TYPE_CHECKING:
    from decimal import Decimal

class Base(Generator):
    def forward(self, lr_image):
        return lr_image

@register_generator("typed")
class Typed(Base):
    scales = frozenset({2})
    def __init__(self, *, scale: int = 2, sizes: list[int] = (1,), table: dict[str, float] | None = None,
                 file: Path | None = None, free=None, needed: int) -> None: ...

@register_generator("hidden")
class Hidden(Base):
    def __init__(self, *, scale: int = 4, number: Decimal) -> None: ...

@register_generator("scaleless")
class Scaleless(Base):
    def __init__(self, *, width: int = 4) -> None: ...
"""  # noqa: E501

PROFILE = "profiles: {p: {content: {steps: 1}}}\n"


def test_plugins_are_checked_by_their_signature(
    plugins: Callable[[str], None], write: Callable[..., Path]
) -> None:
    plugins(PLUGIN)
    mine = write(f"""version: 1
recipes:
  good:
    scale: 2
    generator: {{name: typed, sizes: [1, 2], table: {{a: 1}}, file: x, free: [a, 1], needed: 3}}
    losses: {{l1: 1}}
  wrong:
    generator:
      name: typed
      sizes: [1, x]
      table: {{a: b}}
    losses: {{l1: 1}}
  hidden: {{generator: {{name: hidden, number: 3}}, losses: {{l1: 1}}}}
  scaleless: {{generator: scaleless, losses: {{l1: 1}}}}
{PROFILE}""")
    messages = [str(problem) for problem in check_registry([mine], builtin=False)]
    text = "\n".join(messages)
    assert "10: recipes.wrong.generator.sizes: value number 2: 'x' should be a whole number" in text
    assert "11: recipes.wrong.generator.table.a: 'b' should be a number" in text
    assert "'typed' needs 'needed'" in text
    assert "'typed' has no scale 4 (it has 2)" in text
    assert (
        "'scaleless' cannot be used as a generator: its constructor has no parameter `scale`"
        in text
    )
    good = complete(resolve(read_book([mine]), "good", "p")).spec.settings.generator.arguments
    assert good == {
        "sizes": [1, 2],
        "table": {"a": 1.0},
        "file": Path("x"),
        "free": ["a", 1],
        "needed": 3,
    }
    with pytest.raises(PluginError, match=r"annotations of .*Hidden.* cannot be evaluated"):
        complete(resolve(read_book([mine]), "hidden", "p"))


BROKEN = """version: 1
recipes:
  mine:
    generator: {name: broken, width: 3}
    losses: {l1: 1}
"""


def test_a_broken_plugin_is_reported_where_it_is_named_and_stops_no_other_recipe(
    write: Callable[..., Path],
) -> None:
    registry = REGISTRIES["generators"]
    before = registry.snapshot()
    registry.mark_broken("broken", Origin("package", "acme 1.0"), "ImportError: no acme")
    try:
        mine = write(BROKEN)
        expected = "generator 'broken' from package acme 1.0 is broken: ImportError: no acme"
        [problem] = check_registry([mine])
        assert str(problem) == f"mine.yaml:4: recipes.mine.generator: {expected}"
        book = load_book([mine])
        check_book(book)
        check_book(book, required="esrgan")
        with pytest.raises(PluginError, match="ImportError: no acme"):
            check_book(book, required="mine")
    finally:
        registry.restore(before)


@pytest.mark.parametrize("profile", ["short", "compact"])
def test_vgg16_stands_in_for_vgg19_and_the_recipe_says_the_rest(book: Book, profile: str) -> None:
    """What papers tell apart stays apart: before or after the activation, and the distance."""
    kept = ("weight", "before_activation", "criterion", "feature_scale")
    for name in book.written_recipes:
        papers = run(book, name, "paper").spec.settings.losses.get("vgg19")
        here = run(book, name, profile).spec.settings.losses.get("vgg19")
        if papers is None or here is None:
            assert papers is here is None
            continue
        assert (here.name, here.arguments["layer"]) == ("vgg16", "conv5_3")
        values = [{"weight": loss.weight, **loss.arguments} for loss in (here, papers)]
        assert [values[0][key] for key in kept] == [values[1][key] for key in kept]


@pytest.mark.parametrize("profile", ["smoke", "demo", "sweep"])
def test_profiles_without_a_download_compare_by_a_package(book: Book, profile: str) -> None:
    loss = run(book, "srgan", profile).spec.settings.losses["vgg19"]
    assert (loss.name, loss.arguments["network"]) == ("perceptual", "efficientnet-lite0")
    assert loss.arguments["weights"] == "package"
