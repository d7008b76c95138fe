"""Code and versions with which something was made, and the hash of an identity."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from zoo.files import read_text


def identity_hash(identity: Mapping[str, Any]) -> str:
    """Return the sha256 of the canonical JSON of an identity, or of any plain mapping."""
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions a run depends on."""
    packages = ("srgan-zoo", "timm", "piq", "numpy", "scipy", "pillow")
    found = {package: package_version(package) for package in packages}
    return {"python": platform.python_version(), "torch": torch.__version__, **found}


@cache  # a distribution's metadata is parsed each time it is asked for
def package_version(package: str) -> str:
    """Return the version of an installed distribution, in words where there is none."""
    try:
        return version(package)
    except PackageNotFoundError:  # a checkout that is not installed, or a folder on PYTHONPATH
        return "not installed"


def machine() -> str:
    """Return the processor of this machine and how many of its cores a process may use."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{processor()}, {cores} cores"


def processor() -> str:
    """Return the name of this machine's processor."""
    try:
        lines = read_text(Path("/proc/cpuinfo")).splitlines()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def revision() -> dict[str, Any] | None:
    """Return commit and dirty flag of zoo's clone, None if it is installed as a wheel."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return None
    commit = _git(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    return {"commit": commit, "dirty": bool(_git(root, "status", "--porcelain"))}


def _git(root: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603  the arguments are those below
            ["git", *arguments],  # noqa: S607  git is found on PATH, as users have it
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
