"""Which revision of the code a run was made with, where zoo runs from a checkout."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any


def revision() -> dict[str, Any] | None:
    """Return commit and dirty flag of zoo's own checkout, None when it is installed as a wheel."""
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
