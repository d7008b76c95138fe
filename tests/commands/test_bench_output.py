"""What `zoo bench` prints of claims: which are judged, and over how many p-values are corrected."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from zoo.commands.bench_output import FORMS, print_result
from zoo.recipes.book import load_book
from zoo.records.record import Column, DatasetScores, ImageScores, Record, Target, TrainingSummary

HASH = "0" * 64


def record(recipe: str, seed: int, offset: float, **changes: Any) -> Record:
    images = tuple(
        ImageScores(
            name=str(number), height=8, width=8, hr_sha256=HASH, lr_sha256=HASH,
            scores={"psnr_y": 30 + number + offset + (seed * (number + 1)) % 3 / 100},
        )
        for number in range(3)
    )  # fmt: skip
    values: dict[str, Any] = {
        "key": f"{recipe}-{seed}", "protocol": 1, "suite": "tiny", "suite_sha256": HASH, "scale": 4,
        "target": Target(name=recipe, kind="run", recipe=recipe, profile="demo", seed=seed),
        "columns": {"psnr_y": Column(label="PSNR-Y", unit="dB", higher_is_better=True)},
        "datasets": (DatasetScores(name="Set", images=images),),
        "training": TrainingSummary(steps=1, seconds=1.0, verdict="stable"),
        "provenance": {"created": "2026-01-01", "device": "cpu"},
    }  # fmt: skip
    return Record(**values | changes)


def printed(records: list[Record], capsys: pytest.CaptureFixture[str]) -> str:
    result: Any = SimpleNamespace(records=records, suite=SimpleNamespace(name="tiny", metrics=()))
    request: Any = SimpleNamespace(profile="demo", metrics=(), asked_as=())
    print_result(load_book(), result, request, FORMS["terminal"])
    return " ".join(capsys.readouterr().out.split())


def test_claims_say_over_how_many_they_were_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    sides = [record("srresnet-nobn", seed, 1.0) for seed in range(3)]
    # seeds of the other side in another order, or nothing would vary
    sides += [record("srresnet", seed, 0.01 * seed) for seed in range(3)]
    out = printed(sides, capsys)
    assert "claims under profile demo (p-values corrected jointly; claims tested: 1)" in out
    assert "bn-removal-fidelity" in out


def test_a_file_named_like_a_recipe_decides_no_claim(capsys: pytest.CaptureFixture[str]) -> None:
    target = Target(name="srresnet", kind="weights")
    sides = [record("srresnet-nobn", seed, 1.0) for seed in range(3)]
    out = printed([*sides, record("srresnet", 0, 0.0, target=target, training=None)], capsys)
    assert "claims under profile" not in out
