"""How long `zoo report` takes over many records, in a fresh process.

    python benchmarks/report_speed.py [--records 500] [--shape recipes seeds]

The records are those of `benchmarks/results/sweep`, copied under other names (`recipes`: a row in
the tables and a card of curves for every three or so) or other seeds (`seeds`: as many rows as
were published). Prints seconds of wall clock and of processor time; what importing zoo and checking
its recipes takes is in both, and printed beside them. Nothing is written.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from zoo.records.record import Record, read_records, write_record

PUBLISHED: Final = Path(__file__).parent / "results" / "sweep" / "records"
SHAPES: Final = ("recipes", "seeds")
ZOO: Final = (sys.executable, "-c", "from zoo.commands.app import main; main()")
IMPORT: Final = (
    "from zoo.recipes.book import load_book; from zoo.recipes.checks import check_book; "
    "check_book(load_book([])); import zoo.report.page"
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the records of each shape, time the report, print."""
    parser = argparse.ArgumentParser(description="Time zoo report over many records.")
    parser.add_argument("--records", type=int, default=500)
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=SHAPES)
    options = parser.parse_args(arguments)
    wall, processor = seconds([sys.executable, "-c", IMPORT])
    print(f"imports and recipes alone: {wall:.1f} s, processor {processor:.1f} s")
    for shape in options.shape:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            make_records(root / "records", options.records, shape)
            wall, processor = seconds([*ZOO, "report", "--run-root", folder])
            size = (root / "report" / "index.html").stat().st_size / 2**20
        print(
            f"{options.records} records, more {shape}: {wall:.1f} s, processor {processor:.1f} s, "
            f"a page of {size:.1f} MiB"
        )


def make_records(root: Path, number: int, shape: str) -> None:
    """Write so many records below a folder, copies of published ones without their pictures."""
    published = read_records(PUBLISHED)
    for index in range(number):
        copy, place = divmod(index, len(published))
        write_record(root, _copied(published[place], copy, shape))


def _copied(record: Record, copy: int, shape: str) -> Record:
    target = record.target
    if shape == "seeds" and target.seed is not None:
        other: dict[str, object] = {"seed": target.seed + 100 * copy}
    else:
        ending = f"-{copy}" if copy else ""
        other = {"name": f"{target.name}{ending}", "recipe": f"{target.recipe}{ending}"}
    return record.model_copy(
        update={
            "target": target.model_copy(update=other),
            "key": hashlib.sha256(f"{record.key} {copy}".encode()).hexdigest(),
            "pictures": (),
        }
    )


def seconds(command: Sequence[str]) -> tuple[float, float]:
    """Run a command and return its seconds, of wall clock and of processors."""
    since, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  our own
    after = os.times()
    processor = after.children_user + after.children_system
    processor -= before.children_user + before.children_system
    return time.perf_counter() - since, processor


if __name__ == "__main__":
    main()
