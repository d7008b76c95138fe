"""What comparing a patch store costs: the script runs, and the page says what it measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from benchmarks.patch_store import main, table

REPOSITORY = Path(__file__).resolve().parents[2]
RESULT = REPOSITORY / "benchmarks/results/patch_store.json"


def test_a_store_is_measured_and_a_page_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "store.json"
    main(["--images", "2", "--side", "64", "--repeats", "1", "--output", str(output)])
    document = json.loads(output.read_text())
    assert document["GB"] == 2 * (64 * 64 + 16 * 16) * 3 / 1e9
    assert document["GB/s"] == document["GB"] / document["compare"]
    assert output.with_suffix(".md").read_text() == capsys.readouterr().out.removesuffix("\n")


def test_the_numbers_of_the_page_are_those_measured() -> None:
    result = json.loads(RESULT.read_text())
    assert RESULT.with_suffix(".md").read_text() == table(result)
    page = " ".join((REPOSITORY / "docs/speed.md").read_text().split())
    said = re.search(
        r"([\d.]+) GB of decoded images took ([\d.]+) s on .*?, ([\d.]+) GB a second .*? "
        r"Building that store took (\d+) s",
        page,
    )
    assert said is not None
    shown = (f"{result[key]:.2f}" for key in ("GB", "compare", "GB/s"))
    assert said.groups() == (*shown, f"{result['build']:.0f}")
