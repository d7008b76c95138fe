"""Claims: how they are written, mistakes in them, and the proof that a contrast is one change."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from zoo.errors import RecipeError, UnknownNameError
from zoo.recipes.book import Book, builtin_registry, load_book, survey
from zoo.recipes.checks import check_book, check_registry, complete
from zoo.recipes.claims import COST_KEYS, TRAINING_KEYS
from zoo.recipes.contrasts import differences
from zoo.recipes.json_schema import schema_text
from zoo.recipes.problems import Place, dotted, in_order
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec

Write = Callable[..., Path]

GOOD = """\
version: 1
claims:
  mine:
    statement: it helps
    source: me
    contrast: {changed: srresnet-nobn, reference: srresnet, field: generator.norm}
    metric: psnr-y
    direction: higher
    smallest_effect: 0.05
"""

MISTAKES = """\
version: 1
claims:
  typo-in-key:
    statment: it helps  #! unknown key 'statment'; did you mean 'statement'?
    statement: it helps
    source: me
    contrast:
      changed: srresnet-nobn
      reference: srresnet
      feild: generator.norm  #! unknown key 'feild'; did you mean 'field'?
      field: generator.norm
    metric: psnr-y
    direction: hihger  #! .direction: 'hihger' should be 'higher' or 'lower'; did you mean 'higher'?
    smallest_effect: 0  #! .smallest_effect: 0 should be greater than 0
  incomplete:  #! claims.incomplete: needs 'statement'
    source: me
    contrast: {changed: srresnet, reference: rrdb}  #! write `changed`, `reference` and `field`, or
    metric: psnr-y
    statistic: median  #! .statistic: 'median' should be 'mean', 'seed-spread' or 'image-spread'
    direction: lower
    smallest_effect: 1
    matched: mac  #! .matched: 'mac' should be 'parameters', 'macs',
  unknown-recipes:
    statement: it helps
    source: me
    contrast:
      changed: srresnet-nobm  #! unknown recipe 'srresnet-nobm'; did you mean 'srresnet-nobn'?
      reference: srresnet
      field: genrator.norm  #! recipes have no setting 'genrator'; did you mean 'generator'?
    metric: psnr_y  #! unknown metric 'psnr_y'; did you mean 'psnr-y'? (see: zoo list metrics)
    direction: higher
    smallest_effect: 0.05
  unknown-cost:
    statement: it helps
    source: me
    contrast: {changed: srresnet-nobn, reference: srresnet, field: generator.norm}
    metric: cost.mac  #! unknown cost measure 'mac'; did you mean 'macs'? (known: parameters, macs,
    statistic: image-spread  #! 'cost.mac' has one value for each run, so it has no spread over
    direction: higher
    smallest_effect: 0.05
  unknown-training:
    statement: it helps
    source: me
    contrast: {changed: srresnet-nobn, reference: srresnet, field: generator.norm}
    metric: training.finit  #! unknown training measure 'finit'; did you mean 'finite'?
    direction: higher
    smallest_effect: 0.05
  unknown-family:
    statement: it helps
    source: me
    contrast: {changed: srresnet-nobn, reference: srresnet, field: generator.norm}
    metric: price.macs  #! 'price.macs' is not a metric: write an image metric, cost.KEY or
    direction: higher
    smallest_effect: 0.05
  same-recipe:
    statement: it helps
    source: me
    contrast: {changed: rrdb, reference: rrdb, field: generator}  #! are the same recipe
    metric: psnr-y
    direction: higher
    smallest_effect: 0.05
  spread-of-one:  #! `statistic` needs a contrast between two recipes
    statement: it helps
    source: me
    contrast: {recipe: rrdb, against: ground-truth}
    metric: hf-energy
    statistic: seed-spread
    direction: lower
    smallest_effect: 1
  both-forms:
    statement: it helps
    source: me
    contrast: {changed: rrdb, reference: edsr, field: generator, recipe: rrdb}  #! or `recipe` and
    metric: psnr-y
    direction: higher
    smallest_effect: 0.05
  bn-removal-memory:  #! claim 'bn-removal-memory' is already defined in
    statement: it helps
    source: me
    contrast: {changed: srresnet-nobn, reference: srresnet, field: generator.norm}
    metric: psnr-y
    direction: higher
    smallest_effect: 0.05
"""
EXPECTED = [
    (number, line.partition("#! ")[2])
    for number, line in enumerate(MISTAKES.splitlines(), start=1)
    if "#! " in line
]


def found(path: Path) -> list[str]:
    return [str(problem) for problem in check_registry([path])]


def claim_of(contrast: str) -> str:
    """Return the entry `mine` of a file's claims, with another contrast."""
    line = next(line for line in GOOD.splitlines() if "contrast" in line)
    return GOOD.partition("claims:\n")[2].replace(line.strip(), f"contrast: {contrast}")


