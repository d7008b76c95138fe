"""The page as bytes: it holds everything, fetches nothing, and is made the same way each time."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from tests.report.synthetic import RECIPES, make_record, make_records
from zoo.compare.seed_means import Score
from zoo.errors import DataError
from zoo.letters import UNSEEN
from zoo.recipes.book import Book
from zoo.records.record import DatasetScores, Record, write_record
from zoo.report.model import ClaimCard, Page, Told
from zoo.report.page import build_page, render, write_page
from zoo.report.scores import _below_baseline
from zoo.report.selection import select

UNSEEN_TEXT = "\x1b[31m\u202e\u2028"
LARGEST = 8_000_000
FETCHING = {"src", "srcset", "href", "xlink:href", "action", "formaction", "data", "poster", "ping"}
VOID = {"meta", "link", "img", "input", "br", "path", "use", "rect", "line", "col"}
HOSTILE = [
    "<script>alert(1)</script>",
    '" onmouseover="alert(1)" x="',
    "' autofocus onfocus=alert(1) '",
    "${7*7} {{7*7}} $x^2$",
    "</style></title></script><img src=x onerror=alert(1)>",
    "right\u202eto left\u200f",
    "x" * 500,
]


class Reader(HTMLParser):
    """Collects attributes, identifiers and scripts, and checks that tags are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.attributes: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag


@pytest.fixture(scope="module")
def text(written: Path) -> str:
    return written.read_text(encoding="utf-8")


def test_it_refers_to_nothing_outside_itself(text: str) -> None:
    reader = Reader(text)
    assert reader.open == []
    for _, name, value in reader.attributes:
        if name in FETCHING:
            assert value.startswith(("#", "data:")), (name, value[:80])
        if name == "style":
            assert "url(" not in value
    assert not re.search(r"https?://|@import|url\((?!#)", text)


def test_its_policy_allows_its_own_script_only(text: str) -> None:
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    (script,) = re.findall(r"<script>(.*?)</script>", text, flags=re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}'" in policy
    assert Reader(text).tags.count("script") == 1


def test_it_has_no_handlers_and_no_identifier_twice(text: str) -> None:
    reader = Reader(text)
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    identifiers = [value for _, name, value in reader.attributes if name == "id"]
    assert len(identifiers) == len(set(identifiers))
    referred = [
        value
        for _, name, values in reader.attributes
        if name in ("aria-labelledby", "for")
        for value in values.split()
    ]
    assert set(referred) <= set(identifiers)
    anchors = {
        value[1:] for _, name, value in reader.attributes if name == "href" and value[:1] == "#"
    }
    assert anchors <= set(identifiers)


def test_it_is_small(written: Path) -> None:
    assert written.stat().st_size < LARGEST


def test_the_same_records_give_the_same_bytes(records: Path, book: Book, written: Path) -> None:
    again = build_page(select(records, order=list(book.recipes)), records, book=book)
    assert render(again).encode() == written.read_bytes()


def test_the_table_has_a_row_for_each_recipe_and_the_baseline_first(page: Page) -> None:
    table = page.tables[-1]
    names = [row.name for row in table.rows]
    assert names[0] == "bicubic"
    assert set(RECIPES) <= set(names)
    assert [len(row.seeds) for row in table.rows] == [0, *[3] * (len(names) - 1)]
    assert [table.title for table in page.tables] == [
        "samples",
        "samples-grey",
        "Mean of the suite",
    ]


def test_a_mean_is_that_of_its_seeds_and_in_its_interval(page: Page) -> None:
    table = page.tables[0]
    (number,) = [i for i, heading in enumerate(table.headings) if heading.key == "psnr_y"]
    row = next(row for row in table.rows if row.name == "srgan")
    seeds = [seed.cells[number].value for seed in row.seeds]
    cell = row.cells[number]
    assert cell.value == pytest.approx(sum(value or 0 for value in seeds) / 3, abs=1e-9)
    low, high = (float(end) for end in cell.interval.split(" to "))
    assert low < (cell.value or 0) < high


