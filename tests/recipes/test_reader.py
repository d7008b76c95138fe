"""The reader: plain data, places, and what a registry has no use for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from zoo.errors import RecipeError
from zoo.recipes.book import builtin_registry
from zoo.recipes.problems import Place
from zoo.recipes.reader import MAX_BYTES, Document, parse_document, parse_scalar, read_document


def parse(text: str) -> Document:
    return parse_document(text, "r.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E4", 1e4),
        (".5", 0.5),
        ("3.", 3.0),
        ("-7", -7),
        ("+7", 7),
        ("010", 10),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("off", "off"),
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        (".nan", ".nan"),
        (".inf", ".inf"),
        ("2024-01-01", "2024-01-01"),
        ("1e", "1e"),
        ("123456789012345678901", 123456789012345678901.0),
    ],
)
def test_scalars_are_those_of_yaml_1_2_and_dates_are_text(text: str, value: Any) -> None:
    read = parse_scalar(text)
    assert read == value
    assert type(read) is type(value)


def test_quoted_scalars_are_text() -> None:
    assert parse("a: '1'\nb: \"true\"\nc: |\n  2\n").data == {"a": "1", "b": "true", "c": "2\n"}


def test_every_key_and_item_has_its_line() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2}\n")
    assert document.place(("a",)) == Place("r.yaml", 1)
    assert document.place(("a", "b")) == Place("r.yaml", 2)
    assert document.place(("a", "c", 1, "d")) == Place("r.yaml", 5)
    assert document.place(("a", "c", "unknown")) == Place("r.yaml", 3)


@pytest.mark.parametrize(
    ("text", "line", "fragment"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "duplicate key 'a', first used in line 1"),
        (
            "a: 1\nb: !!python/name:os.system x\n",
            2,
            "tag 'tag:yaml.org,2002:python/name:os.system'",
        ),
        ("a: !env HOME\n", 1, "tag '!env' is not allowed"),
        ("a: !!str 12\n", 1, "is not allowed"),
        ("a: &x 1\nb: 2\n", 1, "anchors and aliases"),
        ("a: {<<: {b: 1}}\n", 1, "plain scalar"),
        ("? [a, b]\n: 1\n", 1, "plain scalar"),
        ("a: 1e999\n", 1, "too large"),
        ('a: "\\ud800"\n', 1, "not Unicode"),
    ],
)
def test_what_leaves_the_rest_readable_is_a_problem_with_its_line(
    text: str, line: int, fragment: str
) -> None:
    [problem] = parse(text).problems
    assert problem.place == Place("r.yaml", line)
    assert fragment in problem.message


def test_the_rest_is_read_beside_a_problem() -> None:
    document = parse("a: !x {b: [1]}\nc: &y [1]\nd: *y\ne: 5\n")
    assert document.data == {"a": None, "c": [1], "d": None, "e": 5}
    assert [problem.place.line for problem in document.problems] == [1, 2, 3]


def test_a_bomb_of_aliases_stays_small() -> None:
    levels = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 30)]
    document = parse("\n".join(["l0: &l0 [x]", *levels]))
    assert document.data["l29"] == [None] * 9
    assert all("aliases" in problem.message for problem in document.problems)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: [1\nb: 2\n", r"^r.yaml:2: not YAML"),
        ("a: 1\n\tb: 2\n", r"^r.yaml:2: not YAML"),
        ("a: 1\n---\nb: 2\n", r"^r.yaml:2: not YAML"),
        ("a: *nowhere x: 3\n", r"^r.yaml:1: not YAML"),
        ("a: 1\nb: \x07\n", r"^r.yaml:2: not text"),
        ('a: "\\UFFFFFFFF"\n', r"^r.yaml: not YAML"),
        ("[" * 50, r"^r.yaml:1: not YAML: more than 16 levels deep"),
        ("[" * 100_000, r"^r.yaml:1: not YAML: more than 16 levels deep"),
        ("a:\n" + "".join(" " * n + "- \n" for n in range(1, 3000)), "levels deep|not YAML"),
    ],
)
def test_what_is_not_yaml_is_one_error_with_its_line(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse(text)


def test_an_empty_file_is_no_data() -> None:
    assert parse("").data is None
    assert parse("# nothing\n").data is None


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\n")
    assert read_document(path).data == {"a": 1}


def test_files_that_are_missing_large_or_binary_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot read the registry .*: No such file"):
        read_document(tmp_path / "none.yaml")
    with pytest.raises(RecipeError, match="cannot read the registry"):
        read_document(tmp_path)
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(RecipeError, match="more than the limit of 256,000"):
        read_document(large)
    large.write_bytes(b"a: \xff\n")
    with pytest.raises(RecipeError, match="not UTF-8"):
        read_document(large)


def test_both_parsers_read_the_registry_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = read_document(builtin_registry())
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert read_document(builtin_registry()) == fast


@pytest.mark.parametrize("text", ["a:\t1", "a: 1\nb:\n\t- x", "a: {b:\t1}", "a: [1,\t2]"])
def test_a_tab_is_refused_whichever_parser_is_installed(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    with pytest.raises(RecipeError, match=r"r\.yaml:\d: not YAML: found character '\\t'") as fast:
        parse(text)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    with pytest.raises(RecipeError) as slow:
        parse(text)
    assert str(fast.value) == str(slow.value)
    assert parse("a: 'x\ty'  #\tz").data == {"a": "x\ty"}