def test_a_claim_is_read_with_its_place(write: Write) -> None:
    claim = load_book([write(GOOD)]).claim("mine")
    assert claim.place == Place("mine.yaml", 3)
    assert claim.contrast.recipes == ("srresnet-nobn", "srresnet")
    assert claim.contrast.field == ("generator", "norm")
    assert (claim.statistic, claim.relative, claim.matched) == ("mean", False, None)
    assert (claim.family, claim.key) == ("image", "psnr_y")


@pytest.mark.parametrize(
    ("metric", "family", "key"),
    [
        ("lite1-distance", "image", "lite1_distance"),
        ("statistics-gap", "image", "statistics_gap"),
        ("cost.ms_per_megapixel", "cost", "ms_per_megapixel"),
        ("training.finite", "training", "finite"),
    ],
)
def test_a_metric_has_a_family_and_a_key(write: Write, metric: str, family: str, key: str) -> None:
    claim = load_book([write(GOOD.replace("psnr-y", metric))]).claim("mine")
    assert (claim.family, claim.key) == (family, key)


def test_all_keys_may_be_named(write: Write) -> None:
    names = [f"cost.{key}" for key in COST_KEYS] + [f"training.{key}" for key in TRAINING_KEYS]
    for name in names:
        assert load_book([write(GOOD.replace("psnr-y", name))]).claim("mine").metric == name


def test_the_sign_of_the_changed_side_may_be_asked_for_of_a_mean(write: Write) -> None:
    contrast = "{changed: rrdb, reference: edsr, field: generator}"
    text = "version: 1\nclaims:\n" + claim_of(contrast)
    text += "    changed_is: positive\n"
    assert load_book([write(text)]).claim("mine").changed_is == "positive"
    assert (
        "`changed_is` refers to a mean" in found(write(text + "    statistic: image-spread\n"))[0]
    )


def test_the_ground_truth_may_be_the_reference(write: Write) -> None:
    text = "version: 1\nclaims:\n" + claim_of("{recipe: srresnet, against: ground-truth}")
    contrast = load_book([write(text)]).claim("mine").contrast
    assert (contrast.recipes, contrast.reference, contrast.field) == (("srresnet",), None, ())
    assert found(write(text)) == []


def test_many_recipes_may_be_ranked_by_two_metrics(write: Write) -> None:
    text = "version: 1\nclaims:\n" + claim_of(
        "{among: [srresnet, srgan, esrgan], ranked_by: lpips-alex}"
    )
    claim = load_book([write(text)]).claim("mine")
    assert claim.contrast.recipes == ("srresnet", "srgan", "esrgan")
    assert claim.keys == ("psnr_y", "lpips_alex")
    assert found(write(text)) == []
    for wrong, told in (
        (text.replace("srgan,", "srgam,"), "unknown recipe 'srgam'; did you mean 'srgan'?"),
        (text.replace("lpips-alex", "lpips-alexa"), "unknown metric 'lpips-alexa'"),
        (text.replace("psnr-y", "cost.macs"), "unknown metric 'cost.macs'"),
        (text.replace(", esrgan]", "]"), "have at least 3 values"),
    ):
        [problem] = found(write(wrong))
        assert told in problem


def test_unknown_claims_are_asked_for_with_a_suggestion(book: Book) -> None:
    message = "unknown claim 'wgan-gp-stable'; did you mean 'wgangp-stable'? (see: zoo list claims)"
    with pytest.raises(UnknownNameError) as caught:
        book.claim("wgan-gp-stable")
    assert str(caught.value) == message


@pytest.fixture(scope="module")
def problems(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    path = tmp_path_factory.mktemp("claims") / "mine.yaml"
    path.write_text(MISTAKES, encoding="utf-8")
    said = [str(problem) for problem in in_order(survey([builtin_registry(), path])[1])]
    return [line.replace(f"{path}:", "mine.yaml:") for line in said]


@pytest.mark.parametrize(("line", "fragment"), EXPECTED)
def test_a_mistake_is_found_in_its_line(problems: list[str], line: int, fragment: str) -> None:
    here = [problem for problem in problems if problem.startswith(f"mine.yaml:{line}: ")]
    assert any(fragment in problem for problem in here), here


def test_nothing_else_is_reported(problems: list[str]) -> None:
    lines = {int(problem.split(":")[1]) for problem in problems}
    assert lines == {line for line, _ in EXPECTED}


def test_mistakes_are_found_without_torch(write: Write) -> None:
    script = """
import sys
from pathlib import Path
from zoo.errors import RecipeError
from zoo.recipes.book import load_book
try:
    load_book([Path("mine.yaml")])
except RecipeError as error:
    print(len(str(error).splitlines()))
sys.exit("imported" if {"torch", "numpy"} & set(sys.modules) else 0)
"""
    folder = write(MISTAKES).parent
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"{len(EXPECTED)}\n"), done.stderr