@pytest.mark.parametrize(
    ("higher_is_better", "below"), [(True, {"a"}), (False, {"c"}), (None, set())]
)
def test_what_is_worse_than_a_baseline_is_not_marked(
    below: set[str], *, higher_is_better: bool | None
) -> None:
    means = {"bicubic": Score(2.0), "a": Score(1.0), "b": Score(2.0), "c": Score(3.0)}
    found = _below_baseline(means, ["bicubic"], higher_is_better=higher_is_better)
    assert found == below
    assert _below_baseline(means, [], higher_is_better=higher_is_better) == set()


def test_the_best_is_marked_in_each_direction(page: Page) -> None:
    table = page.tables[-1]
    for number, heading in enumerate(table.headings):
        column = [row.cells[number] for row in table.rows]
        best = [cell for cell in column if cell.is_best]
        values = [cell.value for cell in column if cell.value is not None]
        if heading.group == "Image scores" and best:
            wanted = max(values) if heading.better == "higher" else min(values)
            assert best[0].text == next(c.text for c in column if c.value == wanted)
        if heading.better == "zero" or heading.key == "statistics_gap":
            assert best == []
        assert len(best) <= 2
        assert not any(row.cells[number].is_best for row in table.rows if row.is_baseline)


def test_a_metric_without_a_value_has_no_column_and_its_reason_is_said_once(page: Page) -> None:
    assert all(h.key != "lpips" for table in page.tables for h in table.headings)
    said = [fact for fact in page.facts if "LPIPS is missing" in fact.text]
    assert len(said) == 1
    assert said[0].warning
    assert "zoo weights add lpips FILE" in said[0].text


def test_a_feature_network_that_stands_in_is_said_at_the_head_and_on_its_claims(
    page: Page,
) -> None:
    network = "efficientnet-lite0 (blocks.2)"
    assert page.scope.endswith(f"The perceptual loss uses {network} instead of vgg19.")
    cards = {card.name: card for card in page.claims}
    for name, touched in (("perceptual-loss-fidelity", True), ("bn-removal-fidelity", False)):
        said = [fact for fact in cards[name].facts if fact.term == "Feature network"]
        assert bool(said) is touched
        assert all(f"{network} replaces vgg19" in fact.text for fact in said)
    assert sum(f"{network} replaces vgg19" in fact.text for fact in page.facts) == 1


def test_a_claim_on_the_perceptual_loss_names_its_network(page: Page) -> None:
    cards = {card.name: card for card in page.claims}
    network = "efficientnet-lite0 (blocks.2)"
    assert cards["perceptual-loss-fidelity"].network == network
    assert f"features of {network}" in cards["perceptual-loss-fidelity"].told.text
    assert cards["bn-removal-fidelity"].network == ""


def test_perceived_quality_stands_beside_fidelity(page: Page) -> None:
    keys = [heading.key for heading in page.tables[-1].headings]
    assert keys[:4] == ["psnr_y", "lite1_distance", "haarpsi", "ssim_y"]


def test_a_column_without_a_value_is_a_note(page: Page) -> None:
    (said,) = page.tables[-1].lacking
    assert said.startswith("LPIPS (weights vgg16")


def test_cells_of_a_factorial_are_folded_named_by_their_levels_and_never_boxed(page: Page) -> None:
    table = page.tables[-1]
    cells = [row for row in table.rows if row.matrix]
    assert table.rows[-len(cells) :] == tuple(cells)
    assert table.folds == (("esrgan-over-srgan", len(cells)),)
    assert cells[0].name == "srresnet, batch, vanilla, without"
    assert cells[0].full_name == "esrgan-over-srgan-srresnet-batch-vanilla-without"
    assert not any(cell.is_best for row in cells for cell in row.cells)
    assert page.crossed["esrgan-over-srgan"] == "generator, norm, adversary and perceptual"


