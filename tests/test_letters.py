from __future__ import annotations

import json

import pytest

from zoo.letters import STAND_INS, on_one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", r"\x1b[31mred\x1b[0m"),
        ("a\u202eb\u2066c\u200fd", r"a\u202eb\u2066c\u200fd"),
        ("bell\x07, back\b, return\r, C1 \x9b", r"bell\x07, back\x08, return\r, C1 \x9b"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("line\u2028separator", r"line\u2028separator"),
        ("a byte of no text: \udcff", r"a byte of no text: \udcff"),
        ("\N{BYTE ORDER MARK}hidden\N{ZERO WIDTH SPACE}", r"\ufeffhidden\u200b"),
        ("ä ± 漢字 \N{GRINNING FACE}", "ä ± 漢字 \N{GRINNING FACE}"),
    ],
)
def test_what_acts_on_a_terminal_or_turns_its_line_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown
    assert visible(shown) == shown


def test_a_line_stays_one() -> None:
    assert on_one_line("a\x1b\r\nb\u2028c\td\n") == "a\\x1b b c\td"


def test_letters_that_an_encoding_lacks_are_written_by_others() -> None:
    def written(text: str, encoding: str) -> str:
        return text.encode(encoding, errors=STAND_INS).decode(encoding)

    assert written("29.51 ±0.09, PSNR ↑…", "ascii") == "29.51 +/-0.09, PSNR ^..."
    assert written("29.51 ±0.09 ↓", "latin-1") == "29.51 ±0.09 v"
    assert written("ä 漢 \N{GRINNING FACE}", "ascii") == r"\xe4 \u6f22 \U0001f600"
    assert json.loads(json.dumps(["ä", "\udcff"]).encode("ascii")) == ["ä", "\udcff"]


def test_what_cannot_be_read_is_still_an_error() -> None:
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("ascii", errors=STAND_INS)
