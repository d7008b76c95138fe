"""From names on the command line to pairs of files; finds all conflicts before any work.

Here names only: no image is opened and torch is not imported. The work is done by
`zoo.upscaling.batch`.
"""

from __future__ import annotations

import glob
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from zoo.data.images import SUFFIXES
from zoo.errors import DataError, MachineError, RecipeError
from zoo.files import fitting_name, from_home
from zoo.text import few
from zoo.upscaling.encoding import SUFFIX_FORMATS

_listed = partial(few, most=10)
# A name that ends so is meant as a picture, though zoo neither reads nor writes it.
_OTHER_SUFFIXES: Final = frozenset({".avif", ".heic", ".heif", ".jp2", ".jxl", ".tga"})
FORMAT_SUFFIXES: Final = {"png": ".png", "jpg": ".jpg", "webp": ".webp", "tiff": ".tiff"}


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read.

    Attributes:
        path: where it is.
        below: its path below the folder or the pattern that it was found by; its name alone if it
            was named itself.
        named: whether it was named itself.
    """

    path: Path
    below: Path
    named: bool


@dataclass(frozen=True, slots=True)
class Inputs:
    """What was found, and the number of files in folders that are no images."""

    files: tuple[Input, ...]
    num_others: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """An image to read and where to write it, larger."""

    source: Path
    target: Path


def find_inputs(words: Sequence[str], *, recursive: bool, output: Path | None = None) -> Inputs:
    """Find the files that are meant by files, folders and patterns.

    Hidden files, and what is below the output folder, are not looked for in folders.

    Args:
        words: each a file, a folder, or a pattern with `*`, `?` or `[...]`; `**` is any folders.
        recursive: whether folders within folders are looked into.
        output: where results go.

    Raises:
        DataError: if a word is none of these, or nothing at all was found.
    """
    found: dict[Path, Input] = {}
    num_others = 0
    for word in words:
        for candidate in _meant(word, recursive=recursive):
            if not candidate.named and _is_below(candidate.path, output):
                continue
            if candidate.named or candidate.path.suffix.lower() in SUFFIXES:
                found.setdefault(_place(candidate.path), candidate)
            else:
                num_others += 1
    if not found:
        deeper = "" if recursive else " (use --recursive to include subfolders)"
        raise DataError(f"no images in {', '.join(words)}{deeper}")
    return Inputs(tuple(found.values()), num_others)


def plan_jobs(
    inputs: Inputs, output: Path | None, *, form: str | None, scale: int
) -> tuple[list[Job], int]:
    """Give every input its output.

    Args:
        inputs: what `find_inputs` found.
        output: a file for one input, else a folder; None for a name with `-x4` beside the input.
        form: one of `FORMAT_SUFFIXES`; None keeps the input's format, if zoo writes it, else PNG.
        scale: upscaling factor, for names.

    Returns:
        The jobs, and the number of files excluded because an earlier run made them.

    Raises:
        RecipeError: if the output does not go with the inputs or the format.
        DataError: if two inputs have one output, or an output is an input or a folder.
        MachineError: if a folder of the output cannot be written to.
    """
    target_file = _target_file(inputs, output, form)
    if target_file is not None:
        jobs = [Job(inputs.files[0].path, target_file)]
    else:
        jobs = [Job(one.path, _target(one, output, form, scale)) for one in inputs.files]
    named = {_place(one.path) for one in inputs.files if one.named}
    made = {_place(job.target) for job in jobs}
    left = [job for job in jobs if _place(job.source) in named or _place(job.source) not in made]
    _check_targets(left)
    return left, len(jobs) - len(left)


def existing(jobs: Sequence[Job]) -> list[Job]:
    """Return the jobs whose output is there already."""
    return [job for job in jobs if os.path.exists(job.target)]  # noqa: PTH110  see `_meant`


def refuse_existing(jobs: Sequence[Job]) -> None:
    """Raise for outputs that are there already.

    Raises:
        DataError: if there is one; all of them are named, up to a number.
    """
    targets = [str(job.target) for job in existing(jobs)]
    if targets:
        raise DataError(
            f"{_listed(targets)} exist{'s' if len(targets) == 1 else ''} already: overwrite with "
            "--force, or skip with --skip-existing"
        )


def _meant(word: str, *, recursive: bool) -> Iterable[Input]:
    if not word:
        raise DataError("empty path: name images, folders or patterns")
    path = from_home(word)
    if os.path.isdir(path):  # noqa: PTH112  pathlib's raises for names too long to be one
        return _in_folder(path, recursive=recursive)
    if os.path.exists(path):  # noqa: PTH110
        return [Input(path, Path(path.name), named=True)]
    if not glob.has_magic(word):
        raise DataError(f"the file or folder {word} does not exist")
    matches = [Path(match) for match in sorted(glob.glob(str(path), recursive=True))]  # noqa: PTH207  pathlib's has no patterns with a root
    root = _fixed_part(path)
    files = [Input(match, match.relative_to(root), named=False) for match in matches]
    inside = [
        replace(one, below=match.relative_to(root) / one.below)
        for match in matches
        if match.is_dir() and "**" not in word
        for one in _in_folder(match, recursive=recursive)
    ]
    if not matches:
        raise DataError(f"no file matches {word}")
    return [*(one for one in files if not one.path.is_dir()), *inside]


def _in_folder(folder: Path, *, recursive: bool) -> list[Input]:
    found = sorted(folder.rglob("*") if recursive else folder.glob("*"))
    below = [(path, path.relative_to(folder)) for path in found if path.is_file()]
    return [
        Input(path, inside, named=False)
        for path, inside in below
        if not any(part.startswith(".") for part in inside.parts)
    ]


def _fixed_part(pattern: Path) -> Path:
    """Return the folders of a pattern before its first wildcard."""
    parts = pattern.parts[:-1]
    count = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:count])


def _target_file(inputs: Inputs, output: Path | None, form: str | None) -> Path | None:
    """Return the output if it is meant as a file, None if it is a folder or nothing."""
    if output is None or output.is_dir():
        return None
    if output.suffix.lower() not in SUFFIXES | _OTHER_SUFFIXES:
        return None
    if len(inputs.files) > 1 or not inputs.files[0].named:
        raise RecipeError(f"--output {output}: the output of several inputs must be a folder")
    written = SUFFIX_FORMATS.get(output.suffix.lower())
    if written is None:
        raise RecipeError(
            f"--output {output}: zoo writes {', '.join(FORMAT_SUFFIXES)}, not {output.suffix}"
        )
    if form is not None and written != SUFFIX_FORMATS[FORMAT_SUFFIXES[form]]:
        raise RecipeError(f"--output {output} does not fit --format {form}; omit one of them")
    return output


def _target(one: Input, output: Path | None, form: str | None, scale: int) -> Path:
    own = one.path.suffix if one.path.suffix.lower() in SUFFIX_FORMATS else ".png"
    suffix = own if form is None else FORMAT_SUFFIXES[form]
    if output is None:
        return one.path.with_name(fitting_name(one.path.stem, f"-x{scale}{suffix}"))
    return output / one.below.with_name(fitting_name(one.path.stem, suffix))


def _check_targets(jobs: Sequence[Job]) -> None:
    # By its own name and by that of the file behind it, where it is a link.
    sources = {place(job.source) for job in jobs for place in (_place, _behind)}
    own = [str(job.target) for job in jobs if _place(job.target) in sources]
    if own:
        raise DataError(
            f"{_listed(own)} would be overwritten, but it is an input: choose another -o"
        )
    counts = Counter(_place(job.target) for job in jobs)
    clashes = [
        f"{job.target} (from {job.source})" for job in jobs if counts[_place(job.target)] > 1
    ]
    if clashes:
        raise DataError(f"several inputs have the same output: {_listed(sorted(clashes))}")
    folders = [str(job.target) for job in jobs if os.path.isdir(job.target)]  # noqa: PTH112
    if folders:
        raise DataError(
            f"{_listed(folders)} would be written as a file, but it is a folder: choose another -o"
        )
    for folder in dict.fromkeys(job.target.parent for job in jobs):
        _check_folder(folder)


def _check_folder(folder: Path) -> None:
    """Raise if files cannot be made in a folder, which itself may be to be made."""
    there = next((one for one in (folder, *folder.parents) if os.path.exists(one)), folder)  # noqa: PTH110
    if not there.is_dir():
        raise DataError(f"{folder} cannot be an output folder: {there} is a file")
    if not os.access(there, os.W_OK | os.X_OK):
        raise MachineError(f"no permission to write into the folder {there}")


def _is_below(path: Path, folder: Path | None) -> bool:
    return folder is not None and _place(path).is_relative_to(_place(folder))


def _behind(path: Path) -> Path:
    return Path(os.path.realpath(path))


def _place(path: Path) -> Path:
    """Return where a file is, whatever it is called on the way there."""
    return Path(os.path.realpath(path.parent)) / path.name