def test_a_time_has_its_spread_and_is_never_boxed(tmp_path: Path, book: Book) -> None:
    for recipe in ("rrdb", "srresnet"):
        for seed, time in enumerate((500.0, 900.0)):
            record = make_record(recipe, seed)
            cost = record.cost | {"ms_per_megapixel": time}
            write_record(tmp_path, record.model_copy(update={"cost": cost}))
    table = build_page(select(tmp_path), tmp_path, book=book).tables[-1]
    (number,) = [n for n, heading in enumerate(table.headings) if heading.is_timed]
    for row in table.rows:
        cell = row.cells[number]
        assert (cell.text, cell.interval, cell.is_best) == ("700", "500 to 900", False)


def test_provenance_follows_the_results(text: str) -> None:
    places = [text.index(f'<h2 id="{name}"') for name in ("claims", "scores", "provenance", "redo")]
    assert places == sorted(places)


def test_random_weights_and_uncommitted_code_are_warnings(tmp_path: Path, book: Book) -> None:
    record = make_record("srgan", 0)
    assert record.training
    components = {"vgg19": {"network": "vgg19", "weights": "random"}}
    training = record.training.model_copy(update={"components": components})
    provenance = record.provenance | {"git": {"commit": "a" * 40, "dirty": True}}
    write_record(
        tmp_path, record.model_copy(update={"training": training, "provenance": provenance})
    )
    page = build_page(select(tmp_path), tmp_path, book=book)
    warnings = [fact.text for fact in page.facts if fact.warning]
    assert any("random" in text for text in warnings)
    assert any("uncommitted" in text for text in warnings)


def test_a_skipped_dataset_leaves_no_mean_and_its_reason(tmp_path: Path, book: Book) -> None:
    for recipe in ("bicubic", "rrdb"):
        record = make_record(recipe, 0 if recipe == "rrdb" else None)
        skipped = DatasetScores(name="samples-grey", skipped="no folder samples-grey/HR")
        write_record(
            tmp_path, record.model_copy(update={"datasets": (record.datasets[0], skipped)})
        )
    page = build_page(select(tmp_path), tmp_path, book=book)
    assert [table.title for table in page.tables] == ["samples"]
    assert [fact.text for fact in page.skipped] == ["no folder samples-grey/HR"]
    assert "no folder samples-grey/HR" in render(page)


def test_a_failed_run_is_told_and_not_scored(tmp_path: Path, book: Book) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=2, pictures=False)
    failed = make_record("rrdb", 2).model_copy(
        update={"error": "loss is not finite at step 7", "datasets": (), "cost": {}}
    )
    write_record(tmp_path, failed)
    page = build_page(select(tmp_path), tmp_path, book=book)
    assert [(fact.term, fact.text) for fact in page.failed] == [
        ("rrdb, seed 2", "loss is not finite at step 7")
    ]
    assert [row.note for row in page.tables[0].rows] == ["no training", "2 seeds"]


def _only_failed(root: Path) -> None:
    record = make_record("rrdb", 0)
    write_record(root, record.model_copy(update={"error": "out of memory", "datasets": ()}))


def _one_recipe(root: Path) -> None:
    make_records(root, recipes=["rrdb"], seeds=1, pictures=False)


def _baseline(root: Path) -> None:
    make_records(root, recipes=["bicubic"])


@pytest.mark.parametrize("make", [_only_failed, _one_recipe, _baseline])
def test_a_page_of_little_is_still_a_page(
    make: Callable[[Path], None], tmp_path: Path, book: Book
) -> None:
    make(tmp_path)
    text = render(build_page(select(tmp_path), tmp_path, book=book))
    assert Reader(text).open == []
    assert "None" not in re.sub(r"<(script|style)>.*?</\1>", "", text, flags=re.DOTALL)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_text(name: str, tmp_path: Path, book: Book) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=1, rename={"rrdb": name})
    page = build_page(select(tmp_path), tmp_path, book=book)
    card = ClaimCard(
        name="a",
        statement=name,
        source=name,
        verdict="supported",
        tone="supported",
        network=name,
        effect=name,
        interval=name,
        seeds=1,
        bar=None,
        told=Told(name, name),
        forest=None,
        facts=(),
        notes=(name,),
    )
    text = render(dataclasses.replace(page, claims=(card,)))
    reader = Reader(text)
    assert reader.open == []
    assert reader.tags.count("script") == 1
    assert not [name for _, name, _ in reader.attributes if name.startswith("on")]
    assert not [value for tag, attr, value in reader.attributes if attr == "src" and value == "x"]
    assert "49" not in re.findall(r"<bdi>(.*?)</bdi>", text)


