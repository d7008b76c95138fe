"""Every command where there is no home folder, and where standard output lacks letters.

A container has a user without name or home; a redirected output on Windows is cp1252, a batch
system's ASCII. Whatever a command says there, it has no traceback, and its work is done.
"""

from __future__ import annotations

import os
import pwd
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image
from typer.testing import CliRunner, Result

from zoo.commands import limits
from zoo.commands.app import app
from zoo.data import paths
from zoo.errors import MachineError
from zoo.registry import REGISTRIES

REPOSITORY = Path(__file__).resolve().parents[2]
RUN = "RUNS/srresnet/smoke/seed-0"
SMOKE = "-p smoke --device cpu --run-root RUNS"
COMMANDS = {
    "list": "list",
    "models": "models",
    "show": "show srgan -p smoke",
    "train": f"train srresnet {SMOKE}",
    "bench": f"bench srresnet {SMOKE} --suite SUITE --data-root DATA --seeds 2",
    "report": "report --run-root RUNS",
    "watch": "watch RUNS",
    "upscale": "upscale 漢字.png -o enlarged --tile 16",
    "check": "check my_net.py",
    "import": "import no-such.pth",
    "interpolate": f"interpolate {RUN} {RUN} --alpha 0.5",
    "export": f"export {RUN} --name 漢字",
    "card": f"card {RUN}",
    "push": f"push {RUN} me/net",
    "pull": "pull me/net",
    "doctor": "doctor",
    "new": "new generator my-net",
    "data list": "data list",
    "data get": "data get div2k",
    "data verify": "data verify samples",
    "data prepare": "data prepare DATA prepared --size 16 --step 16",
    "data preview": "data preview srresnet -p smoke -o 見本.png",
    "weights list": "weights list",
    "weights get": "weights get vgg19",
    "weights add": "weights add vgg19 no-such.pth",
}
MAY_FAIL = {
    "models",
    "check",
    "import",
    "interpolate",
    "push",
    "pull",
    "data get",
    "weights get",
} | {"weights add"}
"""What they are asked for is not there; the others are to succeed."""
ENCODINGS = ("ascii", "cp1252", "latin-1")


def names(group: Any, before: str = "") -> Iterator[str]:
    """Yield the names of all commands below a group."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from names(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def test_every_command_is_among_them() -> None:
    assert set(COMMANDS) == set(names(typer.main.get_command(app)))


@pytest.fixture
def no_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Take the user's name and home away; temporary files are the test's own."""

    def unknown(uid: Any) -> None:
        raise KeyError(uid)

    for function in ("getpwuid", "getpwnam"):
        monkeypatch.setattr(pwd, function, unknown)
    for name in ("HOME", "ZOO_HOME", "XDG_CACHE_HOME", "USER", "LOGNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    paths._tell_once.cache_clear()
    with pytest.raises(RuntimeError):
        Path.home()


@pytest.fixture(scope="module")
def scored(
    tmp_path_factory: pytest.TempPathFactory, trained: Path, data_root: Path
) -> dict[str, Path]:
    """Return what the commands read: runs and their scores, a suite, its images."""
    folder = tmp_path_factory.mktemp("scored")
    runs, suite = shutil.copytree(trained, folder / "runs"), folder / "tiny.yaml"
    suite.write_text("version: 1\nsummary: ä ± 漢\nscale: 4\ndatasets: [Tiny]\nmetrics: [psnr-y]\n")
    paths = {"RUNS": runs, "SUITE": suite, "DATA": data_root}
    CliRunner().invoke(app, filled(COMMANDS["bench"], paths), catch_exceptions=False)
    return paths


def filled(line: str, paths: dict[str, Path]) -> list[str]:
    """Return a line of `COMMANDS` as arguments."""
    for name, path in paths.items():
        line = line.replace(name, str(path))
    return line.split()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of the test's own, which has a picture."""
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (16, 16)).save("漢字.png")
    return tmp_path


