"""Writing several files so that all of them are there in the end, or none is changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from zoo.errors import MachineError, PluginError
from zoo.files import read_file, write_atomically


def write_all(
    folder: Path, files: Mapping[PurePosixPath, str], *, force: bool = False
) -> list[Path]:
    """Write text files below a folder, which is made if it is absent.

    Args:
        folder: where they go.
        files: their text by relative path.
        force: replace those that are there.

    Returns:
        Their paths, in the order given.

    Raises:
        PluginError: if one is there already and `force` is not set, or where a file cannot be.
        MachineError: if one cannot be written; what was there before is there again.
    """
    targets = {folder / path: text.encode() for path, text in files.items()}
    _check_targets(list(targets), force=force)
    before = {path: read_file(path) for path in targets if path.exists()}
    made: list[Path] = []
    written: list[Path] = []
    try:
        for path, content in targets.items():
            made += _make_folders(path.parent)
            written.append(path)
            write_atomically(path, content)
    except BaseException:  # Ctrl-C too
        _undo(written, before, made)
        raise
    return list(targets)


def _check_targets(targets: list[Path], *, force: bool) -> None:
    for path in targets:
        if path.is_dir():
            raise PluginError(f"{path} is a folder, but a file must be written there")
        blocking = next((above for above in path.parents if above.exists()), None)
        if blocking is not None and not blocking.is_dir():
            raise PluginError(f"{blocking} is a file, but a folder is needed there")
    present = [str(path) for path in targets if path.exists() or path.is_symlink()]
    if present and not force:
        are = "is" if len(present) == 1 else "are"
        raise PluginError(
            f"{', '.join(present)} {are} already there, so nothing was written; use --force to "
            "overwrite, --to DIR for another folder, or another name"
        )


def _make_folders(folder: Path) -> list[Path]:
    """Make a folder and those above it; return the new ones, outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise MachineError(f"cannot make the folder {folder}: {error.strerror}") from error
    return missing[::-1]


def _undo(written: list[Path], before: Mapping[Path, bytes], made: list[Path]) -> None:
    for path in written:
        if path in before:
            if read_file(path) != before[path]:
                write_atomically(path, before[path])
        else:
            path.unlink(missing_ok=True)
    for folder in reversed(made):
        with contextlib.suppress(OSError):  # not empty: somebody else's files are in it
            folder.rmdir()
