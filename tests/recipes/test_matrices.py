"""Matrices: their expansion into recipes, mistakes, and the proof of one factor at a time."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from zoo.errors import UnknownNameError
from zoo.recipes.book import Book, load_book, read_book
from zoo.recipes.checks import check_registry, complete
from zoo.recipes.contrasts import differences
from zoo.recipes.json_schema import schema_text
from zoo.recipes.matrices import Cell, matrix_cells
from zoo.recipes.problems import Place
from zoo.recipes.resolve import resolve
from zoo.recipes.schema import RunSpec

Write = Callable[..., Path]
NAME = "esrgan-over-srgan"
SETTING = {
    "generator": ("generator",),
    "norm": ("generator", "norm"),
    "adversary": ("adversary",),
    "perceptual": ("losses", "vgg19"),
}
"""What each factor of the built-in matrix is about."""


def cells_of(book: Book) -> dict[tuple[str, ...], str]:
    return {tuple(cell.levels.values()): cell.recipe for cell in matrix_cells(book, NAME)}


def run(book: Book, recipe: str, profile: str = "smoke") -> RunSpec:
    return complete(resolve(book, recipe, profile)).spec


# ------------------------------------------------------------------------ the built-in matrix


def test_two_levels_of_four_factors_are_sixteen_cells_in_order(book: Book) -> None:
    factors = book.matrix(NAME).factors
    assert factors == {
        "generator": ("srresnet", "rrdb"),
        "norm": ("batch", "none"),
        "adversary": ("vanilla", "wgan-gp"),
        "perceptual": ("without", "with"),
    }
    cells = cells_of(book)
    assert list(cells) == list(itertools.product(*factors.values()))
    assert len(set(cells.values())) == 16


def test_a_cell_that_is_a_recipe_already_is_that_recipe(book: Book) -> None:
    cells = cells_of(book)
    assert cells["rrdb", "none", "wgan-gp", "with"] == "esrgan-wgangp"
    assert cells["rrdb", "none", "wgan-gp", "without"] == "esrgan-wgangp-novgg"
    assert cells["rrdb", "batch", "wgan-gp", "with"] == "esrgan-wgangp-bn"
    assert cells["rrdb", "none", "vanilla", "with"] == "esrgan-wgangp-vanilla"
    made = [name for name in cells.values() if book.recipes[name].matrix == NAME]
    assert len(made) == 12


def test_a_made_recipe_is_called_by_its_levels_and_written_where_the_matrix_is(book: Book) -> None:
    entry = book.recipe(f"{NAME}-srresnet-batch-vanilla-without")
    assert entry.matrix == NAME
    assert entry.place == book.matrix(NAME).place
    assert "generator srresnet, norm batch" in entry.text("summary")
    assert entry.reference("extends") is None
    assert entry.leaves["generator", "name"].place.line > entry.place.line


def test_pretraining_follows_generator_and_norm_alone(book: Book) -> None:
    sources = {levels[:2]: set[str | None]() for levels in cells_of(book)}
    for levels, recipe in cells_of(book).items():
        sources[levels[:2]].add(book.recipes[recipe].reference("pretrained"))
    assert sources == {
        ("srresnet", "batch"): {f"{NAME}-pretraining-srresnet-batch"},
        ("srresnet", "none"): {f"{NAME}-pretraining-srresnet-none"},
        ("rrdb", "batch"): {"rrdb-bn"},
        ("rrdb", "none"): {"rrdb"},
    }
    made = run(book, f"{NAME}-pretraining-srresnet-batch").settings
    assert (made.generator.name, made.generator.arguments["norm"]) == ("srresnet", "batch")
    assert made.losses == run(book, "rrdb").settings.losses
    assert made.training == run(book, "rrdb").settings.training


def test_cells_have_their_levels_under_every_profile(book: Book) -> None:
    for (generator, norm, adversary, perceptual), recipe in cells_of(book).items():
        for profile in book.profiles:
            spec = run(book, recipe, profile)
            assert spec.settings.adversary is not None
            assert spec.settings.discriminator is not None
            assert spec.pretraining is not None
            assert spec.settings.generator.name == generator
            assert spec.settings.generator.arguments["norm"] == norm
            assert spec.settings.adversary.name == adversary
            assert ("vgg19" in spec.settings.losses) is (perceptual == "with")
            assert spec.settings.discriminator.arguments["norm"] == "layer"
            assert spec.pretraining.settings.generator == spec.settings.generator


@pytest.mark.parametrize("factor", SETTING)
def test_neighbours_differ_in_their_factor_alone(book: Book, factor: str) -> None:
    """The same proof as the checker's, from the settings that each factor is about."""
    position = list(SETTING).index(factor)
    cells = cells_of(book)
    for levels, recipe in cells.items():
        other = list(levels)
        first, second = book.matrix(NAME).factors[factor]
        other[position] = second if levels[position] == first else first
        found = differences(run(book, recipe), run(book, cells[tuple(other)]))
        own = SETTING[factor]
        assert found
        assert all(each.setting[: len(own)] == own for each in found)


