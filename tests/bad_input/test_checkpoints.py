"""Twelve pickles that would run code, wherever weights are read: none runs."""

from __future__ import annotations

import importlib
import io
import os
import pickle
import pydoc
import runpy
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from zoo.commands.app import app
from zoo.files import write_hashed
from zoo.recipes.book import load_book
from zoo.recipes.checks import complete
from zoo.recipes.resolve import resolve
from zoo.registry import REGISTRIES
from zoo.runs.directory import run_path
from zoo.train.prepare import Options
from zoo.train.run import train

MARK = "was-here"
Hostile = Callable[[], bytes]
_CODE = f"open({MARK!r}, 'w').close()"


class Call:
    """Pickles as a call, whose function may be the result of another."""

    def __init__(self, function: Callable[..., Any], *arguments: object) -> None:
        self.function, self.arguments = function, arguments

    def __call__(self) -> None:
        """Never: only what has this may be pickled as a function."""
        raise AssertionError

    def __reduce__(self) -> tuple[Any, ...]:
        return self.function, self.arguments


class Appended(Call):
    """Pickles as a list whose items come from a call."""

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (), None, iter([Call(self.function, *self.arguments)])


class Stated(Call):
    """Pickles as a tensor's parameter with a call in its state."""

    def __reduce__(self) -> tuple[Any, ...]:
        return torch.nn.Parameter, (torch.zeros(1),), {"x": Call(self.function, *self.arguments)}


def _saved(content: object, *, zipped: bool = True) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=zipped)
    return stream.getvalue()


def _state(value: object) -> dict[str, object]:
    return {"weight": torch.zeros(1), "x": value}


_OS = Call(importlib.import_module, "os")


def _with_code_folder() -> bytes:
    """Return an archive as of a scripted module, with Python code in it."""
    stream = io.BytesIO(_saved(_state(torch.zeros(1))))
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("archive/code/__torch__.py", _CODE)
        archive.writestr("archive/constants.pkl", pickle.dumps(Call(os.system, f"touch {MARK}")))
    return stream.getvalue()


PICKLES: dict[str, Hostile] = {
    "system": lambda: _saved(_state(Call(os.system, f"touch {MARK}"))),
    "exec": lambda: _saved(_state(Call(exec, _CODE))),
    "eval": lambda: _saved(_state(Call(eval, f"__import__('os').system('touch {MARK}')"))),
    "popen": lambda: _saved(_state(Call(subprocess.Popen, ["touch", MARK]))),
    "open": lambda: _saved(_state(Call(open, MARK, "w"))),
    "import": lambda: _saved(_state(Call(pydoc.importfile, "hostile.py"))),
    "getattr": lambda: _saved(_state(Call(Call(getattr, _OS, "system"), f"touch {MARK}"))),
    "run-path": lambda: _saved(_state(Call(runpy.run_path, "hostile.py"))),
    "legacy": lambda: _saved(_state(Call(os.system, f"touch {MARK}")), zipped=False),
    "bare": lambda: pickle.dumps(Call(exec, _CODE), protocol=2),
    "list-items": lambda: _saved(_state(Appended(exec, _CODE))),
    "parameter-state": lambda: _saved(_state(Stated(exec, _CODE))),
}
"""Twelve, and one more whose tensors are sound and whose code lies beside them."""
BESIDE: dict[str, Hostile] = {"code-beside": _with_code_folder}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return the root of a run of one step."""
    root = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZOO_HOME", str(tmp_path_factory.mktemp("home")))
        settings = ["generator.width=8", "generator.num_blocks=1", "training.steps=1"]
        spec = complete(resolve(load_book(), "srresnet", "smoke", settings=settings)).spec
        train(spec, Options(run_root=root, device="cpu"))
        assert run_path(spec, root).is_dir()
        yield root


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder with a program that a pickle may name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hostile.py").write_text(_CODE)
    return tmp_path


def zoo(*words: str | Path) -> Result:
    """Run a command; an exception that is a bug goes through."""
    before = {folder: registry.snapshot() for folder, registry in REGISTRIES.items()}
    try:
        return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    finally:
        for folder, registry in REGISTRIES.items():
            registry.restore(before[folder])


def _run_of(root: Path, here: Path) -> Path:
    copy = Path(shutil.copytree(root, here / "runs"))
    return next(copy.rglob("recipe.yaml")).parent


def as_import(suffix: str) -> Callable[..., Result]:
    """Return `zoo import FILE` for a file of that suffix."""

    def read(content: bytes, here: Path, _root: Path) -> Result:
        (here / f"theirs{suffix}").write_bytes(content)
        return zoo("import", f"theirs{suffix}", "--generator", "srresnet")

    return read


def as_feature_network(content: bytes, here: Path, _root: Path) -> Result:
    """`zoo weights add NAME FILE`."""
    (here / "theirs.pth").write_bytes(content)
    return zoo("weights", "add", "vgg19", "theirs.pth")


def as_lpips(content: bytes, here: Path, _root: Path) -> Result:
    """`zoo weights add lpips FILE`."""
    (here / "theirs.pt").write_bytes(content)
    return zoo("weights", "add", "lpips", "theirs.pt")


def as_arrays(content: bytes, here: Path, _root: Path) -> Result:
    """`zoo weights add NAME FILE.ckpt`, a pickle of arrays; of an archive, the pickle in it."""
    stream = io.BytesIO(content)
    if zipfile.is_zipfile(stream):
        with zipfile.ZipFile(stream) as archive:
            content = archive.read("archive/data.pkl")
    (here / "theirs.ckpt").write_bytes(content)
    return zoo("weights", "add", "vgg16", "theirs.ckpt")


def as_model(content: bytes, here: Path, _root: Path) -> Result:
    """`zoo upscale --model FILE`, whatever its suffix says."""
    (here / "theirs.safetensors").write_bytes(content)
    (here / "x.png").write_bytes(b"")
    return zoo("upscale", "x.png", "--model", "theirs.safetensors")


def as_checkpoint(content: bytes, here: Path, root: Path) -> Result:
    """`zoo train` again over a run whose checkpoint, and the hash beside it, are another's."""
    run = _run_of(root, here)
    (run / "summary.json").unlink()
    for path in (run / "checkpoints").glob("*.pt"):
        write_hashed(path, content)
    tiny = ("generator.width=8", "generator.num_blocks=1", "training.steps=1")
    settings = [word for one in tiny for word in ("--set", one)]
    return zoo(
        "train", "srresnet", "-p", "smoke", "--device", "cpu", "--run-root", "runs", *settings
    )


