"""Settings and verdicts of runs as columns and marks of tables."""

from __future__ import annotations

import io
from typing import Any

import pandas as pd

from tests.compare.test_tables import make_record
from zoo.compare.formats import csv, markdown
from zoo.compare.tables import json_rows, summary, terminal_tables
from zoo.records.record import Record, TrainingSummary


def with_width(name: str, width: int, *variant: str, verdict: str = "stable") -> Record:
    settings = {"generator": {"name": "net", "width": width}, "training": {"steps": 8}}
    spec: dict[str, Any] = {"settings": settings, "pretraining": {"settings": settings}}
    training = TrainingSummary(steps=8, seconds=1.0, verdict=verdict)
    record = make_record(name, 0, training=training)
    target = record.target.model_copy(update={"spec": spec, "variant": variant})
    return record.model_copy(update={"target": target})


def test_a_setting_of_one_row_is_a_column_of_all() -> None:
    records = [
        with_width("net", 16),
        with_width("net wide", 32, "generator.width=32", "pretraining.training.steps=4"),
        make_record("other", kind="baseline", profile=None, seed=None),
    ]
    frame = summary(records).set_index("target")
    widths = frame["generator.width"].dropna()
    assert widths.to_dict() == {"net": "16", "net wide": "32"}
    assert frame.loc["net", "pretraining.training.steps"] == "8"
    assert frame.loc["net wide", "pretraining.training.steps"] == "4"
    read = pd.read_csv(io.StringIO(csv(records))).set_index("target")
    assert read.loc["net wide", "generator.width"] == 32
    rows = {row["recipe"]: row for row in json_rows(records)}
    assert rows["net wide"]["settings"] == ["generator.width=32", "pretraining.training.steps=4"]
    assert "settings" not in rows["net"]


def test_a_run_that_collapsed_is_marked_in_every_table() -> None:
    records = [with_width("net", 16, verdict="mode-collapsed"), with_width("good", 16)]
    rows = {row[0]: row[1] for row in terminal_tables(records)[0].rows}
    assert rows == {"good": "1", "net": "1 (1 mode-collapsed)"}
    assert "1 (1 mode-collapsed)" in markdown(records)
    verdicts = summary(records).set_index("target")["verdicts"].to_dict()
    assert verdicts == {"good": "1 stable", "net": "1 mode-collapsed"}
    (row,) = [row for row in json_rows(records) if row["recipe"] == "net"]
    assert row["verdicts"] == {"mode-collapsed": 1}
