"""The checks of `zoo doctor`: the machine, the installation, and what training needs. No network.

Each function checks one thing and returns findings. A finding fails only if no training can run at
all; everything else is a warning.
"""

from __future__ import annotations

import platform
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, PackageNotFoundError, distribution, version
from pathlib import Path
from typing import Literal

from zoo.components import components
from zoo.data.paths import cache_dir, data_root
from zoo.data.sources import BUILT_IN, dataset_names, open_source
from zoo.errors import ZooError
from zoo.plugins import plugins_disabled
from zoo.recipes.book import checked_packages, load_book, sound_files
from zoo.recipes.checks import check_registry
from zoo.recipes.problems import display_path
from zoo.registry import LOSSES, METRICS, REGISTRIES
from zoo.text import counted
from zoo.weights.inventory import held_weights, needs_of

Status = Literal["ok", "warning", "failed"]
PACKAGES = ("torch", "torchvision", "timm", "piq", "numpy", "pillow", "scikit-image", "safetensors")
LEAST_FREE_BYTES = 500_000_000
GIGABYTE = 1e9
_EXTRA = re.compile(r"([A-Za-z0-9._-]+).*;.*\bextra\s*==\s*['\"]([A-Za-z0-9._-]+)['\"]")


@dataclass(frozen=True, slots=True)
class Finding:
    """One checked thing and its state."""

    section: str
    name: str
    status: Status
    detail: str


def examine(
    run_root: Path,
    registries: Sequence[Path] = (),
    *,
    datasets: Path | None = None,
    project: Path | None = None,
) -> list[Finding]:
    """Run all checks, in the order in which they are printed.

    Args:
        run_root: folder for runs.
        registries: files of recipes, in addition to the built-in ones.
        datasets: folder of datasets; by default `$ZOO_DATA`, otherwise zoo's own.
        project: the project's file, if any.
    """
    return [
        *_versions(),
        *_devices(),
        *_folders(run_root),
        Finding("folders", "project file", "ok", "none" if project is None else str(project)),
        *_data(data_root(datasets)),
        *_weights(),
        *_registry(registries),
        *_plugins(),
        *_extras(),
    ]


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "python", "ok", platform.python_version())
    for package in PACKAGES:
        try:
            yield Finding("versions", package, "ok", version(package))
        except PackageNotFoundError:
            yield Finding("versions", package, "failed", f"missing; pip install {package}")


def _devices() -> Iterator[Finding]:
    import torch

    yield Finding("devices", "cpu", "ok", f"{torch.get_num_threads()} threads")
    for index in range(torch.cuda.device_count()):
        memory = torch.cuda.get_device_properties(index).total_memory / GIGABYTE
        name = torch.cuda.get_device_name(index)
        yield Finding("devices", f"cuda:{index}", "ok", f"{name}, {memory:.0f} GB")
    if not torch.cuda.is_available():
        build = (
            f"torch is built for CUDA {torch.version.cuda}" if torch.version.cuda else "CPU build"
        )
        yield Finding("devices", "cuda", "warning", f"no CUDA GPU found ({build})")
    if torch.backends.mps.is_available():
        yield Finding("devices", "mps", "warning", "an Apple GPU; zoo cannot train on it")


def _folders(run_root: Path) -> Iterator[Finding]:
    for name, folder in (("cache", cache_dir()), ("runs", run_root)):
        existing = _nearest_existing(folder)
        free = shutil.disk_usage(existing).free
        detail = f"{folder}, {free / GIGABYTE:.1f} GB free"
        if not _writable(existing):
            yield Finding("folders", name, "failed", f"{detail}; not writable")
        elif free < LEAST_FREE_BYTES:
            needed = LEAST_FREE_BYTES / GIGABYTE
            yield Finding("folders", name, "failed", f"{detail}; at least {needed} GB are needed")
        else:
            yield Finding("folders", name, "ok", detail)


def _data(root: Path) -> Iterator[Finding]:
    for name in (*BUILT_IN, *dataset_names(root)):
        try:
            source = open_source(name)
        except ZooError as error:
            yield Finding("data", name, "warning", str(error))
        else:
            counts = (
                f"{len(source.training_paths)} training images, {len(source.validation_paths)} "
                "held out"
            )
            yield Finding("data", name, "ok", f"{counts}; {source.description}")