def as_weights_of_a_run(content: bytes, here: Path, root: Path) -> Result:
    """`zoo upscale --model RUN_DIR` whose weights, and the hash beside them, are another's."""
    run = _run_of(root, here)
    write_hashed(run / "weights.safetensors", content)
    (here / "x.png").write_bytes(b"")
    return zoo("upscale", "x.png", "--model", run)


ENTRANCES: dict[str, tuple[Callable[..., Result], tuple[int, ...]]] = {
    **{f"import {suffix}": (as_import(suffix), (2,)) for suffix in (".pt", ".pth", ".ckpt")},
    "import .safetensors": (as_import(".safetensors"), (2,)),
    "weights add": (as_feature_network, (2,)),
    "weights add lpips": (as_lpips, (2,)),
    "weights add .ckpt": (as_arrays, (2,)),
    "upscale --model": (as_model, (2, 4)),
    "weights of a run": (as_weights_of_a_run, (4,)),
    "checkpoint of a run": (as_checkpoint, (4,)),
}
"""What reads weights, and how it ends: 2 for a file, 4 for what has a hash of ours."""
SLOW = "checkpoint of a run"


@pytest.mark.parametrize(
    "entrance",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == SLOW)) for name in ENTRANCES],
)
def test_no_pickle_runs(here: Path, finished: Path, entrance: str) -> None:
    read, codes = ENTRANCES[entrance]
    tried = 0
    for name, make in (PICKLES | BESIDE).items():
        folder = here / name
        folder.mkdir()
        shutil.copy(here / "hostile.py", folder)
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(folder)
            result = read(make(), folder, finished)
        assert result.exit_code in codes, f"{name}: {result.exit_code} {result.output}"
        assert "Traceback" not in result.output
        assert not list(here.rglob(MARK)), f"{name} ran"
        tried += 1
    sys.stdout.write(f"{entrance}: {tried} pickles, 0 ran\n")
    assert tried == 13


@pytest.mark.slow
def test_no_pickle_runs_as_a_file_of_weights(here: Path) -> None:
    """`zoo bench FILE...`: each costs its own row, and the exit status says so."""
    for name, make in (PICKLES | BESIDE).items():
        (here / f"{name}.pth").write_bytes(make())
    files = sorted(here.glob("*.pth"))
    words = ("--generator", "srresnet", "--device", "cpu", "-p", "smoke", "--records", "records")
    result = zoo("bench", *files, *words)
    assert result.exit_code == 3, result.output
    assert "Traceback" not in result.output
    assert not (here / MARK).exists()


@pytest.mark.slow
def test_each_would_run(here: Path) -> None:
    """What runs nothing anywhere would prove nothing."""
    program = "import contextlib, os, pickle, sys, torch\nfor name in sys.argv[1:]:\n"
    program += "    os.chdir(name)\n"
    for read in ("torch.load('x.pt', weights_only=False)", "pickle.load(open('x.pt', 'rb'))"):
        program += f"    with contextlib.suppress(Exception):\n        {read}\n"
    for name, make in PICKLES.items():
        (here / name).mkdir()
        shutil.copy(here / "hostile.py", here / name)
        (here / name / "x.pt").write_bytes(make())
    paths = [str(here / name) for name in PICKLES]
    subprocess.run([sys.executable, "-c", program, *paths], check=True, capture_output=True)
    assert [name for name in PICKLES if not (here / name / MARK).exists()] == []
