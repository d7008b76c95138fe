"""Numbers as they are written, names as they are shown."""

from __future__ import annotations

import math

import pytest

from zoo.cost.measure import COST_COLUMNS
from zoo.records.record import Column
from zoo.report.numbers import (
    MINUS,
    Writer,
    listing,
    plain,
    seconds_text,
    shown_name,
    signed,
)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [
        (28.421, 2, "28.42"),
        (-0.5, 1, f"{MINUS}0.5"),
        (-0.001, 2, "0.00"),
        (12345.6, 0, "12\u202f346"),
        (math.nan, 2, "not finite"),
    ],
)
def test_plain(value: float, decimals: int, text: str) -> None:
    assert plain(value, decimals) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123, "+0.12"), (-0.123, f"{MINUS}0.12"), (0.001, "0.00"), (-0.001, "0.00")],
)
def test_signed(value: float, text: str) -> None:
    assert signed(value, 2) == text


@pytest.mark.parametrize(
    ("column", "values", "unit", "texts"),
    [
        (Column(label="", unit="dB"), [28.418, 30.0], "dB", ["28.42", "30.00"]),
        (Column(label=""), [0.81012, 0.5], "", ["0.8101", "0.5000"]),
        (COST_COLUMNS["parameters"], [1_543_000, 96_003], "M", ["1.54", "0.10"]),
        (COST_COLUMNS["macs"], [2.44e9, 0], "GMAC", ["2.44", "0.00"]),
        (COST_COLUMNS["peak_memory"], [2**26, 2**25], "MiB", ["64.0", "32.0"]),
        (COST_COLUMNS["activation_memory"], [24576, 1024], "KiB/LR pixel", ["24.0", "1.0"]),
        (COST_COLUMNS["ms_per_megapixel"], [830.4, 31.0], "ms/MP", ["830", "31"]),
    ],
)
def test_a_column_has_one_unit_and_as_many_decimals(
    column: Column, values: list[float], unit: str, texts: list[str]
) -> None:
    writer = Writer(column, values)
    assert writer.unit == unit
    assert [writer.write(value) for value in values] == texts


def test_an_interval_is_written_like_its_mean() -> None:
    assert Writer(Column(label="", unit="dB"), [1.0]).interval(-0.5, 1.5) == f"{MINUS}0.50 to 1.50"


def test_names_lose_what_cannot_be_seen_and_end() -> None:
    assert shown_name("a\u202eb\u200f\x00c\n") == r"a\u202eb\u200f\x00c"
    assert shown_name("שלום <b> 超解像") == "שלום <b> 超解像"
    assert len(shown_name("x" * 1000)) == 120


def test_words() -> None:
    assert [listing(["a", "b", "c"][:n]) for n in range(4)] == ["", "a", "a and b", "a, b and c"]
    assert [seconds_text(s) for s in (9.4, 119, 600, 9000)] == [
        "9 s",
        "119 s",
        "10 min",
        "2 h 30 min",
    ]
