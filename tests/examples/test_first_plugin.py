"""The commands of docs/first-plugin.md, run as the page has them, from an empty folder."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.test_docs_commands import run_blocks

BLOCKS = run_blocks("docs/first-plugin.md")


def fingerprints(environment: Path) -> dict[str, str]:
    """Return the sha256 of every file of the installed zoo, but for what Python compiles."""
    (package,) = environment.parent.glob("lib/python*/site-packages/zoo")
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in package.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def scored(table: str, name: str) -> bool:
    """Tell whether a table has a row of that name with a number in it."""
    return re.search(rf"^{name} +\d+( \(.*\))? +\d+\.\d+", table, re.MULTILINE) is not None


def test_there_are_five_commands_from_nothing_to_a_report() -> None:
    names = [line.split()[1] for line in BLOCKS[0].commands]
    assert names == ["new", "check", "train", "bench", "report"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_page_run_from_an_empty_folder(
    environment: Path, tmp_path: Path
) -> None:
    """They are given to a shell as they stand; the second and later ones see what came before."""
    home, folder = tmp_path / "home", tmp_path / "empty"
    folder.mkdir()
    variables = {
        **os.environ,
        "PATH": f"{environment}{os.pathsep}{os.environ['PATH']}",
        "ZOO_HOME": str(home),
        "OMP_NUM_THREADS": "1",
    }
    before = fingerprints(environment)
    assert before
    printed: dict[str, str] = {}
    for line in (line for block in BLOCKS for line in block.commands):
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed.setdefault(line.split()[1], done.stdout)
    assert fingerprints(environment) == before
    assert printed["new"].split() == ["my_net.py", "my_net.yaml", "test_my_net.py"]
    assert "FAILED" not in printed["check"]
    assert scored(printed["bench"], "my-net")
    assert scored(printed["bench"], "srresnet")
    page = (folder / "runs" / "report" / "index.html").read_text(encoding="utf-8")
    assert "my-net" in page
    assert "srresnet" in page
