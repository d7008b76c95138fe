"""Which peers are on this machine, at which versions, and what it takes to import them."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import ModuleType
from typing import Final

import torchvision.transforms.functional as functional

REQUIREMENTS: Final = Path(__file__).with_name("requirements.txt")
INSTALL: Final = "see benchmarks/peers/requirements.txt"
REFUSED: Final = {"pyiqa": "not measured: its licence is PolyForm Noncommercial 1.0.0"}
"""Packages that the issue of this comparison named and that are not used, with the reason."""
_GONE: Final = "torchvision.transforms.functional_tensor"


def add_site(folder: Path | None, checkout: Path | None = None) -> None:
    """Make the packages of a folder importable, behind zoo's own, and a checkout before all.

    Args:
        folder: where `pip install --target` put the peers; None where they are installed.
        checkout: of BasicSR, to use in place of its package.
    """
    shim_torchvision()
    if folder is not None:
        sys.path.append(str(folder.resolve()))
    if checkout is not None:
        sys.path.insert(0, str(checkout.resolve()))


def why_missing(package: str) -> str | None:
    """Return why a peer cannot be used, in words; None where it can."""
    try:
        importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            return f"not installed; {INSTALL}"
        return f"cannot be imported: it needs {error.name}; {INSTALL}"
    except Exception as error:  # noqa: BLE001  a package that breaks may raise anything
        return f"cannot be imported: {type(error).__name__}: {error}"
    return None


def shim_torchvision() -> None:
    """Give `basicsr` 1.4.2 the module of torchvision that it imports one function from.

    torchvision 0.17 took it away; the function is where it always was in public.
    """
    if _GONE not in sys.modules:
        module = ModuleType(_GONE)
        module.__dict__["rgb_to_grayscale"] = functional.rgb_to_grayscale
        sys.modules[_GONE] = module


def pinned() -> dict[str, str]:
    """Return the version of each package of `requirements.txt`."""
    lines = (line.partition("#")[0].strip() for line in REQUIREMENTS.read_text().splitlines())
    return dict(line.split("==") for line in lines if line)


def found_version(package: str) -> str:
    """Return the version of a package, with the one that is pinned where that is another."""
    try:
        found = version(package)
    except PackageNotFoundError:
        return "a checkout"
    wanted = pinned().get(package, found)
    return found if found == wanted else f"{found} (pinned: {wanted})"
