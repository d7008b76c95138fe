"""Escapes of tables of text."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.text import (
    counted,
    escape_csv,
    escape_latex,
    escape_markdown,
    few,
    plain,
)


@given(st.text())
def test_plain_text_is_one_line_of_visible_characters(text: str) -> None:
    shown = plain(text)
    assert "\n" not in shown
    assert not {unicodedata.category(character) for character in shown} & {"Cc", "Cf", "Cs"}


@given(st.text(alphabet="ab|\\`<>&*_[]()!#~\n\r$:@"))
def test_markdown_has_no_bare_markup(text: str) -> None:
    escaped = escape_markdown(text)
    bare = re.sub(r"\\[\\`*_{}\[\]#|~!:@$]", "", escaped)
    assert not set(bare) & set("`*_[]|<>#!@$\n")
    assert not re.search(r":\S", bare)
    assert all(re.match(r"&(amp|lt|gt);", bare[m.start() :]) for m in re.finditer("&", bare))


@given(st.text(alphabet="ab\\{}$%&#_^~[]*`'\"<>|-\n\x1b"))
def test_latex_has_no_bare_command_and_balanced_braces(text: str) -> None:
    escaped = escape_latex(text)
    known = r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar|char34)"
    bare = re.sub(r"\\[_%&#{}$]", "", re.sub(known, "", escaped))
    assert not set(bare) & set("\\%&#_$~^<>|\n")
    assert bare.count("{") == bare.count("}")
    assert not escaped.startswith(("[", "*"))
    assert "--" not in escaped
    assert "''" not in escaped


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\n@x"])
def test_a_spreadsheet_sees_no_formula(text: str) -> None:
    assert escape_csv(text).startswith("'")


def test_a_link_is_not_made_of_a_name() -> None:
    assert escape_markdown("https://a.example") == r"https\://a.example"
    assert escape_markdown("www.a.example") == r"www\.a.example"


def test_a_noun_follows_its_number() -> None:
    assert [counted(number, "seed") for number in (0, 1, 2)] == ["0 seeds", "1 seed", "2 seeds"]


def test_a_list_that_is_too_long_says_how_many_follow() -> None:
    joined = [few(list("abcde")[:number]) for number in (1, 3, 5)]
    assert joined == ["a", "a, b, c", "a, b, c and 2 more"]
