"""In what a run is not its recipe's: found by what both resolve to, and enough to make it again."""

from __future__ import annotations

import pytest

from zoo.recipes.book import Book, load_book
from zoo.recipes.contrasts import differences
from zoo.recipes.schema import RunSpec
from zoo.recipes.variants import JOINT, budget_folder, run_name, shaping, specify, with_variant
from zoo.runs.changes import shaping_of

CASES = {
    "a weight": ("srgan-nobn", ["losses.vgg19.weight=3"]),
    "a weight by its shorthand": ("srgan-nobn", ["losses.vgg19=3"]),
    "what it is anyway beside what it is not": (
        "srresnet-nobn",
        ["generator.num_blocks=1", "training.learning_rate=1e-3"],
    ),
    "a folder with a blank": ("srresnet", ['data.source="/home/me/a b"']),
    "a folder that reads as a number": ("srresnet", ['data.source="12"']),
    "a length in epochs": ("srresnet", ["training.epochs=2.5"]),
    "a list": ("srgan", ["training.betas=[0.5, 0.9]", "data.source=photos"]),
    "a schedule": (
        "srresnet",
        ["training.schedule.kind=step", "training.schedule.milestones=[0.5, 0.75]"],
    ),
    "other components": (
        "srgan-nobn",
        ["generator=rrdb", "generator.growth=6", "adversary=wgan-gp", "discriminator.norm=none"],
    ),
    "one loss less and one more": ("esrgan", ["losses.vgg19=null", "losses.mse=2"]),
    "a loss by another name": ("esrgan", ["losses.pixel.name=mse", "losses.pixel.weight=2"]),
    "it has no discriminator": ("esrgan", ["adversary=null", "discriminator=null"]),
    "the stage before": ("esrgan", ["pretraining.training.learning_rate=3e-4"]),
    "how it is executed": ("srresnet", ["runtime.compile=true", "runtime.threads=3"]),
}


@pytest.fixture(scope="module")
def book() -> Book:
    return load_book()


@pytest.mark.parametrize("case", CASES)
def test_what_is_found_makes_the_same_run_again(case: str, book: Book) -> None:
    recipe, settings = CASES[case]
    spec = specify(book, recipe, "smoke", seed=3, settings=settings)
    assert spec.variant
    again = specify(book, recipe, "smoke", seed=3, settings=spec.variant)
    assert again == spec
    untold = spec.model_copy(update={"variant": ()})
    assert with_variant(untold, book) == spec, "whoever typed what"
    plain = specify(book, recipe, "smoke")
    assert differences(spec, plain)
    assert budget_folder(spec).startswith(f"smoke{JOINT}")
    assert "/" not in budget_folder(spec)


def test_what_was_set_is_named_as_a_person_would_set_it(book: Book) -> None:
    def named(recipe: str, *settings: str) -> str:
        return run_name(specify(book, recipe, "smoke", settings=settings))

    assert named("srgan-nobn", "losses.vgg19.weight=3.0") == "srgan-nobn losses.vgg19.weight=3"
    assert named("srresnet", "training.learning_rate=0.0001") == "srresnet", "it is that anyway"
    assert named("srresnet", "runtime.threads=3", "training.log_every=5") == "srresnet"
    assert named("srresnet", "data.validation=photos") == "srresnet", "samples say what is held out"
    assert named("srresnet", "runtime.precision=bfloat16").endswith(" runtime.precision=bfloat16")


def test_every_recipe_under_every_profile_is_itself_and_so_is_its_pretraining(book: Book) -> None:
    for recipe in book.recipes:
        for profile in book.profiles:
            spec = specify(book, recipe, profile)
            stages = [spec, *([spec.pretraining] if spec.pretraining else [])]
            assert [with_variant(stage, book).variant for stage in stages] == [()] * len(stages)


