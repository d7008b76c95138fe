"""`zoo check`: tests a component against the contract of its kind, one line for each check."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoo.commands.options import Json, Plugins
from zoo.commands.output import note, print_json, print_text
from zoo.components import folders_with, plural_kind
from zoo.errors import PluginError, RecipeError, UnknownNameError
from zoo.files import from_home
from zoo.plugins import load_plugin_file, plugin_file_of
from zoo.registry import REGISTRIES

if TYPE_CHECKING:
    from zoo.testing.contract import Contract
    from zoo.testing.cost_comparison import CostComparison
    from zoo.testing.verdicts import Verdict

logger = logging.getLogger(__name__)

WHOLE = 1000
"""Figures from this value on are printed without decimals."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A component to check: the plural name of its kind, and its own name."""

    folder: str
    name: str

    @property
    def title(self) -> str:
        """Kind, name and origin, as printed."""
        registry = REGISTRIES[self.folder]
        return f"{registry.kind} {self.name} ({registry.origin(self.name)})"


def check(
    target: Annotated[
        str,
        typer.Argument(
            metavar="FILE|NAME",
            help="A plugin file, which zoo executes, or the name of a component.",
        ),
    ],
    *,
    kind: Annotated[
        str | None,
        typer.Option(
            "--kind", metavar="KIND", help=f"Kind of the component: {', '.join(REGISTRIES)}."
        ),
    ] = None,
    settings: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            default_factory=list,
            show_default=False,
            help="An argument of the constructor, such as width=8; may be repeated.",
        ),
    ],
    plugin: Plugins,
    as_json: Json = False,
) -> None:
    """Test a component against the contract of its kind; exit with code 1 if a check fails.

    For a file, every component that it registers is checked. Networks with large default arguments
    are checked with small ones, unless --set gives the arguments. The cost of a generator is
    measured with its defaults and compared with the built-in reference. `zoo --verbose check`
    prints tracebacks of failures.
    """
    for file in plugin:
        load_plugin_file(file)
    subjects = find_subjects(target, kind)
    found = [_check_one(subject, settings, quiet=as_json) for subject in subjects]
    statuses = [verdict["status"] for one in found for verdict in one["checks"]]
    failed, skipped = statuses.count("FAILED"), statuses.count("skipped")
    if as_json:
        print_json("zoo.check/1", {"passed": not failed, "components": found})
    else:
        note(f"{len(statuses)} checks: {failed} failed, {skipped} skipped")
    raise typer.Exit(1 if failed else 0)


def find_subjects(target: str, kind: str | None) -> list[Subject]:
    """Return the components to check: all that a file registers, or the one of a name.

    Raises:
        PluginError: if the file registers no component of that kind.
        UnknownNameError: if there is no component of that name.
        RecipeError: if several kinds have a component of that name.
    """
    folders = list(REGISTRIES) if kind is None else [plural_kind(kind, tuple(REGISTRIES))]
    path = Path(target)
    if path.suffix == ".py" or path.is_file():
        load_plugin_file(path)
        file = from_home(path).resolve()
        found = [
            Subject(folder, name)
            for folder in folders
            for name, entry in REGISTRIES[folder].entries.items()
            if entry.component is not None and plugin_file_of(entry.component) == file
        ]
        if not found:
            what = "no component" if kind is None else f"none of the {folders[0]}"
            raise PluginError(
                f"{path} registers {what}; decorate its class, for example with "
                '@register_generator("my-net")'
            )
        return found
    found = [Subject(folder, target) for folder in folders_with(target) if folder in folders]
    if not found:
        names = {name for folder in folders for name in REGISTRIES[folder].names()}
        raise UnknownNameError("component", target, names, see="zoo list")
    if len(found) > 1:
        kinds = ", ".join(REGISTRIES[subject.folder].kind for subject in found)
        raise RecipeError(f"{target!r} is the name of several components ({kinds}): add --kind")
    return found


def _check_one(subject: Subject, settings: list[str], *, quiet: bool) -> dict[str, Any]:
    """Run the contract of one component, print its checks, and return it as JSON data."""
    from zoo.testing.verdicts import contract_of, run_contract

    component = REGISTRIES[subject.folder].get(subject.name)
    contract = contract_of(subject.folder, component, _arguments(subject, settings))
    chosen = dict(contract.arguments or {})
    if not quiet:
        print_text(f"{subject.title}, {_arguments_text(chosen, given=bool(settings))}")
    verdicts = []
    for verdict in run_contract(contract):
        verdicts.append(verdict)
        if not quiet:
            print_text(_line(verdict))
        if verdict.trace is not None:
            logger.debug("%s", verdict.trace)
    return {
        "kind": REGISTRIES[subject.folder].kind,
        "name": subject.name,
        "origin": str(REGISTRIES[subject.folder].origin(subject.name)),
        "arguments": chosen,
        "checks": [_document(verdict) for verdict in verdicts],
        "cost": _cost(contract, verdicts, chosen if settings else {}, quiet=quiet),
    }


def _cost(
    contract: Contract, verdicts: list[Verdict], arguments: dict[str, Any], *, quiet: bool
) -> dict[str, Any] | None:
    """Measure the cost of an upscaling generator, print it, and return it."""
    from zoo.testing.generators import GeneratorContract

    enlarges = GeneratorContract.test_images_of_any_size.__name__
    works = any(verdict.check == enlarges and verdict.status == "ok" for verdict in verdicts)
    if not isinstance(contract, GeneratorContract) or not works:
        return None
    from zoo.testing.cost_comparison import compare_cost, reference_name

    if not quiet:
        note("measuring speed and memory")
    rows = compare_cost(contract.component, arguments)
    if not quiet:
        print_text(
            f"  speed and memory, compared with {reference_name()} at its defaults, and the ratio:"
        )
        for row in rows:
            print_text(f"    {row.label:<34}{_figures(row)}")
    return {"reference": reference_name(), **{row.key: asdict(row) for row in rows}}


def _figures(row: CostComparison) -> str:
    ratio = "" if row.ratio is None else f"   x {row.ratio:.2g}"
    return f"{_number(row.own):>12}{_number(row.reference):>14}{ratio}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= WHOLE else f"{value:.4g}"


def _arguments(subject: Subject, settings: list[str]) -> dict[str, Any] | None:
    """Read and check `--set NAME=VALUE` as in a recipe; None if nothing is set."""
    from zoo.recipes.arguments import complaints, parameters
    from zoo.recipes.reader import parse_document

    if not settings:
        return None
    given: dict[str, Any] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting}: write NAME=VALUE, such as width=8")
        given[name] = parse_document(text, f"--set {setting}").data
    wrong = [each.message for each in complaints(subject.folder, subject.name, given)]
    if wrong:
        raise RecipeError("; ".join(f"--set: {message}" for message in wrong))
    component: Any = REGISTRIES[subject.folder].get(subject.name)
    known = parameters(component)
    return {name: known[name].read(value) for name, value in given.items()}


def _arguments_text(chosen: dict[str, Any], *, given: bool) -> str:
    if not chosen:
        return "with default arguments"
    text = ", ".join(f"{name}={json.dumps(value)}" for name, value in chosen.items())
    return f"with {text}" if given else f"checked with small arguments: {text}"


def _line(verdict: Verdict) -> str:
    place = f" ({verdict.place})" if verdict.place else ""
    says = verdict.says.rstrip(".")
    return f"  {verdict.status:<8}{says}{': ' if verdict.detail else ''}{verdict.detail}{place}"


def _document(verdict: Verdict) -> dict[str, Any]:
    document = asdict(verdict)
    del document["trace"]
    return document
