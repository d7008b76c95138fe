"""Tiles along an axis: every pixel once, context on both sides, equal lengths."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from zoo.upscaling.layout import (
    ALIGNMENT,
    Span,
    aligned,
    computed,
    least_overlap,
    smallest_side,
    spans,
    squares,
)


def test_what_fits_is_one_tile() -> None:
    assert spans(100, 100, 16) == [Span(0, 100, 0, 100)]


def test_two_tiles_meet_in_the_middle_of_their_overlap() -> None:
    assert spans(160, 96, 16) == [Span(0, 96, 0, 80), Span(64, 160, 80, 160)]


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 16), (16, 16), (17, 32)])
def test_sizes_are_rounded_up_to_the_grid(size: int, expected: int) -> None:
    assert aligned(size) == expected


@given(st.integers(1, 3000), st.integers(0, 400), st.integers(0, 100))
def test_every_pixel_once_with_its_context(size: int, more: int, context: int) -> None:
    side = smallest_side(context) + more
    tiles = spans(size, side, context)
    assert (tiles[0].first, tiles[-1].last) == (0, size)
    assert all(left.last == right.first for left, right in pairwise(tiles))
    assert len({tile.stop - tile.start for tile in tiles}) == 1
    for tile in tiles:
        assert 0 <= tile.start < tile.stop <= size
        assert tile.stop - tile.start <= side
        assert tile.start % ALIGNMENT == 0
        assert tile.first < tile.last
        assert tile.start == 0 or tile.first - tile.start >= context
        assert tile.stop == size or tile.stop - tile.last >= context


def test_no_more_overlap_than_the_grid_asks_for() -> None:
    """Two windows over 204 pixels with 16 of context need (204 + 32) / 2 = 118, not 192, each."""
    assert [(span.start, span.stop) for span in spans(204, 192, 16)] == [(0, 124), (80, 204)]


@given(
    st.integers(1, 900), st.integers(1, 900), st.integers(1, 300_000), st.sampled_from([0, 16, 48])
)
def test_windows_of_any_shape_compute_less_than_squares(
    height: int, width: int, pixels: int, context: int
) -> None:
    tiles = least_overlap(height, width, pixels, context)
    own = sum((down.last - down.first) * (across.last - across.first) for down, across in tiles)
    assert own == height * width
    least = smallest_side(context)
    largest = computed(tiles) // len(tiles)
    assert largest <= max(pixels, least**2)
    side = math.isqrt(pixels)
    if side >= least:
        assert computed(tiles) <= computed(squares(height, width, side, context))


def test_a_picture_that_fits_is_one_window() -> None:
    assert len(least_overlap(300, 100, 30_000, 16)) == 1
    assert len(least_overlap(300, 100, 29_999, 16)) == 2


def test_wide_windows_where_they_compute_less() -> None:
    """Two halves of 320 x 100 share 32 columns; squares of the same pixels are 2 x 4."""
    tiles = least_overlap(100, 320, 17_600, 16)
    assert [(across.start, across.stop) for _, across in tiles] == [(0, 176), (144, 320)]
    assert computed(tiles) == 35_200
