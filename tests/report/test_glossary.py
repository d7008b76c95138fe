"""The columns explain themselves: what they mean, what is right, and why one is empty."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.report.synthetic import make_records
from zoo.files import sealed
from zoo.metrics import BUILTINS
from zoo.recipes.book import Book
from zoo.report.glossary import glossary
from zoo.report.model import Page
from zoo.report.numbers import short_paths
from zoo.report.page import build_page
from zoo.report.selection import select


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return written.read_text(encoding="utf-8")


def test_every_column_is_explained(page: Page, text: str) -> None:
    meant = {fact.term: fact.text for fact in page.glossary}
    assert list(meant) == [heading.label for heading in page.tables[-1].headings]
    assert meant["HF energy"].startswith("Energy above the input's Nyquist frequency")
    assert meant["HF energy"].endswith("0 is best.")
    assert "Peak signal-to-noise ratio" in meant["PSNR-Y"]
    assert "128 x 128" in next(words for term, words in meant.items() if term.startswith("MACs"))
    assert "What the columns mean" in text
    assert all(words.count(". ") < 4 for words in meant.values())


def test_a_metric_that_is_not_installed_is_left_out(tmp_path: Path, book: Book) -> None:
    assert "psnr-y" in BUILTINS
    make_records(tmp_path, recipes=["rrdb"], seeds=1, pictures=False)
    for path in tmp_path.glob("*/*.json"):
        document = json.loads(path.read_text().replace('"haarpsi"', '"theirs"'))
        path.write_text(json.dumps(sealed(document)))
    page = build_page(select(tmp_path), tmp_path, book=book)
    assert "theirs" in {heading.key for heading in page.tables[0].headings}
    assert "HaarPSI" not in {fact.term for fact in glossary(page.tables)}


def test_zero_is_said_to_be_right_where_it_is(page: Page, text: str) -> None:
    better = {heading.key: heading.better for heading in page.tables[-1].headings}
    assert better["hf_energy"] == "zero"
    assert set(better.values()) == {"higher", "lower", "zero"}
    assert text.count(", 0 is best</span>") == len(page.tables)


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ("/home/me/runs/edsr/sweep/seed-0/w.pt is bad", "…/edsr/sweep/seed-0/w.pt is bad"),
        ("see https://host.org/a/b/c/d/e.pt", "see https://host.org/a/b/c/d/e.pt"),
        ("no folder samples-grey/HR", "no folder samples-grey/HR"),
        ("no /data/Set5/HR", "no /data/Set5/HR"),
        ("'/a/b/c/d/e/f.pt'", "'…/c/d/e/f.pt'"),
    ],
)
def test_paths_of_one_machine_are_cut(told: str, shown: str) -> None:
    assert short_paths(told) == shown