def _weights() -> Iterator[Finding]:
    """Check the weights, which weights metrics and losses lack, and the command that gets them."""
    held = {row.name: row for row in held_weights()}
    for row in held.values():
        detail = row.origin if row.here else f"not installed; {row.command}"
        yield Finding("weights", row.name, "ok" if row.here else "warning", detail)
    needed: dict[str, None] = {}
    for section, needs in (("metrics", needs_of(METRICS)), ("losses", needs_of(LOSSES))):
        for name, wanted in needs:
            lacking = [each for each in wanted if each in held and not held[each].here]
            needed |= dict.fromkeys(lacking)
            unknown = [each for each in wanted if each not in held]
            state = f"not installed: {', '.join(lacking)}" if lacking else "installed"
            detail = f"needs {', '.join(wanted)}; {state}"
            if unknown:
                detail = f"needs {', '.join(unknown)}, which is not in zoo's catalogue"
            yield Finding(section, name, "warning" if lacking or unknown else "ok", detail)
    if needed:
        command = f"not installed; zoo weights get {' '.join(needed)}"
        yield Finding("weights", "all that metrics and losses need", "warning", command)


def _registry(extra: Sequence[Path]) -> Iterator[Finding]:
    try:
        problems = check_registry(extra)
    except ZooError as error:
        yield Finding("registry", "files", "failed", str(error))
        return
    theirs = {display_path(file) for file in sound_files(checked_packages())}
    for problem in problems:
        status: Status = "warning" if problem.place.file in theirs else "failed"
        yield Finding("registry", str(problem.place), status, str(problem))
    if not problems:
        book = load_book(extra, warn=False)
        counts = (
            f"{counted(len(book.written_recipes), 'recipe')}, "
            f"{counted(len(book.profiles), 'profile')}, {counted(len(book.claims), 'claim')}, "
            f"{counted(len(book.matrices), 'matrix', 'matrices')}"
        )
        yield Finding("registry", "registry.yaml", "ok", counts)


def _plugins() -> Iterator[Finding]:
    if plugins_disabled():
        yield Finding("plugins", "all", "warning", "disabled by ZOO_DISABLE_PLUGINS")
    for package in checked_packages():
        name = f"recipes {package.name}"
        if package.error is None:
            yield Finding("plugins", name, "ok", f"{package.origin}, {package.file}")
        else:
            detail = f"{package.origin}, broken: {package.error}"
            yield Finding("plugins", name, "warning", detail)
    for folder, registry in REGISTRIES.items():
        for component in components(folder, check=True):
            if registry.origin(component.name).kind == "built-in":
                continue
            name = f"{registry.kind} {component.name}"
            if component.problem is None:
                yield Finding("plugins", name, "ok", component.origin)
            else:
                detail = f"{component.origin}, broken: {component.problem}"
                yield Finding("plugins", name, "warning", detail)


def _extras() -> Iterator[Finding]:
    try:
        installed = distribution("srgan-zoo")
    except PackageNotFoundError:
        yield Finding(
            "extras", "all", "warning", "unknown: zoo runs from a clone and is not installed"
        )
        return
    for extra, packages in sorted(_optional_packages(installed).items()):
        missing = [package for package in packages if not _installed(package)]
        if missing:
            line = f"missing {', '.join(missing)}; pip install 'srgan-zoo[{extra}]'"
            yield Finding("extras", extra, "warning", line)
        else:
            yield Finding("extras", extra, "ok", "installed")


def _optional_packages(installed: Distribution) -> dict[str, list[str]]:
    packages: dict[str, list[str]] = {}
    for requirement in installed.requires or ():
        found = _EXTRA.match(requirement)
        if found:
            packages.setdefault(found[2], []).append(found[1])
    return packages


def _installed(package: str) -> bool:
    try:
        version(package)
    except PackageNotFoundError:
        return False
    return True


def _nearest_existing(folder: Path) -> Path:
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def _writable(folder: Path) -> bool:
    """Test by writing, because permission bits do not show read-only mounts and quotas."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