def test_direction_marks_do_not_reach_the_page(tmp_path: Path, book: Book) -> None:
    make_records(tmp_path, recipes=["bicubic", "rrdb"], seeds=1, rename={"rrdb": "a\u202eb"})
    text = render(build_page(select(tmp_path), tmp_path, book=book))
    assert r"a\u202eb" in text
    assert "\u202e" not in text


def hostile_record(record: Record) -> tuple[Record, int]:
    """Return a record with escape codes and direction marks in every text that may be any.

    Also how many texts these are.
    """
    document, changed = record.model_dump(mode="json", by_alias=True), 0
    waiting: list[Any] = [document]
    while waiting:
        part = waiting.pop()
        for key in list(part) if isinstance(part, dict) else range(len(part)):
            text = part[key]
            if isinstance(text, dict | list):
                waiting.append(text)
            elif isinstance(text, str):
                part[key] = f"{text}{UNSEEN_TEXT}"
                try:
                    Record.model_validate_json(json.dumps(document))
                    changed += 1
                except ValidationError:
                    part[key] = text
    return Record.model_validate_json(json.dumps(document)), changed


def test_nothing_unseen_reaches_the_page_from_any_text(tmp_path: Path, book: Book) -> None:
    """Names of datasets, verdicts, devices, errors: whatever a record holds."""
    failed = make_record("esrgan", 0).model_copy(update={"error": "no memory", "datasets": ()})
    for record in (make_record("bicubic", None), make_record("rrdb", 0), failed):
        changed_record, changed = hostile_record(record)
        assert changed > 10
        write_record(tmp_path, changed_record)
    text = render(build_page(select(tmp_path), tmp_path, book=book))
    assert r"\x1b[31m\u202e" in text
    unseen = {letter for letter in set(text) if unicodedata.category(letter) in UNSEEN}
    assert unseen <= {"\n", "\t"}


def test_records_of_several_profiles_or_suites_are_not_mixed(tmp_path: Path) -> None:
    make_records(tmp_path, recipes=["rrdb"], seeds=1, pictures=False)
    record = make_record("srgan", 0)
    target = record.target.model_copy(update={"profile": "demo"})
    write_record(tmp_path, record.model_copy(update={"target": target, "key": "f" * 64}))
    with pytest.raises(DataError, match="--profile demo"):
        select(tmp_path)
    assert list(select(tmp_path, profile="demo").groups) == ["srgan"]
    with pytest.raises(DataError, match="no run of profile 'paper'"):
        select(tmp_path, profile="paper")
    write_record(tmp_path, record.model_copy(update={"suite": "other-x4"}))
    with pytest.raises(DataError, match="--suite other-x4"):
        select(tmp_path)
    assert select(tmp_path, suite="other-x4").suite == "other-x4"


def test_without_records_it_says_how_to_make_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="zoo bench --all"):
        select(tmp_path)


def test_every_row_says_how_to_make_it_again(page: Page) -> None:
    commands = {row.name: row.command for row in page.reproduction.rows}
    assert commands["bicubic"] == "zoo bench bicubic --suite samples-x4"
    assert commands["rrdb"].splitlines() == [
        f"zoo train rrdb --profile sweep --seed {seed}" for seed in range(3)
    ]


def test_writing_replaces_an_older_page(page: Page, tmp_path: Path) -> None:
    path = write_page(page, tmp_path / "a" / "b")
    before = path.read_bytes()
    assert write_page(page, tmp_path / "a" / "b").read_bytes() == before
