"""Books: several files, inheritance, and problems of structure and name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from zoo.errors import RecipeError, UnknownNameError
from zoo.recipes.book import Book, load_book, read_book, survey
from zoo.recipes.problems import Place, in_order

Write = Callable[..., Path]
GOOD = "version: 1\nrecipes:\n  base: {generator: rrdb, losses: {l1: 1}}\n"


def found(path: Path) -> list[str]:
    return [str(problem) for problem in in_order(survey([path])[1])]


def test_the_built_in_book_is_sound(book: Book) -> None:
    assert {"bicubic", "srgan", "esrgan-wgangp"} <= book.recipes.keys()
    assert {"smoke", "demo", "short", "paper"} <= book.profiles.keys()


def test_an_entry_knows_where_it_is_written(write: Write) -> None:
    entry = read_book([write(GOOD)]).recipe("base")
    assert entry.place == Place("mine.yaml", 3)
    assert entry.path == ("recipes", "base")


def test_a_file_is_read_beside_the_built_in_one(write: Write) -> None:
    mine = write("version: 1\nrecipes:\n  mine: {extends: esrgan, losses: {l1: 0.1}}\n")
    entry = load_book([mine]).recipe("mine")
    assert entry.leaves["losses", "l1", "weight"].place == Place("mine.yaml", 3)
    assert entry.leaves["adversary", "name"].place.file.endswith("registry.yaml")
    assert entry.reference("pretrained") == "rrdb"


def test_a_file_given_twice_is_read_once(write: Write) -> None:
    path = write(GOOD)
    assert read_book([path, path.parent / "." / path.name]).recipe("base")


def test_a_name_defined_twice_shows_both_places(write: Write) -> None:
    first, second = write(GOOD, "a.yaml"), write(GOOD, "b.yaml")
    with pytest.raises(RecipeError, match=r"^b.yaml:3: .*'base' is already defined in a.yaml:3$"):
        read_book([first, second])


def test_what_describes_a_recipe_is_not_inherited(write: Write) -> None:
    text = GOOD.replace("{gen", "{summary: about, source: paper, gen") + "  b: {extends: base}\n"
    book = read_book([write(text)])
    assert book.recipe("base").text("source") == "paper"
    assert book.recipe("b").text("source") == book.recipe("b").text("summary") == ""
    assert book.recipe("b").leaves["generator", "name"].value == "rrdb"


def test_unknown_names_are_asked_for_with_a_suggestion(book: Book) -> None:
    with pytest.raises(UnknownNameError, match=r"unknown recipe 'esrgna'; did you mean 'esrgan'\?"):
        book.recipe("esrgna")
    with pytest.raises(UnknownNameError, match=r"unknown profile 'dmeo'; did you mean 'demo'\?"):
        book.profile("dmeo")


NOT_A_NAME = "is not a valid name (kebab case: lower-case letters, digits, -)"
EMPTY_LOSS = (
    "an empty mapping has no meaning here; write a weight such as 1, or null to remove the loss"
)
NOT_A_REGISTRY = "a registry must be a mapping with `version: 1`, `recipes` and `profiles`"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", f"1: {NOT_A_REGISTRY}"),
        ("- 1", f"1: {NOT_A_REGISTRY}"),
        ("version: 2", "1: version: 2 should be 1"),
        ("recipes: {}", "1: needs 'version'"),
    ],
)
def test_a_registry_is_a_mapping_with_a_version(write: Write, text: str, problem: str) -> None:
    assert found(write(text)) == [f"mine.yaml:{problem}"]


@pytest.mark.parametrize(
    "text", ["recipes: {1: {generator: rrdb}}", "profiles: null", "recipes: {}"]
)
def test_what_is_unusual_but_right(write: Write, text: str) -> None:
    assert found(write(f"version: 1\n{text}")) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("recipes: []", "2: recipes: [] should be a mapping"),
        ("profiles: 3", "2: profiles: 3 should be a mapping"),
        ("recipes: {a: 3}", "2: recipes.a: 3 should be a mapping"),
        ("recipes: {a: null}", "2: recipes.a: null should be a mapping"),
        ("recipes: {a: {}}", "2: recipes.a: 'generator' is missing"),
        ("recipes: {a: {generator: null}}", "2: recipes.a.generator: 'generator' is missing"),
        (
            "recipes: {a: {generator: {width: 3}}}",
            "2: recipes.a.generator: the generator has no 'name'",
        ),
        ("recipes: {a: {generator: [1]}}", "2: recipes.a.generator: [1] should be a mapping"),
        (
            "recipes: {a: {generator: rrdb, losses: 3}}",
            "2: recipes.a.losses: 3 should be a mapping",
        ),
        ("recipes: {1.5: {generator: rrdb}}", f"2: recipes.1.5: '1.5' {NOT_A_NAME}"),
        ("recipes: {a: {extends: [b]}}", "2: recipes.a.extends: ['b'] should be text"),
        ("recipes: {a: {extends: b}}", "2: recipes.a.extends: unknown recipe 'b'"),
        ("recipes: {a: {extends: a}}", "2: recipes.a.extends: `extends` is circular: a -> a"),
        (
            "profiles: {c: {extends: b}, b: {extends: a}, a: {extends: b}}",
            "2: profiles.a.extends: `extends` is circular: a -> b -> a",
        ),
        (
            "recipes: {a: {generator: rrdb, losses: {mse: {}}}}",
            f"2: recipes.a.losses.mse: {EMPTY_LOSS}",
        ),
        (
            "recipes: {a: {generator: rrdb, losses: {mes: null}}}",
            "2: recipes.a.losses.mes: there is no loss 'mes' to remove",
        ),
        (
            "recipes:\n a: {generator: rrdb, losses: {mse: 1}}\n b: {extends: a, losses: {mes: }}",
            "4: recipes.b.losses.mes: there is no loss 'mes' to remove; did you mean 'mse'?",
        ),
        (
            "profiles: {p: {runtime: {num_workers: many}}}",
            "2: profiles.p.runtime.num_workers: 'many' should be a whole number or 'auto'",
        ),
        (
            "profiles: {p: {runtime: {compile: 3}}}",
            "2: profiles.p.runtime.compile: 3 should be true or false or 'auto'",
        ),
        (
            "profiles: {p: {content: {betas: [0.5]}}}",
            "2: profiles.p.content.betas: value number 2 is missing",
        ),
        (
            "profiles: {p: {content: {betas: [0.5, 1]}}}",
            "2: profiles.p.content.betas.1: 1 should be less than 1",
        ),
        (
            "profiles: {p: {content: {betas: [0.5, 0.5, 0.5]}}}",
            "2: profiles.p.content.betas: [0.5, 0.5, 0.5] should have at most 2 values",
        ),
        (
            "profiles: {p: {content: {steps: 1, epochs: 1}}}",
            "2: profiles.p.content: `steps` and `epochs` both set the length; keep one of them",
        ),
        (
            'recipes: {"\\e[31m": {generator: rrdb}}',
            f"2: recipes.'\\x1b[31m': '\\x1b[31m' {NOT_A_NAME}",
        ),
    ],
)
def test_each_mistake_is_said_once_and_where(write: Write, text: str, problem: str) -> None:
    assert found(write(f"version: 1\n{text}")) == [f"mine.yaml:{problem}"]


def test_extends_has_a_greatest_depth(write: Write) -> None:
    links = "".join(f"  r{n}: {{extends: r{n - 1}}}\n" for n in range(1, 11))
    text = "version: 1\nrecipes:\n  r0: {generator: rrdb}\n" + links
    assert found(write(text)) == [
        "mine.yaml:12: recipes.r9.extends: `extends` has more than 8 levels",
        "mine.yaml:13: recipes.r10.extends: `extends` has more than 8 levels",
    ]


def test_lines_are_sorted_as_numbers(write: Write) -> None:
    keys = "".join(f"  r{n}: {{generator: nothing-like-it}}\n" for n in range(20))
    lines = [line.split(":")[1] for line in found(write("version: 1\nrecipes:\n" + keys))]
    assert lines == [str(number) for number in range(3, 23)]