def run(line: list[str], encoding: str) -> Result:
    snapshots = {folder: registry.snapshot() for folder, registry in REGISTRIES.items()}
    try:
        return CliRunner(charset=encoding).invoke(app, line, catch_exceptions=False)
    finally:
        for folder, registry in REGISTRIES.items():
            registry.restore(snapshots[folder])


@pytest.mark.usefixtures("no_home", "here")
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_without_a_home_and_with_few_letters(
    name: str, scored: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    encoding = ENCODINGS[list(COMMANDS).index(name) % len(ENCODINGS)]
    result = run(filled(COMMANDS[name], scored), encoding)
    assert result.exit_code in ((0, 2, 5) if name in MAY_FAIL else (0,)), result.output
    assert "Traceback" not in result.output
    assert result.output


@pytest.mark.usefixtures("no_home", "here")
@pytest.mark.parametrize("form", ["--csv", "--markdown", "--latex", "--json"])
def test_tables_of_every_form_in_ascii(form: str, scored: dict[str, Path]) -> None:
    result = run(filled(f"{COMMANDS['bench']} {form}", scored), "ascii")
    assert result.exit_code == 0, result.output
    assert "srresnet" in result.stdout
    assert ("PSNR-Y (dB) ^" in result.stdout) == (form == "--markdown")


SCRIPT = """
import pwd, sys
def unknown(uid): raise KeyError(uid)
pwd.getpwuid = pwd.getpwnam = unknown
from zoo.commands.app import main
main()
"""
"""A program whose user has no name, without being root to take one's name away."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "check"])
def test_a_program_without_a_home_and_with_few_letters(
    name: str, scored: dict[str, Path], here: Path
) -> None:
    """As above, but what is imported meets the same."""
    taken = ("HOME", "ZOO_HOME", "XDG_CACHE_HOME", "USER", "LOGNAME")
    kept = {key: value for key, value in os.environ.items() if key not in taken}
    ours = {"PYTHONIOENCODING": "ascii", "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(here)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *filled(COMMANDS[name], scored)],
        env=kept | ours | {"ZOO_OFFLINE": "1", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"},
        capture_output=True,
        check=False,
    )
    told = done.stderr.decode("ascii")
    assert done.returncode in ((0, 2, 5) if name in MAY_FAIL else (0,)), told
    assert "Traceback" not in told


@pytest.mark.parametrize("line", [["list"], ["list", "--json"], ["--help"], ["--version"]])
def test_results_on_a_full_disk_end_with_a_sentence(line: list[str]) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123  a device
        done = subprocess.run(
            [sys.executable, "-m", "zoo", *line],
            cwd=REPOSITORY,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 5, done.stderr
    assert done.stderr.startswith("Error: cannot write to standard output: No space left")
    assert done.stderr.count("\n") == 1


def limit_to_a_gibibyte() -> None:
    """Limit the address space, as `ulimit -v` does."""
    resource.setrlimit(resource.RLIMIT_AS, (1 << 30, resource.RLIM_INFINITY))


@pytest.mark.slow
def test_an_address_space_too_small_for_torch_is_told(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "train", "srresnet", "--run-root", str(tmp_path)],
        cwd=REPOSITORY,
        preexec_fn=limit_to_a_gibibyte,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 5, done.stderr
    assert "Error: torch does not fit into the address space" in done.stderr
    assert "1,024 MiB" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "fits"),
    [("", True), ("raise ModuleNotFoundError('no torch')", True), ("import os; os.abort()", False)],
    ids=["fits", "absent", "aborts"],
)
def test_a_library_is_tried_elsewhere_where_there_is_a_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, *, fits: bool
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1 << 30, resource.RLIM_INFINITY))
    (tmp_path / "heavy.py").write_text(script)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    if fits:
        limits.check_address_space("heavy")
    else:
        with pytest.raises(MachineError, match=r"heavy does not fit .* 1,024 MiB"):
            limits.check_address_space("heavy")


def test_nothing_is_tried_without_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    monkeypatch.setattr(resource, "getrlimit", lambda _: (resource.RLIM_INFINITY,) * 2)
    limits.check_address_space("torch")
