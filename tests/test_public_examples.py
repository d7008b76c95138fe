"""The examples in the docstrings of the public names run as they are written."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import zoo

SCRIPT = """
import doctest, sys, zoo
from zoo.sweep.api import bench
from zoo.train.api import train

own = {"bench": bench, "train": train}
runner = doctest.DocTestRunner()
for name in sys.argv[1:]:
    text = own.get(name, getattr(zoo, name)).__doc__
    runner.run(doctest.DocTestParser().get_doctest(text, {}, name, None, 0))
sys.exit(runner.failures > 0 or runner.tries < 2 * len(sys.argv[1:]))
"""


def names() -> list[str]:
    return [name for name in zoo.__all__ if not name.startswith("_")]


def test_every_public_name_has_an_example() -> None:
    lacking = [
        name
        for name in names()
        if not re.search(
            r"^ *Example:\n +>>> ", inspect.getdoc(getattr(zoo, name)) or "", re.MULTILINE
        )
    ]
    assert not lacking


@pytest.mark.slow
def test_the_examples(tmp_path: Path) -> None:
    """One process of their own: they register components, train and write files."""
    command = [sys.executable, "-c", SCRIPT, *names()]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
