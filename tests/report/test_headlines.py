"""The sentences at the head of the page: no winner where the numbers have none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.report.synthetic import RECIPES, make_record, make_records
from zoo.recipes.book import Book
from zoo.records.record import Record, write_record
from zoo.report.claims import TONES
from zoo.report.model import Page
from zoo.report.page import build_page
from zoo.report.selection import select


def scoring(recipe: str, seed: int | None, psnr: float) -> Record:
    """Return a record whose every image has one PSNR."""
    record = make_record(recipe, seed)
    datasets = tuple(
        dataset.model_copy(
            update={
                "images": tuple(
                    image.model_copy(update={"scores": {"psnr_y": psnr}})
                    for image in dataset.images
                )
            }
        )
        for dataset in record.datasets
    )
    return record.model_copy(update={"datasets": datasets})


def page_of(root: Path, book: Book, values: dict[str, list[float]]) -> Page:
    for recipe, seeds in values.items():
        for seed, psnr in enumerate(seeds):
            write_record(root, scoring(recipe, seed, psnr))
    return build_page(select(root), root, book=book)


def best(page: Page) -> list[str]:
    return [sentence for sentence in page.answers if sentence.startswith("Best")]


def boxed(page: Page, key: str) -> set[str]:
    table = page.tables[-1]
    number = [heading.key for heading in table.headings].index(key)
    return {row.name for row in table.rows if row.cells[number].is_best}


def test_a_winner_has_its_interval_and_the_rows_it_does_not_stand_out_from(
    tmp_path: Path, book: Book
) -> None:
    values = {"rrdb": [28.0, 28.2], "srresnet": [27.9, 28.1], "srgan": [20.0, 20.1]}
    (sentence,) = best(page_of(tmp_path, book, values))
    assert sentence == (
        "Best mean PSNR-Y over the whole suite: 28.10 dB (95 % interval 26.83 to 29.37), rrdb; "
        "its interval overlaps with that of srresnet (1 of 2 others)."
    )


def test_a_clear_winner_is_one(tmp_path: Path, book: Book) -> None:
    values = {"rrdb": [30.0, 30.01], "srresnet": [25.0, 25.01]}
    assert best(page_of(tmp_path, book, values))[0].endswith("no other interval overlaps with it.")


def test_a_single_seed_wins_nothing_beside_several(tmp_path: Path, book: Book) -> None:
    page = page_of(tmp_path, book, {"rrdb": [28.0, 28.2], "srresnet": [27.0, 27.1], "srgan": [40]})
    assert boxed(page, "psnr_y") == {"rrdb"}
    assert "srgan" in best(page)[0].partition("overlaps with that of")[2]


def test_single_seeds_alone_have_no_winner_in_the_lead(tmp_path: Path, book: Book) -> None:
    page = page_of(tmp_path, book, {"rrdb": [28.0], "srresnet": [27.0]})
    assert best(page) == []
    assert boxed(page, "psnr_y") == {"rrdb"}


def test_what_was_trained_against_a_score_does_not_win_it(tmp_path: Path, book: Book) -> None:
    for recipe, psnr in (("rrdb", 30.0), ("srresnet", 28.0), ("srgan", 27.0)):
        for seed in range(2):
            record = scoring(recipe, seed, psnr + seed / 10)
            against = {"psnr_y": ["vgg19"]} if recipe == "rrdb" else {}
            known = record.provenance | {"trained_against": against}
            write_record(tmp_path, record.model_copy(update={"provenance": known}))
    page = build_page(select(tmp_path), tmp_path, book=book)
    assert boxed(page, "psnr_y") == {"srresnet"}
    assert best(page)[0].partition("), ")[2].startswith("srresnet;")


@pytest.mark.parametrize(("bicubic", "best"), [(50.0, set()), (25.0, {"rrdb"})])
def test_neither_a_baseline_nor_what_is_worse_is_the_best(
    bicubic: float, best: set[str], tmp_path: Path, book: Book
) -> None:
    write_record(tmp_path, scoring("bicubic", None, bicubic))
    page = page_of(tmp_path, book, {"rrdb": [28.0, 28.2], "srresnet": [20.0, 20.1]})
    assert boxed(page, "psnr_y") == best


def test_where_more_than_two_are_alike_none_is_the_best(tmp_path: Path, book: Book) -> None:
    values = {name: [28.0, 28.1] for name in ("rrdb", "srresnet", "srgan")}
    page = page_of(tmp_path, book, values | {"esrgan": [20.0, 20.1]})
    assert boxed(page, "psnr_y") == set()


def test_no_row_is_praised_for_a_gap_of_zero_by_construction(tmp_path: Path, book: Book) -> None:
    make_records(tmp_path, recipes=["srresnet", "srresnet-nobn"], pictures=False)
    assert boxed(build_page(select(tmp_path), tmp_path, book=book), "statistics_gap") == set()


def test_rows_alike_are_named_and_counted(tmp_path: Path, book: Book) -> None:
    alike = [name for name in RECIPES if name not in ("bicubic", "rrdb")]
    values = {name: [28.0, 28.1] for name in alike} | {"rrdb": [28.1, 28.2]}
    write_record(tmp_path, scoring("bicubic", None, 20.0))
    (sentence,) = best(page_of(tmp_path, book, values))
    assert sentence.endswith(" (7 of 8 others).")


def test_the_scope_says_how_small_it_was(tmp_path: Path, book: Book) -> None:
    budget = {"lr_patch_size": "16", "batch_size": "8"}
    for recipe, stage, steps in (("rrdb", "content", 400), ("esrgan", "adversarial", 120)):
        record = make_record(recipe, 0)
        assert record.training
        known = {"budget": {**budget, f"{stage} steps": str(steps)}, "num_images": 3}
        training = record.training.model_copy(update=known)
        target = record.target.model_copy(update={"generator": {"name": "rrdb", "width": 16}})
        write_record(tmp_path, record.model_copy(update={"training": training, "target": target}))
    assert build_page(select(tmp_path), tmp_path, book=book).scope == (
        "2 recipes trained with 1 seed each under the profile sweep: upscaled x4 and scored "
        "on samples (3 images) and samples-grey (2 images). Trained on 3 images; batches of 8 "
        "patches of 16x16 low-resolution pixels; 400 steps on content losses only and 120 steps "
        "against a discriminator; generators 16 channels wide. The perceptual loss uses "
        "efficientnet-lite0 (blocks.2) instead of vgg19."
    )


def test_what_a_record_does_not_tell_of_the_scope_is_said(page: Page) -> None:
    assert page.scope.startswith("10 recipes and 12 further cells of a factorial trained with")
    assert "The number of training images is not recorded." in page.scope


def test_verdicts_are_counted(page: Page) -> None:
    assert sum(tally.count for tally in page.tally) == len(page.claims)
    assert [tally.verdict for tally in page.tally] == [
        verdict for verdict in TONES if any(card.verdict == verdict for card in page.claims)
    ]