def test_unknown_matrices_are_asked_for_with_a_suggestion(book: Book) -> None:
    message = r"unknown matrix 'esrgan-over'; did you mean 'esrgan-over-srgan'\?.*list matrices"
    with pytest.raises(UnknownNameError, match=message):
        matrix_cells(book, "esrgan-over")


def test_written_recipes_are_those_of_authors(book: Book) -> None:
    assert "esrgan-wgangp" in book.written_recipes
    assert not [name for name in book.written_recipes if name.startswith(NAME)]
    assert set(book.written_recipes) < set(book.recipes)


def test_loading_takes_no_torch() -> None:
    script = """
import sys, time
start = time.perf_counter()
from zoo.recipes.book import load_book
from zoo.recipes.matrices import matrix_cells
book = load_book()
print(len(matrix_cells(book, "esrgan-over-srgan")), time.perf_counter() - start, "s")
sys.exit("imported" if {"torch", "numpy"} & set(sys.modules) else 0)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("16 ")
    sys.stdout.write(done.stdout)


# --------------------------------------------------------------------------- small matrices

BASE = """\
version: 1
recipes:
  base: {generator: {name: rrdb, norm: none}, losses: {l1: 1, mse: 1}}
  wide: {extends: base, losses: {mse: null}, training: {learning_rate: 2e-4}}
profiles:
  p: {content: {steps: 3}, adversarial: {steps: 3}}
matrices:
  m:
    base: base
    factors:
"""
LOSS = "      loss: {both: {}, one: {losses: {mse: null}}}\n"
RATE = "      rate: {slow: {}, fast: {training: {learning_rate: 2e-4}}}\n"


def expanded(write: Write, factors: str) -> list[Cell]:
    return matrix_cells(read_book([write(BASE + factors)]), "m")


def found(write: Write, factors: str, text: str = BASE) -> list[str]:
    mine = write(text + factors)
    return [str(problem) for problem in check_registry([mine], builtin=False)]


def test_cells_are_found_among_recipes_by_value(write: Write) -> None:
    assert found(write, LOSS + RATE) == []
    assert expanded(write, LOSS + RATE) == [
        Cell("base", {"loss": "both", "rate": "slow"}),
        Cell("m-both-fast", {"loss": "both", "rate": "fast"}),
        Cell("m-one-slow", {"loss": "one", "rate": "slow"}),
        Cell("wide", {"loss": "one", "rate": "fast"}),
    ]


def test_the_order_of_factors_does_not_matter(write: Write) -> None:
    """A generator's name drops the arguments of the one before, but not what a factor writes."""
    norm = "      norm: {batch: {generator: {norm: batch}}, none: {generator: {norm: none}}}\n"
    kind = "      kind: {older: {generator: srresnet}, newer: {generator: rrdb}}\n"
    for factors in (norm + kind, kind + norm):
        book = read_book([write(BASE + factors)])
        for cell in matrix_cells(book, "m"):
            generator = run(book, cell.recipe, "p").settings.generator
            assert generator.arguments["norm"] == cell.levels["norm"]
            assert generator.name == {"older": "srresnet", "newer": "rrdb"}[cell.levels["kind"]]


