"""The five commands of docs/first-plugin.md, run as the page has them, from an empty folder."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.conftest import REPOSITORY

PAGE = REPOSITORY / "docs" / "first-plugin.md"
BLOCK = re.compile(r"^```bash\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OURS = ("zoo", "benchmarks", "registry.yaml", "pyproject.toml", "cli.py")


def commands() -> list[str]:
    """Return the lines of the page's first block of commands."""
    return [str(line) for line in BLOCK.findall(PAGE.read_text(encoding="utf-8"))[0].splitlines()]


def fingerprints() -> dict[str, str]:
    """Return the sha256 of every file of ours, but for what Python compiles."""
    files = [path for name in OURS for path in [REPOSITORY / name, *(REPOSITORY / name).rglob("*")]]
    return {
        str(path): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.is_file() and "__pycache__" not in path.parts
    }


def scored(table: str, name: str) -> bool:
    """Tell whether a table has a row of that name with a number in it."""
    return re.search(rf"^{name} +\d+ +\d+\.\d+", table, re.MULTILINE) is not None


def test_there_are_five_commands_from_nothing_to_a_report() -> None:
    assert [line.split()[1] for line in commands()] == ["new", "check", "train", "bench", "report"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_commands_of_the_page_run_from_an_empty_folder(tmp_path: Path) -> None:
    """They are given to a shell as they stand; the second and later ones see what came before."""
    programs = Path(sys.executable).parent
    if not (programs / "zoo").exists():
        pytest.skip(f"no zoo in {programs}: install the checkout (pip install -e .)")
    home, folder = tmp_path / "home", tmp_path / "empty"
    folder.mkdir()
    environment = {
        **os.environ,
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "ZOO_HOME": str(home),
        "OMP_NUM_THREADS": "1",
    }
    before = fingerprints()
    printed = {}
    for line in commands():
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        printed[line.split()[1]] = done.stdout
    assert fingerprints() == before
    assert printed["new"].split() == ["my_net.py", "my_net.yaml", "test_my_net.py"]
    assert "FAILED" not in printed["check"]
    assert scored(printed["bench"], "my-net")
    assert scored(printed["bench"], "srresnet")
    page = (folder / "runs" / "report" / "index.html").read_text(encoding="utf-8")
    assert "my-net" in page
    assert "srresnet" in page
