"""`zoo train`: trains one recipe under one profile."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands.launch import (
    behind_the_leader,
    check_launch,
    is_follower,
    is_to_be_launched,
    launch,
)
from zoo.commands.options import (
    DataRoot,
    Device,
    Json,
    Plugins,
    ProfileName,
    Registries,
    RunRoot,
    Settings,
    Track,
    TrainingData,
    choose_profile,
    data_setting,
    open_book,
)
from zoo.commands.output import Table, note, print_json, print_table, print_text
from zoo.runs import RUN_ROOT
from zoo.runs.commands import source_options
from zoo.tracking import create_trackers

if TYPE_CHECKING:
    from zoo.recipes.book import Book
    from zoo.recipes.schema import RunSpec
    from zoo.tracking.base import Tracker
    from zoo.train.dry_run import DryRun
    from zoo.train.prepare import Options
    from zoo.train.run import Run


Start = Annotated[
    str | None,
    typer.Option(
        "--init",
        metavar="NAME|FILE|RUN_DIR",
        help="Start from these weights: a model, a run, or another tool's checkpoint.",
    ),
]
StartDiscriminator = Annotated[
    str | None,
    typer.Option(
        "--init-discriminator",
        metavar="RUN_DIR|FILE",
        help="Start the discriminator from that of a run, or from a file of its tensors.",
    ),
]
Partial = Annotated[
    bool, typer.Option("--partial", help="Load the tensors that fit, and list the others.")
]
Devices = Annotated[
    int | None,
    typer.Option(
        "--devices",
        metavar="N",
        min=1,
        help="Train one run in N processes: one for each GPU, or on shares of the CPU.",
    ),
]
FromRun = Annotated[
    Path | None,
    typer.Option(
        "--from-run",
        metavar="RUN_DIR",
        help="Start from the generator and discriminator of a finished run.",
    ),
]


Fresh = Annotated[bool, typer.Option("--fresh", help="Delete the run's results and start again.")]
Dry = Annotated[
    bool,
    typer.Option("--dry-run", help="Build everything and take one real step, but write nothing."),
]


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="Name of a recipe (see: zoo list recipes).")
    ],
    *,
    profile: ProfileName = None,
    settings: Settings,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed for weights, data order and pretraining.")
    ] = 0,
    data: TrainingData = None,
    init: Start = None,
    init_discriminator: StartDiscriminator = None,
    partial: Partial = False,
    from_run: FromRun = None,
    data_root: DataRoot = None,
    device: Device = "auto",
    devices: Devices = None,
    run_root: RunRoot = RUN_ROOT,
    fresh: Fresh = False,
    dry_run: Dry = False,
    track: Track,
    registry: Registries,
    plugin: Plugins,
    as_json: Json = False,
) -> None:
    """Train a recipe. Run the command again to resume."""
    with behind_the_leader():
        book = open_book(registry, plugin)
        book.recipe(recipe)  # report a misspelt name before torch is imported
        chosen = _profile(book, profile, device)
        settings += data_setting(data)

        from zoo.models.initial import specified
        from zoo.recipes.checks import check_book
        from zoo.recipes.start import start_of
        from zoo.train.prepare import Options

        check_book(book, required=recipe)
        named = {"generator": init, "discriminator": init_discriminator, "run": from_run}
        start = start_of({**named, "strict": not partial})
        spec = specified(
            book, recipe, chosen, run_root=run_root, seed=seed, settings=settings, start=start
        )
        if _launched(spec, devices, device, dry_run=dry_run):
            return
        sources, trackers = source_options(registry, plugin, data_root), create_trackers(track)
        options = Options(run_root, data_root, device, fresh, sources=sources)
        _work(spec, options, trackers, dry_run=dry_run, as_json=as_json)


def _profile(book: Book, profile: str | None, device: str) -> str:
    """Return the requested profile, or the default, whose name is printed."""
    chosen, reason = choose_profile(book, profile, device)
    if profile is None and not is_follower():
        note(f"profile: {chosen} ({reason})")
    return chosen


def _launched(spec: RunSpec, devices: int | None, device: str, *, dry_run: bool) -> bool:
    """Train in several processes if they are asked for and not there yet; return whether it did."""
    if devices is None or not is_to_be_launched(devices):
        return False
    check_launch(spec, devices, device, dry_run=dry_run)
    launch(devices, sys.argv[1:])
    return True


def _work(
    spec: RunSpec, options: Options, trackers: Sequence[Tracker], *, dry_run: bool, as_json: bool
) -> None:
    if dry_run:
        _dry_run(spec, options, as_json=as_json)
    else:
        _train(spec, options, trackers, as_json=as_json)


def _train(spec: RunSpec, options: Options, trackers: Sequence[Tracker], *, as_json: bool) -> None:
    from zoo.commands.training_progress import training_progress
    from zoo.tracking.base import tracked
    from zoo.train.interrupts import Interrupted
    from zoo.train.run import train as train_run

    if is_follower():
        _follow(spec, options)
        return
    try:
        with training_progress() as shown, tracked(shown, trackers) as observer:
            run = train_run(spec, replace(options, observer=observer))
    except Interrupted as stopped:
        note(f"{stopped}, saved; resume with: {_resume_command(sys.argv)}")
        raise typer.Exit(stopped.exit_code) from stopped
    _print_run(run, as_json=as_json)


def _follow(spec: RunSpec, options: Options) -> None:
    """Train as one of several processes, of which another one prints."""
    from zoo.train.interrupts import Interrupted
    from zoo.train.run import train as train_run

    try:
        train_run(spec, options)
    except Interrupted as stopped:
        raise typer.Exit(stopped.exit_code) from stopped


def _dry_run(spec: RunSpec, options: Options, *, as_json: bool) -> None:
    from zoo.train.dry_run import dry_run

    stages = dry_run(spec, options, predict_memory=True, choose=True)
    print_dry_run(stages, as_json=as_json)


def _resume_command(words: Sequence[str]) -> str:
    """Return the command that resumes the run: the same command without --fresh."""
    program, *arguments = words
    typed = [program] if Path(program).suffix != ".py" else ["python", program]
    if Path(program).name == "__main__.py":  # of the package: not to be run as a file
        typed = ["python", "-m", "zoo"]
    return shlex.join([*typed, *(word for word in arguments if word != "--fresh")])


def print_dry_run(stages: Sequence[DryRun], *, as_json: bool) -> None:
    """Print the results of a dry run, one row for each stage."""
    for line in (*stages[-1].source.found, stages[-1].source.counts()):
        note(line)
    if as_json:
        print_json("zoo.dry-run/1", {"stages": [_document(stage) for stage in stages]})
        return
    columns = ("stage", "G params", "D params", "steps", "s/step", "estimate", "memory", "peak")
    rows_of_text = [
        (
            stage.recipe,
            f"{stage.generator_parameters:,}",
            f"{stage.discriminator_parameters:,}",
            f"{stage.num_steps:,}",
            f"{stage.step_seconds:.3f}",
            str(timedelta(seconds=round(stage.total_seconds))),
            _mebibytes(stage.peak_memory),
            "-" if stage.forecast is None else _mebibytes(stage.forecast.peak),
        )
        for stage in stages
    ]
    print_table(Table("dry run: one step per stage, no files written", columns, rows_of_text))
    for stage in stages:
        if stage.choice is not None:
            print_text(f"{stage.recipe}: {stage.choice.describe()}")
    print_text(
        f"training images: on the {stages[-1].execution.store}; "
        "the estimated time is without validation; memory: measured in the step; peak memory: "
        "predicted for the whole run with validation and checkpoints; both are "
        + (
            "torch's allocations"
            if stages[-1].execution.device.type == "cuda"
            else "the memory of the whole process"
        )
    )


def _document(stage: DryRun) -> dict[str, Any]:
    return {
        "recipe": stage.recipe,
        "steps": stage.num_steps,
        "step_seconds": stage.step_seconds,
        "total_seconds": stage.total_seconds,
        "peak_memory_bytes": stage.peak_memory,
        "forecast_memory_bytes": None if stage.forecast is None else stage.forecast.peak,
        "generator_parameters": stage.generator_parameters,
        "discriminator_parameters": stage.discriminator_parameters,
        "execution": {**stage.execution.describe(), "store": stage.execution.store},
        "choice": None if stage.choice is None else stage.choice.document(),
        "training_images": len(stage.source.training_paths),
        "validation_images": len(stage.source.validation_paths),
    }


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _print_run(run: Run, *, as_json: bool) -> None:
    from zoo.runs.directory import RunDirectory

    directory = RunDirectory(run.directory)
    pictures = [directory.samples / name for name in run.summary["pictures"]]
    if as_json:
        document: dict[str, Any] = {"directory": run.directory, "pictures": pictures}
        print_json("zoo.train/1", document | {"summary": dict(run.summary)})
        return
    ours, bicubic = run.summary["psnr_y"], run.summary["psnr_y_bicubic"]
    print_text(f"PSNR_Y {ours:.2f} dB on held-out images (bicubic {bicubic:.2f} dB)")
    print_text(f"verdict: {run.summary['verdict']}")
    for name, found in run.summary["components"].items():
        print_text(f"{name}: {', '.join(f'{k} {v}' for k, v in found.items() if k != 'sha256')}")
    print_text(f"run: {run.directory}")
    for picture in pictures:
        print_text(f"sample image (LR | bicubic | SR | HR): {picture}")
