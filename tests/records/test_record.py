"""Records on disk: immutable, whole, and read back as they were."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from zoo.errors import DataError
from zoo.files import sealed
from zoo.models.store import SHIPPED
from zoo.records.budget import budget_of
from zoo.records.order import Order
from zoo.records.record import (
    Column,
    DatasetScores,
    ImageScores,
    Record,
    Target,
    TrainingSummary,
    newest,
    read_record,
    read_records,
    write_record,
)
from zoo.records.selection import comparable

DIGEST = "0" * 64


def make_record(name: str = "net", *, seed: int = 0, key: str = "a" * 64, **changes: Any) -> Record:
    image = ImageScores(
        name="x", height=8, width=8, hr_sha256=DIGEST, lr_sha256=DIGEST, scores={"psnr_y": 30.0}
    )
    values: dict[str, Any] = {
        "key": key,
        "protocol": 1,
        "suite": "tiny",
        "suite_sha256": DIGEST,
        "scale": 4,
        "target": Target(name=name, kind="run", recipe=name, profile="smoke", seed=seed),
        "columns": {"psnr_y": Column(label="PSNR-Y", unit="dB", value_range=(0.0, 80.0))},
        "datasets": (DatasetScores(name="set", images=(image,)),),
        "provenance": {"created": "2026-01-01"},
    }
    return Record(**{**values, **changes})


def test_a_record_is_read_back_as_it_was(tmp_path: Path) -> None:
    record = make_record()
    path = write_record(tmp_path, record)
    assert path == tmp_path / "tiny" / "net-smoke-seed-0-aaaaaaaaaaaa.json"
    assert read_record(path) == record
    assert read_record(path).scored == {("set", "x"): {"psnr_y": 30.0}}


def test_a_record_is_never_written_over(tmp_path: Path) -> None:
    first = write_record(tmp_path, make_record())
    before = first.read_bytes()
    assert write_record(tmp_path, make_record(protocol=2)) == first
    assert first.read_bytes() == before


def test_a_failure_is_replaced_and_goes_when_its_target_is_scored(tmp_path: Path) -> None:
    failed = make_record(error="out of memory", datasets=())
    path = write_record(tmp_path, failed)
    assert path.name == "net-smoke-seed-0-failed.json"
    write_record(tmp_path, make_record(error="weights damaged", datasets=(), key="b" * 64))
    (only,) = read_records(tmp_path)
    assert only.error == "weights damaged"
    write_record(tmp_path, make_record())
    (only,) = read_records(tmp_path)
    assert only.error is None


def test_runs_of_another_budget_are_left_out_and_named() -> None:
    def trained(name: str, steps: str, created: str) -> Record:
        training = TrainingSummary(
            steps=1, seconds=1.0, verdict="stable", budget={"content steps": steps}
        )
        return make_record(name, training=training, provenance={"created": created})

    short, long = trained("a", "400", "2026-01-01"), trained("b", "800", "2026-01-02")
    found = comparable([short, long])
    kept, notes = list(found.records), found.notes
    assert [record.target.name for record in kept] == ["b"]
    assert notes["tiny"] == [
        "excluded: a seed 0, trained with content steps 400 instead of 800 of the newest runs"
    ]
    adversarial = TrainingSummary(
        steps=1, seconds=1.0, verdict="stable", budget={"adversarial steps": "120"}
    )
    other = make_record("c", training=adversarial, provenance={"created": "2026-01-03"})
    assert len(comparable([long, other]).records) == 2, "stages of two kinds have two lengths"


def test_a_budget_is_what_a_run_may_not_differ_in() -> None:
    identity: dict[str, Any] = {
        "data": "0123456789abcdef",
        "settings": {"data": {"batch_size": 8}, "discriminator": None, "generator": "a"},
        "num_steps": 400,
        "execution": {"device": "cpu", "precision": "float32"},
    }
    assert budget_of(identity) == {
        "images": "0123456789ab",
        "batch_size": "8",
        "content steps": "400",
        "device": "cpu",
        "precision": "float32",
    }


def test_what_is_no_record_is_said_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_record(tmp_path, make_record())
    torn = path.with_name("torn.json")
    torn.write_text(path.read_text()[:100])
    with pytest.raises(DataError, match=r"torn\.json is not a record"):
        read_record(torn)
    with caplog.at_level(logging.WARNING):
        assert len(read_records(tmp_path)) == 1
    assert "torn.json" in caplog.text


def changed(path: Path, change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))
    return document


def scores_in(document: dict[str, Any]) -> dict[str, float]:
    found: dict[str, float] = document["datasets"][0]["images"][0]["scores"]
    return found


@pytest.mark.parametrize("score", [500, -10, 1e300, 80.1, float("inf"), float("nan")])
def test_a_score_out_of_its_range_is_named_with_the_digest(tmp_path: Path, score: float) -> None:
    path = write_record(tmp_path, make_record())
    changed(path, lambda document: scores_in(document).update(psnr_y=score))
    with pytest.raises(DataError) as caught:
        read_record(path)
    assert str(path) in str(caught.value)
    assert "its digest does not match its content" in str(caught.value)
    assert f"PSNR-Y of set/x is {score:g}, outside of 0 to 80" in str(caught.value)
    assert read_records(tmp_path) == []


def test_a_range_is_checked_whatever_the_digest_says(tmp_path: Path) -> None:
    path = write_record(tmp_path, make_record())
    document = changed(path, lambda document: scores_in(document).update(psnr_y=500))
    path.write_text(json.dumps(sealed(document)))
    with pytest.raises(DataError, match="PSNR-Y of set/x is 500"):
        read_record(path)


def test_a_measure_of_a_run_has_a_range_too(tmp_path: Path) -> None:
    training = TrainingSummary(steps=1, seconds=1.0, verdict="stable", measures={"stable": 7.0})
    stable = Column(label="Stayed stable", value_range=(0.0, 1.0))
    columns = {"psnr_y": Column(label="PSNR-Y"), "stable": stable}
    path = write_record(tmp_path, make_record(training=training, columns=columns))
    with pytest.raises(DataError, match="Stayed stable of the run is 7, outside of 0 to 1"):
        read_record(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda document: scores_in(document).update(psnr_y=30.0001),
        lambda document: document["target"].update(name="other"),
        lambda document: document["target"].update(seed=7),
        lambda document: document["columns"]["psnr_y"].update(higher_is_better=False),
        lambda document: document["provenance"].update(created="2099-01-01"),
        lambda document: document.update(order=2**60),
        lambda document: document.update(digest_sha256="0" * 64),
        lambda document: document.update(digest_sha256=None),
    ],
)
def test_whatever_is_changed_in_a_record_shows(
    tmp_path: Path, change: Callable[[dict[str, Any]], object]
) -> None:
    path = write_record(tmp_path, make_record())
    changed(path, change)
    with pytest.raises(DataError, match="its digest does not match its content"):
        read_record(path)


def test_a_record_without_a_digest_is_refused(tmp_path: Path) -> None:
    path = write_record(tmp_path, make_record())
    changed(path, lambda document: document.pop("digest_sha256"))
    with pytest.raises(DataError, match=r"no digest of itself: an earlier version.*score it again"):
        read_record(path)


def test_a_record_that_is_only_laid_out_anew_is_the_same(tmp_path: Path) -> None:
    path = write_record(tmp_path, make_record())
    path.write_text(json.dumps(json.loads(path.read_bytes()), sort_keys=True, indent=4))
    assert read_record(path) == make_record()


def test_float32_may_round_a_score_out_of_its_range(tmp_path: Path) -> None:
    columns = {"psnr_y": Column(label="SSIM-Y", value_range=(-1.0, 30.0 - 1e-6))}
    assert read_record(write_record(tmp_path, make_record(columns=columns))).columns == columns


def test_a_clock_that_was_ahead_once_wins_over_nothing(tmp_path: Path) -> None:
    order = Order(tmp_path, "tiny")
    ahead = make_record(key="b" * 64, provenance={"created": "2099-01-01"})
    ahead = ahead.model_copy(update={"order": 4_000_000_000_000_000})
    write_record(tmp_path, ahead)
    later = order.placed(make_record(key="c" * 64))
    write_record(tmp_path, later)
    assert later.order > ahead.order
    assert newest(read_records(tmp_path)) == [later]
    last = Order(tmp_path, "tiny").placed(make_record(key="d" * 64))
    assert newest([last, ahead, later]) == [last]


def test_what_a_benchmark_shows_again_is_what_a_report_shows(tmp_path: Path) -> None:
    """A run was trained anew, and then its first weights came back: their record is there."""
    first, second, other = (
        Order(tmp_path, "tiny").placed(make_record(name, key=key * 64))
        for name, key in (("net", "b"), ("net", "c"), ("other", "d"))
    )
    for record in (first, second, other):
        write_record(tmp_path, record)
    assert newest(read_records(tmp_path)) == [second, other]
    (shown,) = Order(tmp_path, "tiny").bring_forward([first])
    assert shown.order > other.order
    assert newest(read_records(tmp_path)) == [shown, other]
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    assert Order(tmp_path, "tiny").bring_forward([shown]) == [shown]
    assert {path: path.read_bytes() for path in before} == before, "nothing to bring forward"


def test_pixels_that_came_back_are_those_of_the_report(tmp_path: Path) -> None:
    """Records of other pixels that were made later do not take the suite."""
    first = Order(tmp_path, "tiny").placed(make_record("a", key="b" * 64))
    write_record(tmp_path, first)
    there = Order(tmp_path, "tiny").placed(make_record("b", key="c" * 64, suite_sha256="1" * 64))
    write_record(tmp_path, there)
    assert list(comparable(read_records(tmp_path))) == [there]
    shown = Order(tmp_path, "tiny").bring_forward([first])
    assert list(comparable(read_records(tmp_path))) == shown


def test_hostile_names_stay_inside_the_folder(tmp_path: Path) -> None:
    path = write_record(tmp_path, make_record("../../etc/<passwd>"))
    assert path.resolve().is_relative_to(tmp_path.resolve() / "tiny")


def test_the_newest_record_of_a_seed_counts() -> None:
    old = make_record(key="b" * 64)
    new = make_record(key="c" * 64, provenance={"created": "2026-02-01"})
    other = make_record(seed=1)
    assert newest([new, other, old]) == [new, other]
    assert [record.target.seed for record in newest([other, new])] == [0, 1]


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("target.command", "zoo train 'srresnet"),
        ("target.command", "zoo train srresnet \\"),
        ("provenance", None),
        ("provenance.command", None),
        ("provenance.command", [1, None]),
        ("provenance.trained_against", None),
        ("provenance.trained_against", ["psnr_y"]),
        ("provenance.trained_against", {"nobody": ["vgg19"]}),
        ("provenance.versions", None),
        ("provenance.execution", []),
        ("provenance.self_test", {"Set5": None}),
        ("provenance.created", 3),
        ("datasets", None),
        ("columns", {}),
        ("cost.parameters", 1e300),
        ("cost.parameters", float("nan")),
        ("cost.nobody", 1.0),
        ("pictures", [{"dataset": "A", "image": "0", "file": "\x00", "sha256": 64 * "0"}]),
    ],
)
def test_a_record_whose_parts_cannot_be_used_is_none(place: str, value: object) -> None:
    """All that reads records relies on it: one is left out, the rest goes on."""
    source = next(SHIPPED.rglob("records/*.json"))
    record = holder = json.loads(source.read_text())
    Record.model_validate_json(json.dumps(record))
    *outer, last = place.split(".")
    for key in outer:
        holder = holder[key]
    holder[last] = value
    with pytest.raises(ValidationError):
        Record.model_validate_json(json.dumps(record))
