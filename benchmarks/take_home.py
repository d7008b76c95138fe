"""Collects what is small of a session's runs: records, float16 weights, pictures, one table.

Every file is below 16 MiB, a picture below 1 MiB, and none deeper than `home/<run>/`. A run that is
not finished is shown as of its last checkpoint. Run by gpu_session.py; see gpu.sh.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from PIL import Image
from torch import Tensor

from zoo.data.images import Image as Pixels
from zoo.data.panels import GAP, NAME_HEIGHT, NAMES, side_by_side
from zoo.data.sources import HELD_OUT, open_source, validation_images
from zoo.errors import CheckpointError, ZooError
from zoo.files import in_order
from zoo.models.model import filled_generator
from zoo.recipes.schema import Data
from zoo.runs.checkpoint import load_latest
from zoo.runs.device import choose_device, plan_execution
from zoo.runs.directory import RunDirectory
from zoo.runs.verdicts import DIVERGED
from zoo.train.summary import is_bounded, summarise
from zoo.train.validation import Validator

MOST_PICTURE_BYTES = 2**20
MOST_FILE_BYTES = 16 * 2**20
SMALLEST_PANEL = 32
COPIED = ("recipe.yaml", "provenance.json")
HEADINGS = (
    "run",
    "steps",
    "PSNR_Y (dB)",
    "bicubic (dB)",
    "gain (dB)",
    "verdict",
    "images/s",
    "memory (GiB)",
    "time (s)",
)


@dataclass(frozen=True, slots=True)
class Record:
    """What one run has come to: its name, how long it is, and its summary, finished or not."""

    name: str
    num_steps: int
    finished: bool
    summary: Mapping[str, Any]
    images_per_second: float
    memory_bytes: int

    def row(self) -> tuple[str, ...]:
        """Return the run's row of the table."""
        ours, bicubic = self.summary["psnr_y"], self.summary["psnr_y_bicubic"]
        verdict = self.summary["verdict"]
        return (
            self.name,
            f"{self.summary['steps']} of {self.num_steps}",
            f"{ours:.2f}",
            f"{bicubic:.2f}",
            f"{ours - bicubic:+.2f}",
            verdict if self.finished or verdict == DIVERGED else "not finished",
            f"{self.images_per_second:.0f}",
            f"{self.memory_bytes / 2**30:.2f}",
            f"{self.summary['seconds']:.0f}",
        )


def take_home(
    out_dir: Path, *, device: str, data_root: Path | None
) -> tuple[list[Record], list[str]]:
    """Fill `home/` from `runs/`; return what there is of each run, and what could not be had."""
    records: list[Record] = []
    failures: list[str] = []
    for path in run_directories(out_dir / "runs"):
        try:
            record = read_record(path, device=device, data_root=data_root)
            folder = out_dir / "home" / record.name
            folder.mkdir(parents=True, exist_ok=True)
            write_files(RunDirectory(path), record, folder)
        except (
            ZooError,
            ValueError,
            OSError,
        ) as error:  # one bad run must not keep the others here
            print(f"{path}: {error}", file=sys.stderr)
            failures.append(f"{path.relative_to(out_dir)}: {error}")
            continue
        records.append(record)
    text = summary_text(records, _stages(out_dir), failures)
    (out_dir / "home" / "summary.md").write_text(text)
    return records, failures


def run_directories(runs: Path) -> list[Path]:
    """Return all run directories below a folder, in a fixed order."""
    return sorted(path.parent for path in runs.glob("*/*/*/provenance.json"))