def test_pretraining_by_a_changed_generator_is_a_changed_run_too(book: Book) -> None:
    spec = specify(book, "esrgan", "smoke", settings=["generator.growth=6"])
    assert spec.pretraining is not None
    assert spec.pretraining.variant == ("generator.growth=6",)
    alone = specify(book, spec.pretraining.recipe, "smoke", settings=spec.pretraining.variant)
    assert alone == spec.pretraining, "one directory, whoever asked for it"


def test_a_run_of_a_recipe_that_was_edited_differs_by_the_edit(book: Book) -> None:
    before = specify(book, "srresnet", "smoke")
    edited = before.settings.training.model_copy(update={"learning_rate": 0.5})
    settings = before.settings.model_copy(update={"training": edited})
    found = with_variant(before.model_copy(update={"settings": settings}), book)
    assert found.variant == ("training.learning_rate=0.5",)


def test_a_default_that_is_a_tuple_makes_no_other_run(book: Book) -> None:
    spec = specify(book, "srgan", "smoke")
    term = spec.settings.losses["vgg19"]
    pair = {
        **spec.settings.losses,
        "vgg19": term.with_arguments({**term.arguments, "pair": (0, 1)}),
    }
    trained = spec.model_copy(
        update={"settings": spec.settings.model_copy(update={"losses": pair})}
    )
    read = RunSpec.model_validate_json(trained.model_dump_json())
    assert differences(read, trained) == []


def test_an_argument_that_a_loss_learned_later_makes_no_other_run(book: Book) -> None:
    spec = specify(book, "srgan", "smoke")
    loss = spec.settings.losses["vgg19"]
    unset = [name for name, value in loss.arguments.items() if value is None]
    assert unset
    before = loss.with_arguments({k: v for k, v in loss.arguments.items() if k not in unset})
    losses = {**spec.settings.losses, "vgg19": before}
    settings = spec.settings.model_copy(update={"losses": losses})
    assert with_variant(spec.model_copy(update={"settings": settings}), book).variant == ()


def test_a_recipe_that_the_book_has_not_keeps_what_was_told(book: Book) -> None:
    spec = specify(book, "srresnet", "smoke", settings=["training.steps=5"])
    elsewhere = spec.model_copy(update={"recipe": "somebody-elses"})
    assert with_variant(elsewhere, book).variant == ("training.steps=5",)


@pytest.mark.parametrize(
    ("now", "then"), [("esrgan", "esrgan-scratch"), ("esrgan-scratch", "esrgan")]
)
def test_a_run_whose_recipe_gained_or_lost_its_pretraining_keeps_what_was_told(
    book: Book, now: str, then: str
) -> None:
    spec = specify(book, then, "smoke").model_copy(update={"recipe": now, "variant": ("told",)})
    assert with_variant(spec, book).variant == ("told",)


def test_folders_are_told_apart_and_fit_a_file_system(book: Book) -> None:
    def folder(*settings: str) -> str:
        return budget_folder(specify(book, "srresnet", "smoke", settings=settings))

    assert folder() == "smoke"
    assert folder("training.steps=5") == "smoke+training.steps=5"
    assert folder("data.source=/a/photos") != folder("data.source=/b/photos")
    long = [f"data.source={'x' * 240}{end}" for end in "ab"]
    assert len({folder(one) for one in long}) == 2
    assert all(len(folder(one)) < 120 for one in long)
    settings = ("runtime.threads=3", "pretraining.training.log_every=1", "generator.growth=6")
    assert shaping(specify(book, "esrgan", "smoke", settings=settings)) == ("generator.growth=6",)


def test_what_a_folder_is_validated_on_decides_what_is_trained_on(book: Book) -> None:
    def run(*settings: str) -> RunSpec:
        return specify(book, "srresnet", "smoke", settings=settings)

    validated = run("data.source=photos", "data.validation=held")
    assert run_name(validated) == "srresnet data.source=photos data.validation=held"
    assert budget_folder(validated) != budget_folder(run("data.source=photos"))
    assert shaping_of(validated) != shaping_of(run("data.source=photos"))
    assert shaping_of(run("data.validation=held")) == shaping_of(run())