# ------------------------------------------------------------------------- one change, proved

RECIPES = """\
version: 1
recipes:
  one: {extends: srresnet, training: {steps: 3}}
  two: {extends: one, generator: {norm: none}}
  two-faster: {extends: two, training: {learning_rate: 3e-4}}
  start: {extends: one, losses: {mse: 1, l1: 1}}
  gan: {extends: srgan, pretrained: one}
  gan-two: {extends: gan, generator: {norm: none}, pretrained: two}
  gan-other-start: {extends: gan, generator: {norm: none}, pretrained: start}
  no-start: {extends: gan, generator: {norm: none}, pretrained: null}
  unprepared: {extends: gan, pretrained: null}
  activated: {extends: gan, losses: {vgg19: {before_activation: true}}}
  narrow: {extends: rrdb, generator: {residual_scaling: 0.2, width: 16}}
  critic: {extends: esrgan, adversary: {name: wgan-gp, weight: 5e-3}}
claims:
"""
BEYOND = "mine.yaml:19: claims.mine.contrast.field: "


def proof(write: Write, changed: str, reference: str, field: str) -> list[str]:
    text = RECIPES + claim_of(f"{{changed: {changed}, reference: {reference}, field: {field}}}")
    return found(write(text))


@pytest.mark.parametrize(
    ("changed", "reference", "field"),
    [
        ("two", "one", "generator.norm"),
        ("two", "one", "generator"),
        ("gan-two", "gan", "generator.norm"),
        ("one", "start", "losses.l1"),
        ("one", "start", "losses"),
        ("rrdb", "edsr", "generator"),
        ("gan", "unprepared", "pretraining"),
        ("activated", "gan", "losses.vgg19.before_activation"),
    ],
)
def test_one_change_is_proved_in_both_stages(
    write: Write, changed: str, reference: str, field: str
) -> None:
    assert proof(write, changed, reference, field) == []


def test_another_learning_rate_is_found_where_no_profile_sets_it(write: Write) -> None:
    assert proof(write, "two-faster", "one", "generator.norm") == [
        (
            f"{BEYOND}two-faster and one differ in more than generator.norm: "
            "training.learning_rate (0.0003, 0.0001); under profile smoke, paper"
        )
    ]


def test_another_loss_in_pretraining_is_found(write: Write) -> None:
    [problem] = proof(write, "gan-other-start", "gan", "generator.norm")
    assert problem == (
        f"{BEYOND}gan-other-start and gan differ in more than generator.norm: "
        "pretraining.losses.l1 (l1, absent); under every profile"
    )


def test_pretraining_of_one_side_only_is_found(write: Write) -> None:
    [problem] = proof(write, "no-start", "gan", "generator.norm")
    assert "pretraining (absent, present); under every profile" in problem


def test_no_difference_is_found_with_a_suggestion(write: Write) -> None:
    missing = f"{BEYOND}two and one do not differ in generator.nrom; did you mean 'generator.norm'?"
    problems = proof(write, "two", "one", "generator.nrom")
    assert f"{missing} under every profile" in problems
    assert any("differ in more than generator.nrom: generator.norm ('none'," in p for p in problems)


def test_what_a_profile_makes_equal_is_found_under_that_profile(write: Write) -> None:
    """The demo profile sets the width of RRDB, so a recipe's own width is nothing under it."""
    problems = proof(write, "narrow", "rrdb", "generator.width")
    assert problems == [
        (
            f"{BEYOND}narrow and rrdb do not differ in generator.width "
            "under profile smoke, demo, sweep, compact, study"
        )
    ]


def test_a_setting_that_no_profile_leaves_in_place_is_found(write: Write) -> None:
    """VGG19 gives way to another network under some profiles; a name with a slip, under all."""
    problems = proof(write, "activated", "gan", "losses.vgg19.before_activatoin")
    assert any("did you mean 'losses.vgg19.before_activation'?" in problem for problem in problems)
    [problem] = proof(write, "one", "srresnet", "losses.vgg19.layer")
    assert problem.endswith(
        "one and srresnet do not differ in losses.vgg19.layer under every profile"
    )


