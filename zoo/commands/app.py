"""The `zoo` program: its commands and its exit codes.

A `ZooError`, an error of the file system and exhausted memory are the user's to correct: they give
one paragraph on stderr and an exit code. Anything else is a bug and shows its traceback.
"""

from __future__ import annotations

import errno
import logging
import signal
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from zoo.commands import data, weights
from zoo.commands.bench import bench
from zoo.commands.card import card
from zoo.commands.check import check
from zoo.commands.doctor import doctor
from zoo.commands.export import export
from zoo.commands.import_ import import_model
from zoo.commands.interpolate import interpolate
from zoo.commands.limits import watching_address_space
from zoo.commands.list import list_names, models
from zoo.commands.new import new
from zoo.commands.output import configure_logging, print_error, print_text
from zoo.commands.project import open_project
from zoo.commands.pull import pull
from zoo.commands.push import push
from zoo.commands.report import report
from zoo.commands.show import show
from zoo.commands.train import train
from zoo.commands.upscale import upscale
from zoo.commands.watch import watch
from zoo.errors import MachineError, ZooError, staying
from zoo.streams import Outlet, lasting_streams
from zoo.train.interrupts import leaving_at_once

_OF_THE_FILE_SYSTEM = (
    *(errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES, errno.EPERM),
    *(errno.EROFS, errno.ENOSPC, errno.EDQUOT),
)
"""Errors of the file system that are not bugs of the program."""
_LONGEST = 300
"""Maximum length of an allocator's message; on a GPU it can fill a page."""
DISTRIBUTION = "srgan-zoo"
HELP = """Train, compare and extend super-resolution GANs.

\b
zoo show esrgan-wgangp -p demo          show every value of a recipe
zoo train esrgan-wgangp -p demo         train it: minutes on a CPU
zoo bench --all -p demo                 score trained recipes, with intervals
"""


class ZooGroup(TyperGroup):
    """A group of commands that turns a user's error into a message and an exit code."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        """Run the program with streams that do not fail; report unwritten output at the end."""
        with lasting_streams() as results, watching_address_space():
            try:
                return super().main(*arguments, **options)
            except SystemExit as leaving:
                if results is not None and not leaving.code:
                    _check_written(results)
                raise

    def invoke(self, ctx: Any) -> Any:
        """Run the requested command."""
        try:
            with leaving_at_once(), staying():
                return super().invoke(ctx)
        except ZooError as error:
            print_error(error)
            raise typer.Exit(error.exit_code) from error
        except OSError as error:
            if error.errno not in _OF_THE_FILE_SYSTEM or error.filename is None:
                raise
            refused = MachineError(f"cannot use {error.filename}: {error.strerror}")
            print_error(refused)
            raise typer.Exit(refused.exit_code) from error
        except (MemoryError, RuntimeError) as error:
            if isinstance(error, typer.Exit | typer.Abort):
                raise
            from zoo.upscaling.memory import is_out_of_memory  # imports torch

            if not is_out_of_memory(error):
                raise
            too_much = MachineError(_out_of_memory(error))
            print_error(too_much)
            raise typer.Exit(too_much.exit_code) from error


def _check_written(results: Outlet) -> None:
    """End the program if results could not be written, with a message if there is still a reader.

    Raises:
        SystemExit: if results were not written.
    """
    results.flush()
    if isinstance(results.failure, BrokenPipeError):  # `| head`: the reader had enough
        raise SystemExit(1)
    if results.failure is not None:
        lost = MachineError(
            f"cannot write to standard output: {results.failure.strerror}; the command itself has "
            "finished"
        )
        print_error(lost)
        raise SystemExit(lost.exit_code)


def _out_of_memory(error: BaseException) -> str:
    told = " ".join(str(error).split())[:_LONGEST] or "allocation failed"
    return (
        f"not enough memory ({told}); use smaller batches, patches, images or networks, or a "
        "device with more memory"
    )


app = typer.Typer(
    name="zoo",
    cls=ZooGroup,
    help=HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # a bug's traceback is Python's own, whole
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("list")(list_names)
app.command("show")(show)
app.command("train")(train)
app.command("bench")(bench)
app.command("watch")(watch)
app.command("report")(report)
app.command("upscale")(upscale)
app.command("check")(check)
app.command("import")(import_model)
app.command("interpolate")(interpolate)
app.command("export")(export)
app.command("card")(card)
app.command("push")(push)
app.command("pull")(pull)
app.command("doctor")(doctor)
app.command("models", hidden=True)(models)
app.command("new")(new)
app.add_typer(data.app, name="data")
app.add_typer(weights.app, name="weights")


def _print_version(value: bool) -> None:  # noqa: FBT001  typer calls it so
    if not value:
        return
    try:
        print_text(f"zoo {version(DISTRIBUTION)}")
    except PackageNotFoundError:
        print_text("zoo (a clone that is not installed)")
    raise typer.Exit


@app.callback()
def configure(
    context: typer.Context,
    *,
    verbose: Annotated[
        bool, typer.Option("--verbose", "-v", help="Log details to stderr.")
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Log only warnings and errors.")
    ] = False,
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Apply the options of all commands, and the project's file. The help text is the app's."""
    configure_logging(logging.DEBUG if verbose else logging.WARNING if quiet else logging.INFO)
    open_project(context)


def main() -> None:
    """Run the program: the console script `zoo`, `python -m zoo`, and `cli.py` in a clone."""
    try:
        app()
    finally:  # the kernel repeats it every second: not to change how the program ends
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
