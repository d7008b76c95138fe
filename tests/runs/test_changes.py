"""Whether one run extends another, as their specifications tell it."""

from __future__ import annotations

import pytest

from zoo.recipes.book import load_book
from zoo.recipes.variants import specify
from zoo.runs.changes import beginning_of, is_extension

CONSTANT = "training.schedule.kind=constant"
COSINE = "training.schedule.kind=cosine"
SHORT, LONG = "training.steps=8", "training.steps=16"
EPOCHS = "training.epochs=1"
MORE_EPOCHS = "training.epochs=2.5"
BACK = "training.on_divergence=rollback"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ((CONSTANT, SHORT), (CONSTANT, LONG), True),
        ((CONSTANT, LONG), (CONSTANT, SHORT), False),
        ((CONSTANT, SHORT), (CONSTANT, SHORT), False),
        ((COSINE, SHORT), (COSINE, LONG), False),
        ((COSINE, SHORT), (COSINE, SHORT, BACK), True),
        ((COSINE, SHORT, BACK), (COSINE, SHORT), False),
        ((CONSTANT, SHORT, BACK), (CONSTANT, LONG, BACK), True),
        ((CONSTANT, EPOCHS), (CONSTANT, MORE_EPOCHS), True),
        ((CONSTANT, MORE_EPOCHS), (CONSTANT, EPOCHS), False),
        ((CONSTANT, SHORT), (CONSTANT, MORE_EPOCHS), False),
        ((CONSTANT, SHORT), (CONSTANT, LONG, "data.batch_size=3"), False),
    ],
)
def test_a_run_is_extended_by_more_steps_and_by_going_back_alone(
    old: tuple[str, ...], new: tuple[str, ...], *, expected: bool
) -> None:
    book = load_book()
    one, other = (
        beginning_of(specify(book, "srresnet-nobn", "smoke", settings=settings))
        for settings in (old, new)
    )
    assert is_extension(one, other) is expected
