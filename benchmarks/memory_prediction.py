"""Peak memory of whole runs: as a dry run predicts it, and as it came to be.

    python benchmarks/memory_prediction.py                       # CPU, smoke, demo and large
    python benchmarks/memory_prediction.py --device cuda --sizes demo short

Each run is short but whole (pretraining, validations, checkpoints, pictures) and has a process of
its own, as has each forecast. On a CPU the resident memory of the process counts, most of which is
Python and torch with its libraries: the column `own` is the error relative to what the run needs
beside them. On a GPU, what torch allocated there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from zoo.recipes.schema import RunSpec
from zoo.runs.provenance import machine, versions

FAMILIES = ("srresnet", "srgan-nobn", "esrgan", "esrgan-wgangp")
SIZES: dict[str, tuple[str, tuple[str, ...]]] = {
    "smoke": ("smoke", ()),
    "demo": ("demo", ()),
    "large": ("demo", ("data.lr_patch_size=32", "data.batch_size=16")),
    "short": ("short", ()),
    "paper": ("paper", ()),
}
RESULTS = Path(__file__).parent / "results"
STEPS = 4
MIB = 2**20


def make_spec(recipe: str, size: str) -> RunSpec:
    """Return a few steps of a recipe at a size, with two validations and checkpoints."""
    from zoo.recipes.book import load_book
    from zoo.recipes.checks import complete
    from zoo.recipes.resolve import resolve

    profile, settings = SIZES[size]
    spec = complete(resolve(load_book(), recipe, profile, seed=0, settings=settings)).spec
    return _shortened(spec)


def _shortened(spec: RunSpec) -> RunSpec:
    length = {"steps": STEPS, "epochs": None, "log_every": 1}
    length |= {"validate_every": STEPS // 2, "checkpoint_every": STEPS // 2}
    training = spec.settings.training.model_copy(update=length)
    settings = spec.settings.model_copy(update={"training": training})
    inner = None if spec.pretraining is None else _shortened(spec.pretraining)
    return spec.model_copy(update={"settings": settings, "pretraining": inner})


def work(kind: str, spec: RunSpec, device: str, data_root: Path | None) -> dict[str, int]:
    """Do one process's part: predict a run's peak memory, or train and measure it."""
    from zoo.runs.device import choose_device, peak_memory
    from zoo.train.dry_run import dry_run
    from zoo.train.prepare import Options
    from zoo.train.run import train

    begin = peak_memory(choose_device(device))
    with tempfile.TemporaryDirectory() as folder:
        options = Options(run_root=Path(folder), data_root=data_root, device=device)
        if kind == "forecast":
            forecasts = [stage.forecast for stage in dry_run(spec, options, predict_memory=True)]
            peaks = [forecast.peak for forecast in forecasts if forecast is not None]
            if len(peaks) < len(forecasts):
                raise SystemExit("this system does not tell the peak memory of a piece of work")
            return {"peak": max(peaks), "begin": begin}
        directory = train(spec, options).directory.parents[2]
        if device == "cpu":  # the process's own, pictures at the end included
            return {"peak": peak_memory(choose_device(device)), "begin": begin}
        rows = [
            json.loads(line)
            for path in directory.rglob("metrics.jsonl")
            for line in path.read_text().splitlines()
        ]
        return {"peak": max(row.get("memory_bytes", 0) for row in rows), "begin": begin}


def compare(recipe: str, size: str, device: str, data_root: Path | None) -> dict[str, Any]:
    """Foretell and measure one run, each in a fresh process; sizes in bytes."""
    spec = make_spec(recipe, size).model_dump_json()
    found = {}
    for kind in ("forecast", "measure"):
        command = [sys.executable, __file__, "--work", kind, "--device", device]
        command += [] if data_root is None else ["--data-root", str(data_root)]
        done = subprocess.run(  # noqa: S603  this file
            command, input=spec, capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise SystemExit(f"{recipe} {size} {kind}: {done.stderr.strip()[-2000:]}")
        found[kind] = json.loads(done.stdout.splitlines()[-1])
    predicted, measured = found["forecast"]["peak"], found["measure"]["peak"]
    begin = found["measure"]["begin"]
    return {
        "recipe": recipe,
        "size": size,
        "predicted": predicted,
        "measured": measured,
        "begin": begin,
        "error": predicted / measured - 1,
        "own_error": (predicted - measured) / max(measured - begin, 1),
    }


def to_markdown(document: dict[str, Any]) -> str:
    """Return the results as a page."""
    about = (
        f"`python benchmarks/memory_prediction.py`, {document['device']}, {document['machine']}, "
        f"torch {document['versions']['torch']}. Each figure is of one process. `own`: the error "
        "relative to what the run needs beside Python and torch."
    )
    lines = [
        "# Peak memory: predicted by a dry run, and measured",
        "",
        about,
        "",
        "| recipe | size | predicted MiB | measured MiB | error | before the run MiB | own |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {row['recipe']} | {row['size']} | {row['predicted'] / MIB:,.0f} | "
        f"{row['measured'] / MIB:,.0f} | {row['error']:+.1%} | {row['begin'] / MIB:,.0f} | "
        f"{row['own_error']:+.0%} |"
        for row in document["rows"]
    ]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> None:
    """Compare all families at all sizes; write a JSON and a Markdown file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["smoke", "demo", "large"])
    parser.add_argument("--recipes", nargs="+", default=FAMILIES)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--data-root", type=Path)
    parser.add_argument("--output", type=Path, default=RESULTS, help="folder of memory.{json,md}")
    parser.add_argument("--work", choices=["forecast", "measure"], help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.work:
        spec = RunSpec.model_validate_json(sys.stdin.read())
        print(json.dumps(work(chosen.work, spec, chosen.device, chosen.data_root)))
        return
    rows: list[dict[str, Any]] = []
    document = {"device": chosen.device, "machine": machine(), "versions": versions(), "rows": rows}
    chosen.output.mkdir(parents=True, exist_ok=True)
    for size in chosen.sizes:
        for recipe in chosen.recipes:
            row = compare(recipe, size, chosen.device, chosen.data_root)
            rows.append(row)
            print(f"{recipe} {size}: {row['error']:+.1%} (own {row['own_error']:+.0%})", flush=True)
            (chosen.output / "memory.json").write_text(json.dumps(document, indent=1) + "\n")
            (chosen.output / "memory.md").write_text(to_markdown(document))


if __name__ == "__main__":
    main()