def test_a_cell_is_equal_only_if_its_pretraining_is(write: Write) -> None:
    text = """\
version: 1
recipes:
  a: {generator: rrdb, losses: {l1: 1}}
  b: {generator: rrdb, losses: {mse: 1}}
  c: {generator: {name: rrdb, width: 8}, losses: {l1: 1}}
  from-a: {generator: rrdb, losses: {l1: 1, mse: 1}, pretrained: a}
  from-b: {generator: rrdb, losses: {l1: 1}, pretrained: b}
  from-c: {generator: rrdb, losses: {l1: 1}, pretrained: c}
profiles:
  p: {content: {steps: 3}}
matrices:
  m: {base: from-a, factors: {loss: {both: {}, one: {losses: {mse: null}}}}}
"""
    book = read_book([write(text)])
    recipes = [cell.recipe for cell in matrix_cells(book, "m")]
    # from-c starts from a generator of the run's own width, as all pretraining does: it is the cell
    assert recipes == ["from-a", "from-c"]
    assert run(book, "from-c", "p").pretraining is not None
    without = read_book([write(text.replace("  from-c:", "  #"))])
    assert [cell.recipe for cell in matrix_cells(without, "m")] == ["from-a", "m-one"]


def test_a_cell_of_another_matrix_is_not_made_twice(write: Write) -> None:
    text = BASE + RATE + "  n:\n    base: base\n    factors:\n" + RATE.replace("fast:", "other:")
    book = read_book([write(text)])
    assert [cell.recipe for cell in matrix_cells(book, "m")] == ["base", "m-fast"]
    assert [cell.recipe for cell in matrix_cells(book, "n")] == ["base", "m-fast"]


def test_a_file_may_add_a_matrix_over_a_built_in_recipe(write: Write) -> None:
    text = "version: 1\nmatrices:\n  mine: {base: esrgan, factors: {loss: {with: {}, without: "
    text += "{losses: {vgg19: null}}}}}\n"
    mine = write(text)
    book = load_book([mine])
    assert [cell.recipe for cell in matrix_cells(book, "mine")] == ["esrgan", "mine-without"]
    assert book.recipe("mine-without").place == Place("mine.yaml", 3)
    assert check_registry([mine]) == []


def test_a_claim_may_be_about_a_cell(write: Write) -> None:
    claim = "claims: {c: {statement: s, source: s, metric: psnr-y, direction: higher, "
    claim += "smallest_effect: 1, contrast: {changed: m-both-fast, reference: base, "
    for field, problems in (("training", 0), ("losses", 2)):
        text = BASE + LOSS + RATE + claim + f"field: {field}}}}}}}\n"
        assert len(found(write, "", text)) == problems


def test_a_factor_of_three_levels(write: Write) -> None:
    rates = RATE.replace("}}}", "}}, faster: {training: {learning_rate: 4e-4}}}")
    assert found(write, LOSS + rates) == []
    cells = expanded(write, LOSS + rates)
    assert [tuple(cell.levels.values()) for cell in cells] == list(
        itertools.product(("both", "one"), ("slow", "fast", "faster"))
    )
    book = read_book([write(BASE + LOSS + rates)])
    rate = {
        cell.levels["rate"]: run(book, cell.recipe, "p").settings.training.learning_rate
        for cell in cells
    }
    assert (rate["fast"], rate["faster"]) == (2e-4, 4e-4)


def test_every_pair_of_levels_is_proved(write: Write) -> None:
    """`wide` writes what is the default: it does not differ from `own`, though their texts do."""
    width = (
        "      width: {narrow: {generator: {width: 8}}, own: {}, wide: {generator: {width: 64}}}\n"
    )
    (problem,) = found(write, width)
    assert "m-wide and base do not differ in factor width" in problem


def test_too_many_cells_are_refused(write: Write) -> None:
    levels = ", ".join(f"l{n}: {{losses: {{l1: {n}}}}}" for n in range(1, 9))
    rates = ", ".join(f"r{n}: {{training: {{learning_rate: {n}e-4}}}}" for n in range(1, 9))
    factors = f"      loss: {{{levels}}}\n      rate: {{{rates}}}\n"
    assert found(write, factors) == []
    (problem,) = found(write, factors + "      scale: {a: {}, b: {scale: 2}}\n")
    assert problem.startswith(f"mine.yaml:10: {AT}: its levels have 128 combinations")


# -------------------------------------------------------------------------------- mistakes

AT = "matrices.m.factors"
KNOWN = "; known are: adversary, data, discriminator, generator, losses, scale, training"


