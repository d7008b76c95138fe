"""Collects what the repository keeps of the study: records, a small picture a run, some weights.

    python -m benchmarks.study_collect RUN_ROOT

Copies the records as they are, Set5's butterfly of each run as a picture of 128x128 pixels, and the
weights of seed 0 of each recipe in float16. Run it again as runs finish.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Final

import safetensors.torch

from benchmarks.study_power import STUDY
from benchmarks.take_home import half_precision
from zoo.data.images import read_image, write_png
from zoo.records.record import Record, read_record

SUITE: Final = "study-x4"
PICTURE: Final = "Set5-003.png"
CROP: Final = (slice(64, 192), slice(64, 192))
"""Rows and columns of the butterfly's wing."""


def collect(run_root: Path, output: Path) -> int:
    """Copy what is new of every record of the suite; return the number of records.

    Args:
        run_root: what `zoo bench --run-root` was given.
        output: the folder of the study's results.
    """
    paths = sorted((run_root / "records" / SUITE).glob("*.json"))
    kept = output / "records" / SUITE
    kept.mkdir(parents=True, exist_ok=True)
    for path in paths:
        record = read_record(path)
        shutil.copyfile(path, kept / path.name)
        picture = path.with_suffix("") / PICTURE
        if picture.is_file():
            write_png(output / "pictures" / f"{_name(record)}.png", read_image(picture)[CROP])
        if record.target.seed == 0 and record.target.kind == "run":
            _copy_weights(record, run_root, output / "weights")
    return len(paths)


def _name(record: Record) -> str:
    target = record.target
    return target.name if target.seed is None else f"{target.name}-seed-{target.seed}"


def _copy_weights(record: Record, run_root: Path, folder: Path) -> None:
    target = record.target
    run = run_root / target.name / str(target.profile) / f"seed-{target.seed}"
    weights = safetensors.torch.load_file(run / "weights.safetensors")
    folder.mkdir(parents=True, exist_ok=True)
    safetensors.torch.save_file(
        half_precision(weights),
        folder / f"{target.name}.safetensors",
        {"precision": "float16", "run": str(target.identity_sha256)},
    )


def main() -> None:
    """Collect from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run_root", type=Path)
    parser.add_argument("--output", type=Path, default=STUDY)
    arguments = parser.parse_args()
    print(f"{collect(arguments.run_root, arguments.output)} records")


if __name__ == "__main__":
    main()
