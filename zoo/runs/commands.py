"""The command that reproduces a run: its recipe, its settings, and their sources."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.runs import RUN_ROOT

if TYPE_CHECKING:
    from zoo.recipes.schema import RunSpec

SOURCES = ("--registry", "--plugin", "--data-root")
"""Options that say where recipes, components and datasets come from."""
_SOURCE = "data.source"
_FILE = "file "


def train_command(spec: RunSpec, sources: Sequence[str] = ()) -> str:
    """Return the command that trains a run of the same identity.

    Args:
        spec: complete specification, with the settings besides recipe and profile.
        sources: options with their values, as from `source_options`.
    """
    words = ["zoo", "train", spec.recipe, "--profile", spec.profile, "--seed", str(spec.seed)]
    begun = [
        word for key, weights in spec.begun_from.items() for word in (_option(key), weights.file)
    ]
    begun += ["--partial"] if any(not each.strict for each in spec.begun_from.values()) else []
    return shlex.join([*words, *begun, *set_options(spec.variant), *sources])


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"


def bench_command(
    recipes: Iterable[str],
    suite: str,
    profile: str,
    sources: Sequence[str] = (),
    matrix: str | None = None,
) -> str:
    """Return the command that trains the missing runs of recipes or of a matrix and scores all.

    If the sources contain a suite, it is the suite's file.
    """
    targets = recipes if matrix is None else ("--matrix", matrix)
    asked = [] if "--suite" in sources else ["--suite", suite]
    return shlex.join(["zoo", "bench", *targets, *asked, "--profile", profile, "--train", *sources])


def set_options(variant: Iterable[str]) -> list[str]:
    """Return the `--set` options for the settings besides recipe and profile."""
    words: list[str] = []
    for one in variant:
        path, _, text = one.partition("=")
        value = json.loads(text) if text.startswith('"') else text
        words += ["--data", value] if path == _SOURCE else ["--set", one]
    return words


def settings_in(words: Sequence[str]) -> list[str]:
    """Return the settings in the words of a command, as `set_options` writes them."""
    options = options_in(words, ("--set", "--data"))
    return [
        value if option == "--set" else f"{_SOURCE}={json.dumps(value)}"
        for option, value in zip(options[::2], options[1::2], strict=True)
    ]


def source_options(
    registry: Iterable[str | Path] = (),
    plugin: Iterable[str | Path] = (),
    data_root: str | Path | None = None,
) -> tuple[str, ...]:
    """Return the options for the sources of recipes, components and data."""
    words = [word for file in registry for word in ("--registry", str(file))]
    words += [word for file in plugin for word in ("--plugin", str(file))]
    return (*words, *(() if data_root is None else ("--data-root", str(data_root))))


def root_options(root: Path) -> tuple[str, ...]:
    """Return the option for the folder of runs; none for the default."""
    return () if root == RUN_ROOT else ("--run-root", str(root))


def recorded_sources(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options for the sources in a run's last session.

    For an older run without this record, they come from its command line and the origins of its
    components.
    """
    session = provenance["sessions"][-1]
    if "sources" in session:
        return tuple(session["sources"])
    words = options_in(session.get("command", ()), SOURCES)
    origins = dict.fromkeys(session.get("components", {}).values())
    files = [origin.removeprefix(_FILE) for origin in origins if origin.startswith(_FILE)]
    known = {Path(word).resolve() for word in words}
    missing = [file for file in files if Path(file).resolve() not in known]
    return (*words, *source_options(plugin=missing))


def resume_command(spec: RunSpec, path: Path, provenance: Mapping[str, Any]) -> str:
    """Return the command that resumes the run in a directory."""
    is_usual = len(path.parents) > 2 and path.parents[1].name == spec.recipe
    options = root_options(path.parents[2]) if is_usual else ()
    return train_command(spec, (*recorded_sources(provenance), *options))


def words_of(command: str | None) -> list[str]:
    """Return the words of a recorded command; none if it is not valid shell syntax."""
    try:
        return shlex.split(command or "")
    except ValueError:  # quotes that do not match
        return []


def options_in(words: Sequence[Any], options: Sequence[str]) -> list[str]:
    """Return the given options, with their values, that occur in a command; each once."""
    found: dict[tuple[str, str], None] = {}
    for word, following in itertools.zip_longest(words, words[1:], fillvalue=""):
        option, has_value, value = str(word).partition("=")
        if option in options and (has_value or following):
            found[option, value if has_value else str(following)] = None
    return [word for pair in found for word in pair]