@pytest.mark.parametrize(
    ("factors", "problem"),
    [
        (
            "      loss: {both: {}, one: {losses: {msee: null}}}",
            (
                f"11: {AT}.loss.one.losses.msee: there is no loss 'msee' to remove; "
                "did you mean 'mse'?"
            ),
        ),
        (
            "      kind: {a: {generator: rrbd}, b: {}}",
            (
                f"11: {AT}.kind.a.generator: unknown generator 'rrbd'; did you mean 'rrdb'? "
                "(see: zoo list generators)"
            ),
        ),
        (
            "      loss: {both: {}, one: {losses: {l11: 1}}}",
            (
                f"11: {AT}.loss.one.losses.l11: unknown loss 'l11'; did you mean 'l1'? "
                "(see: zoo list losses)"
            ),
        ),
        (
            "      kind: {a: {generatr: rrdb}, b: {}}",
            f"11: {AT}.kind.a: unknown key 'generatr'; did you mean 'generator'?{KNOWN}",
        ),
        (
            "      kind: {a: {extends: base}, b: {}}",
            f"11: {AT}.kind.a: unknown key 'extends'{KNOWN}",
        ),
        (
            "      kind: {a: {generator: null}, b: {}}",
            f"11: {AT}.kind.a: a recipe needs a generator; choose another base",
        ),
        (
            "      loss: {one: {}}",
            f"11: {AT}.loss: a mapping should have at least 2 values",
        ),
        (
            f"      l1: {{{', '.join(f'w{n}: {{losses: {{l1: {n}}}}}' for n in range(1, 10))}}}",
            f"11: {AT}.l1: a mapping should have at most 8 values",
        ),
        (
            "      loss: {a: {}, b: {scale: 2}, c: {scale: 2}}",
            f"11: {AT}.loss: 'b' and 'c' are the same; the levels of a factor differ",
        ),
        (
            "      loss: {a: {}, b: {}}",
            f"11: {AT}.loss: 'a' and 'b' are the same; the levels of a factor differ",
        ),
        (
            "      rate: {a: {}, b: {training: {learning_rate: -1}}}",
            f"11: {AT}.rate.b.training.learning_rate: -1 should be greater than 0",
        ),
        (
            "      width: {a: {}, b: {generator: {widht: 8}}}",
            (
                f"11: {AT}.width.b.generator: unknown argument 'widht' of 'rrdb'; "
                "did you mean 'width'? (see: zoo show generator rrdb); known are: growth, "
                "initialisation_gain, interpolation_skip, norm, num_blocks, residual_scaling, width"
            ),
        ),
        (
            (
                "      width: {a: {}, b: {generator: {width: 8}}}\n"
                "      kind: {a: {}, b: {generator: {width: 9}}}"
            ),
            (
                f"12: {AT}.kind.b.generator.width: factor 'width' sets this too; "
                "a setting can belong to one factor only"
            ),
        ),
        (
            (
                "      loss: {a: {losses: {mse: null}}, b: {}}\n"
                "      weight: {a: {losses: {mse: 3}}, b: {}}"
            ),
            (
                f"12: {AT}.weight.a.losses.mse: factor 'loss' sets this too; "
                "a setting can belong to one factor only"
            ),
        ),
        (
            (
                f"      rate: {{{'a' * 40}: {{}}, {'b' * 40}: {{scale: 2}}}}\n"
                f"      loss: {{{'c' * 40}: {{}}, {'d' * 40}: {{losses: {{mse: null}}}}}}"
            ),
            (
                f"8: matrices.m: the name of cell 'm-{'a' * 40}-{'d' * 40}' "
                "has more than 64 characters"
            ),
        ),
        (
            "      bad_name: {a: {}, b: {scale: 2}}",
            (
                f"11: {AT}.bad_name: 'bad_name' is not a valid name "
                "(kebab case: lower-case letters, digits, -)"
            ),
        ),
    ],
)
def test_each_mistake_is_said_once_and_where(write: Write, factors: str, problem: str) -> None:
    assert found(write, factors + "\n") == [f"mine.yaml:{problem}"]


