"""Digits of values and intervals, and marks of the best."""

from __future__ import annotations

import pytest

from zoo.compare.digits import format_interval, format_value, marks
from zoo.records.record import Column

PSNR = Column(label="PSNR-Y", unit="dB", value_range=(0.0, 80.0))
SSIM = Column(label="SSIM-Y", value_range=(-1.0, 1.0))
DISTANCE = Column(label="LPIPS", higher_is_better=False)
COUNT = Column(label="parameters", higher_is_better=False)
TIME = Column(label="time", unit="ms/MP", higher_is_better=False)
BYTES = Column(label="memory", unit="B", higher_is_better=False)


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        (PSNR, 28.4178, "28.42"),
        (PSNR, -0.5, "-0.50"),
        (SSIM, 0.81012, "0.8101"),
        (SSIM, 1.0, "1.0000"),
        (DISTANCE, 0.12345, "0.1235"),
        (COUNT, 0.0, "0"),
        (COUNT, 25.0, "25"),
        (COUNT, 999.6, "1.00 k"),
        (COUNT, 1_547_000.0, "1.55 M"),
        (COUNT, 16_700_000.0, "16.7 M"),
        (COUNT, 2.5e12, "2.50 T"),
        (BYTES, 312.25e6, "312 M"),
        (TIME, 1234.0, "1230"),
        (TIME, 12.345, "12.3"),
        (PSNR, None, "-"),
        (PSNR, float("nan"), "-"),
        (PSNR, float("inf"), "inf"),
        (PSNR, float("-inf"), "-inf"),
    ],
)
def test_values_have_the_digits_of_their_column(
    column: Column, value: float | None, text: str
) -> None:
    assert format_value(column, value) == text


def test_an_interval_is_written_in_brackets_or_where_space_is_short_by_its_half() -> None:
    assert format_interval(PSNR, 29.51, 29.42, 29.6) == "29.51 [29.42, 29.60]"
    assert format_interval(PSNR, 29.51, 29.42, 29.6, narrow=True) == "29.51 ±0.09"
    assert format_interval(PSNR, 29.51, None, None) == "29.51"


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (PSNR, [28.0, 30.0, 29.0], ["", "best", "second"]),
        (DISTANCE, [0.3, 0.1, 0.2], ["", "best", "second"]),
        (PSNR, [30.001, 29.999, 29.0], ["best", "best", ""]),
        (PSNR, [30.0, 29.001, 28.999], ["best", "second", "second"]),
        (PSNR, [30.0, None, float("nan")], ["", "", ""]),
        (PSNR, [30.0, None, 29.0], ["best", "", "second"]),
        (PSNR, [30.0, 30.0], ["", ""]),
        (PSNR, [], []),
        (Column(label="energy", higher_is_better=None), [1.0, 2.0], ["", ""]),
    ],
)
def test_the_best_and_second_best_are_marked_by_direction(
    column: Column, values: list[float | None], expected: list[str]
) -> None:
    assert marks(column, values) == expected