def read_record(path: Path, *, device: str, data_root: Path | None) -> Record:
    """Return what a run has come to; an unfinished one gets its pictures written."""
    directory = RunDirectory(path)
    finished = directory.summary()
    summary = finished or preview(path, device=device, data_root=data_root)
    training = [row for row in directory.rows() if row["kind"] == "train"]
    speeds = sorted(row["images_per_second"] for row in training) or [0.0]
    provenance = directory.provenance() or {}
    return Record(
        name="-".join(path.parts[-3:]),
        num_steps=provenance["identity"]["num_steps"],
        finished=finished is not None,
        summary=summary,
        images_per_second=speeds[len(speeds) // 2],
        memory_bytes=max((row["memory_bytes"] for row in training), default=0),
    )


def preview(
    path: Path, *, device: str = "auto", data_root: Path | None = None
) -> Mapping[str, Any]:
    """Write the pictures of a run that is not finished and return its summary so far.

    Nothing but `samples/` is written: the run goes on as if nobody had looked.

    Args:
        path: the run's directory.
        device: where to upscale the held-out images.
        data_root: folder of datasets, None for the default.

    Raises:
        CheckpointError: if the run has saved nothing yet.
        MachineError: if the run is being written.
    """
    directory = RunDirectory(path)
    with directory.lock():
        spec, state = directory.spec(), load_latest(directory.checkpoints)
        if spec is None or state is None:
            raise CheckpointError(f"{path} has no checkpoint yet: there is nothing to show")
        settings = spec.settings
        execution = plan_execution(settings.runtime, choose_device(device))
        weights, step = directory.read_weights()
        generator = filled_generator(
            settings.generator,
            settings.scale,
            weights,
            place=str(directory.weights),
            whose="this recipe's generator",
            seed=spec.seed,
        )
        images = _held_out(settings.data, data_root)
        return summarise(
            directory,
            Validator(images, scale=settings.scale),
            execution.place(generator),
            execution,
            step=step,
            seconds=state["seconds"],
            bounded=is_bounded(settings),
        )


def _held_out(data: Data, data_root: Path | None) -> tuple[Path, ...]:
    """Return the photographs a run is validated on: its source's own, or a named dataset's."""
    if data.validation != HELD_OUT:
        return validation_images(data.validation, data_root=data_root)
    return open_source(data.source, data_root=data_root).validation_paths


def write_files(directory: RunDirectory, record: Record, folder: Path) -> None:
    """Write one run's small files."""
    document = {
        "run": record.name,
        "finished": record.finished,
        "num_steps": record.num_steps,
        "images_per_second": record.images_per_second,
        "memory_bytes": record.memory_bytes,
        "summary": dict(record.summary),
    }
    (folder / "record.json").write_text(json.dumps(document, indent=2) + "\n")
    for name in COPIED:
        (folder / name).write_bytes((directory.path / name).read_bytes())
    metrics = (directory.path / "metrics.jsonl").read_bytes()
    (folder / "metrics.jsonl.gz").write_bytes(gzip.compress(metrics, mtime=0))
    weights = half_precision(directory.read_weights()[0])
    metadata = {"step": str(record.summary["steps"]), "precision": "float16"}
    content = in_order(safetensors.torch.save(weights, metadata))
    if len(content) <= MOST_FILE_BYTES:
        (folder / "weights.fp16.safetensors").write_bytes(content)
    else:
        print(f"{record.name}: {len(content):,} bytes of weights stay behind", file=sys.stderr)
    for name in record.summary["pictures"]:
        with Image.open(directory.samples / name) as picture:
            (folder / name).write_bytes(small_png(picture))


def half_precision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return weights in float16, counters as they are.

    Raises:
        ValueError: if a value is out of float16's range.
    """
    halved = {name: t.half() if t.is_floating_point() else t for name, t in state.items()}
    lost = [name for name, tensor in halved.items() if not bool(torch.isfinite(tensor).all())]
    if lost:
        raise ValueError(f"{', '.join(lost)} does not fit into float16")
    return halved


def panels_of(picture: Pixels) -> dict[str, Pixels]:
    """Return the images that `side_by_side` has set beside each other, by their names."""
    width = (picture.shape[1] + GAP) // len(NAMES) - GAP
    return {
        name: picture[NAME_HEIGHT:, number * (width + GAP) :][:, :width]
        for number, name in enumerate(NAMES)
    }


def small_png(picture: Image.Image) -> bytes:
    """Return pictures side by side as PNG of less than 1 MiB: the middle of each panel, as it is.

    Pixels are cut off, never averaged: averaging would hide what is to be looked at.
    """
    panels = panels_of(np.asarray(picture.convert("RGB")))
    height, width = panels["HR"].shape[:2]
    # photographs shrink to a half or less as PNG: what is four times too large is not tried
    share = min(1.0, (4 * MOST_PICTURE_BYTES / (3 * len(panels) * height * width)) ** 0.5)
    while True:
        content = _png({name: _middle(panel, share) for name, panel in panels.items()})
        if len(content) < MOST_PICTURE_BYTES or share * min(height, width) < SMALLEST_PANEL:
            return content
        share *= 0.8


def summary_text(
    records: Sequence[Record], stages: Iterable[Mapping[str, Any]], failures: Sequence[str] = ()
) -> str:
    """Return the session in Markdown: what was run, and a table of the runs beside bicubic."""
    rows = [HEADINGS, ["---"] * len(HEADINGS), *(record.row() for record in records)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    lines = [
        f"- {stage['name']}: {stage['status']} after {stage['seconds']:.0f} s" for stage in stages
    ]
    note = (
        "PSNR_Y is of the moving average on held-out images, as last validated. A run that is not\n"
        "finished says nothing about its recipe."
    )
    lost = "\n".join(f"- not collected: {failure}" for failure in failures)
    parts = ["# GPU session", "\n".join(lines), table, note, lost]
    return "\n\n".join(part for part in parts if part) + "\n"


def pack_for_resuming(out_dir: Path) -> Path:
    """Write `resume.tar`: every run, less checkpoints that going on does not need."""
    path = out_dir / "resume.tar"
    unfinished = path.with_suffix(".tar.tmp")
    with tarfile.open(unfinished, "w") as archive:
        for run in run_directories(out_dir / "runs"):
            for file in _needed(run):
                archive.add(file, file.relative_to(out_dir), recursive=False)
    return unfinished.replace(path)


def _needed(run: Path) -> Iterator[Path]:
    finished = (run / "summary.json").exists()
    newest = max((path.name for path in run.glob("checkpoints/step-*.pt")), default="")
    for path in sorted(run.rglob("*")):
        is_checkpoint = path.parent.name == "checkpoints"
        kept = not is_checkpoint or (path.name.startswith(newest) and not finished)
        if path.is_file() and not path.name.startswith(".") and kept:
            yield path


def _stages(out_dir: Path) -> list[Mapping[str, Any]]:
    path = out_dir / "session.json"
    stages: list[Mapping[str, Any]] = (
        json.loads(path.read_text())["stages"] if path.exists() else []
    )
    return stages


def _middle(panel: np.ndarray[Any, Any], share: float) -> np.ndarray[Any, Any]:
    height, width = (max(1, round(share * size)) for size in panel.shape[:2])
    top, left = (panel.shape[0] - height) // 2, (panel.shape[1] - width) // 2
    return panel[top : top + height, left : left + width]


def _png(panels: dict[str, np.ndarray[Any, Any]]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(side_by_side(panels)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def copy_records(out_dir: Path) -> None:
    """Copy the benchmark's records, without their pictures, into one flat folder."""
    target = out_dir / "home" / "records"
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted((out_dir / "records").glob("*/*.json")):
        shutil.copyfile(path, target / f"{path.parent.name}-{path.name}")


def main() -> int:
    """Collect the results of one session; return 0, or 1 with the reason on stderr."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--resume-tar", action="store_true")
    options = parser.parse_args()
    copy_records(options.out_dir)
    _, failures = take_home(options.out_dir, device=options.device, data_root=options.data_root)
    if options.resume_tar:
        pack_for_resuming(options.out_dir)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
