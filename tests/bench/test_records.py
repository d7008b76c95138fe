"""Records on disk: immutable, whole, and read back as they were."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from zoo.bench.budget import budget_of
from zoo.bench.records import (
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
from zoo.bench.selection import comparable
from zoo.errors import DataError
from zoo.models.store import SHIPPED

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
        "columns": {"psnr_y": Column(label="PSNR-Y", unit="dB")},
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
    kept, notes = comparable([short, long])
    assert [record.target.name for record in kept] == ["b"]
    assert notes["tiny"] == [
        "left out: a seed 0, trained with content steps 400 instead of 800 of the newest runs"
    ]
    adversarial = TrainingSummary(
        steps=1, seconds=1.0, verdict="stable", budget={"adversarial steps": "120"}
    )
    other = make_record("c", training=adversarial, provenance={"created": "2026-01-03"})
    assert len(comparable([long, other])[0]) == 2, "stages of two kinds have two lengths"


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
