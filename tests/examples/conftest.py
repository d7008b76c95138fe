"""A fresh environment with zoo and the example package installed from wheels, as a user's.

Fresh are the interpreter's site-packages, zoo (from its wheel, so not this checkout), the package,
and the `zoo` program. Shared is what both depend on: this environment's site-packages come after
the fresh ones on the path, for torch alone would be five gigabytes to install. pip resolves
nothing (`--no-deps`) and builds with the hatchling that is here, so that no network is needed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = REPOSITORY / "examples" / "zoo-span"
Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True, slots=True)
class User:
    """Somebody at a terminal: programs of one environment, run in one folder."""

    folder: Path
    bin: Path

    def run(self, program: str, *arguments: str | Path, expect: int | None = 0) -> Done:
        """Run a program of the environment; fail with what it said unless it exits as expected."""
        environment = {
            name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
        }
        environment |= {"ZOO_HOME": str(self.folder / ".zoo"), "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            [self.bin / program, *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        said = f"{program} {' '.join(map(str, arguments))}\n{done.stdout}\n{done.stderr}"
        assert expect is None or done.returncode == expect, said
        return done

    def zoo(self, *arguments: str | Path, expect: int | None = 0) -> Done:
        """Run `zoo ARGUMENTS...`."""
        return self.run("zoo", *arguments, expect=expect)


@pytest.fixture(scope="session")
def install(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Return a function that makes an environment of wheels built from folders."""
    pytest.importorskip("hatchling")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]

    def make(*sources: Path) -> Path:
        root = tmp_path_factory.mktemp("environment")
        wheels = root / "wheels"
        options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
        command = [*pip, "wheel", *options, "--wheel-dir", wheels, *sources]
        subprocess.run(command, check=True, capture_output=True, text=True)
        venv.create(root / "venv", with_pip=False, symlinks=True)
        python = root / "venv" / "bin" / "python"
        place = subprocess.run(
            [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"],
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        shared = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
        (Path(place) / "shared.pth").write_text("\n".join(shared) + "\n")
        command = [*pip, "--python", python, "install", "--no-deps", "--no-index", "--quiet"]
        subprocess.run(
            [*command, "--ignore-installed", *wheels.glob("*.whl")],
            check=True,
            capture_output=True,
            text=True,
        )
        return python.parent

    return make


@pytest.fixture(scope="session")
def environment(install: Callable[..., Path]) -> Path:
    """Return the programs of an environment with zoo and the example package."""
    return install(REPOSITORY, PACKAGE)


@pytest.fixture(scope="module")
def user(environment: Path, tmp_path_factory: pytest.TempPathFactory) -> User:
    """Return a user of that environment in an empty folder, which the tests of a module share."""
    return User(tmp_path_factory.mktemp("user"), environment)