def test_a_default_that_gives_way_to_the_adversary_is_found(write: Write) -> None:
    problems = proof(write, "critic", "esrgan", "adversary")
    assert problems == [
        (
            f"{BEYOND}critic and esrgan differ in more than adversary: "
            "discriminator.norm ('layer', 'batch'); under every profile"
        )
    ]


def test_a_side_that_is_wrong_itself_is_not_reported_twice(write: Write) -> None:
    text = RECIPES.replace("{norm: none}}\n  two-", "{nrom: none}}\n  two-", 1)
    mine = write(text + claim_of("{changed: two, reference: one, field: generator.norm}"))
    assert all("nrom" in problem and "claims." not in problem for problem in found(mine))


def test_check_book_refuses_a_contrast_of_two_changes(write: Write) -> None:
    contrast = "{changed: gan-other-start, reference: gan, field: generator.norm}"
    book = load_book([write(RECIPES + claim_of(contrast))])
    with pytest.raises(RecipeError, match=r"pretraining\.losses\.l1"):
        check_book(book)


def run(book: Book, recipe: str, *settings: str) -> RunSpec:
    return complete(resolve(book, recipe, "demo", settings=settings)).spec


def test_differences_are_of_values_not_of_names(book: Book) -> None:
    spec = run(book, "esrgan-wgangp")
    renamed = spec.model_copy(update={"recipe": "other", "seed": 3})
    assert differences(spec, renamed) == []
    assert differences(spec, spec) == []


@pytest.mark.parametrize(
    ("setting", "paths"),
    [
        ("training.steps=7", ["training.steps"]),
        ("pretraining.training.steps=7", ["pretraining.training.steps"]),
        ("losses.vgg19=null", ["losses.vgg19"]),
        ("data.batch_size=3", ["data.batch_size", "pretraining.data.batch_size"]),
        ("discriminator.width=13", ["discriminator.width"]),
        ("adversary.penalty_weight=9", ["adversary.penalty_weight"]),
        ("training.betas=[0.0, 0.8]", ["training.betas"]),
    ],
)
def test_every_value_counts(book: Book, setting: str, paths: list[str]) -> None:
    there, back = run(book, "esrgan-wgangp", setting), run(book, "esrgan-wgangp")
    assert [dotted(each.path) for each in differences(there, back)] == paths
    assert [dotted(each.path) for each in differences(back, there)] == paths


# ------------------------------------------------------------------------- the built-in claims


def test_the_built_in_claims_are_those_of_the_literature(book: Book) -> None:
    claims = book.claims.values()
    assert len(book.claims) >= 18
    assert all(claim.source[0].isupper() and claim.smallest_effect > 0 for claim in claims)
    tested = {(claim.metric, claim.statistic) for claim in claims}
    assert {
        ("psnr-y", "mean"),
        ("psnr-y", "seed-spread"),
        ("statistics-gap", "mean"),
        ("statistics-gap", "image-spread"),
        ("cost.activation_memory", "mean"),
        ("cost.macs", "mean"),
        ("cost.ms_per_megapixel", "mean"),
        ("training.finite", "mean"),
        ("training.stable", "mean"),
        ("training.early_psnr", "mean"),
        ("training.psnr_variation", "mean"),
        ("training.gradient_variation", "mean"),
        ("training.critic_quality_correlation", "mean"),
        ("lpips-alex", "mean"),
        ("hf-energy", "mean"),
    } <= tested
    # distances that nobody fitted to people prefer the smoother picture; they decide no claim
    assert not {metric for metric, _ in tested} & {"lite1-distance", "haarpsi", "ms-gmsd"}


@pytest.mark.parametrize(
    "contrast",
    [
        {},
        {"changed": "a", "reference": "b"},
        {"recipe": "a"},
        {"recipe": "a", "against": "bicubic"},
        {"changed": "a", "reference": "b", "field": "x", "recipe": "a", "against": "ground-truth"},
        {"among": ["a", "b", "c"]},
        {"among": ["a", "b"], "ranked_by": "lpips"},
    ],
)
def test_an_editor_sees_a_contrast_of_neither_form(contrast: dict[str, str]) -> None:
    validator = Draft202012Validator(json.loads(schema_text()))
    rest = {"statement": "s", "source": "s", "metric": "psnr-y", "direction": "higher"}
    claim = rest | {"smallest_effect": 1, "contrast": contrast}
    assert not validator.is_valid({"version": 1, "claims": {"mine": claim}})
    claim["contrast"] = {"changed": "a", "reference": "b", "field": "generator"}
    assert validator.is_valid({"version": 1, "claims": {"mine": claim}})