def test_a_base_must_exist(write: Write) -> None:
    problems = found(write, LOSS, BASE.replace("base: base", "base: bsae"))
    message = "9: matrices.m.base: unknown recipe 'bsae'; did you mean 'base'?"
    assert problems == [f"mine.yaml:{message}"]


def test_a_broken_base_is_reported_once(write: Write) -> None:
    problems = found(write, LOSS + RATE, BASE.replace("name: rrdb", "name: rrdbb"))
    assert problems == [
        (
            "mine.yaml:3: recipes.base.generator.name: unknown generator 'rrdbb'; did you mean "
            "'rrdb'? (see: zoo list generators)"
        )
    ]


def test_a_made_name_may_not_be_taken(write: Write) -> None:
    text = BASE.replace("  wide:", "  m-fast: {extends: base, scale: 2}\n  wide:")
    message = (
        "9: matrices.m: the name of cell 'm-fast' is already the name of a recipe in mine.yaml:4"
    )
    assert found(write, RATE, text) == [f"mine.yaml:{message}"]


def test_a_matrix_defined_twice_shows_both_places(write: Write) -> None:
    first, second = write(BASE + LOSS, "a.yaml"), write(BASE + LOSS, "b.yaml")
    problems = [str(each) for each in check_registry([first, second], builtin=False)]
    assert "b.yaml:8: matrices.m: matrix 'm' is already defined in a.yaml:8" in problems


# ------------------------------------------------------------------------ one factor, proved


def test_a_setting_lost_with_its_generator_is_found(write: Write) -> None:
    """Another generator drops the base's norm, and the new one has a default of its own."""
    norm = "      norm: {batch: {generator: {norm: batch}}, none: {}}\n"
    kind = "      kind: {older: {generator: srresnet}, newer: {generator: rrdb}}\n"
    problems = found(write, norm + kind)
    kind_problem = next(problem for problem in problems if f"{AT}.kind: " in problem)
    assert kind_problem.startswith("mine.yaml:12: ")
    assert "differ in more than factor kind: generator.norm ('none', 'batch');" in kind_problem
    norm_problem = next(problem for problem in problems if f"{AT}.norm: " in problem)
    assert "do not differ in factor norm under every profile" in norm_problem


ADVERSARIAL = """\
version: 1
recipes:
  base:
    generator: rrdb
    discriminator: vgg
    adversary: {name: vanilla, weight: 1e-3}
    losses: {l1: 1}
profiles:
  p: {content: {steps: 3}, adversarial: {steps: 3}}
  same:
    content: {steps: 3}
    adversarial: {steps: 3, learning_rate: 1e-3}
matrices:
  m:
    base: base
    factors:
"""


def test_a_default_that_gives_way_is_found(write: Write) -> None:
    factors = "      adversary: {a: {}, b: {adversary: {name: wgan-gp}}}\n"
    assert found(write, factors, ADVERSARIAL) == [
        (
            f"mine.yaml:17: {AT}.adversary: m-b and base differ in more than factor adversary: "
            "discriminator.norm ('layer', 'batch'); under every profile"
        )
    ]
    written = ADVERSARIAL.replace("vgg\n", "{name: vgg, norm: layer}\n")
    assert found(write, factors, written) == []


def test_a_factor_that_a_profile_undoes_is_found_under_that_profile(write: Write) -> None:
    assert found(write, RATE, ADVERSARIAL) == [
        f"mine.yaml:17: {AT}.rate: m-fast and base do not differ in factor rate under profile same"
    ]


def test_an_editor_sees_mistakes_of_structure() -> None:
    validator = Draft202012Validator(json.loads(schema_text()))

    def matrix(**factors: object) -> dict[str, object]:
        return {"version": 1, "matrices": {"m": {"base": "rrdb", "factors": factors}}}

    assert validator.is_valid(matrix(loss={"a": {}, "b": {"losses": {"mse": None}}}))
    assert not validator.is_valid(matrix(loss={"a": {}}))
    assert validator.is_valid(matrix(loss={name: {} for name in "abcdefgh"}))
    assert not validator.is_valid(matrix(loss={name: {} for name in "abcdefghi"}))
    assert not validator.is_valid(matrix(loss={"a": {}, "b": {"extends": "rrdb"}}))
    assert not validator.is_valid(matrix(bad_name={"a": {}, "b": {}}))
    assert not validator.is_valid(matrix())
