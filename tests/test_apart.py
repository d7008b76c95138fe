"""A function called in a process of its own: what it returns, raises, and how it may end."""

from __future__ import annotations

import signal
import subprocess
from pathlib import Path

import pytest

from zoo.apart import CrashError, answer, call_apart, ending, found, reference
from zoo.errors import MachineError, PluginError, WeightsError
from zoo.generators.srresnet import SRResNet
from zoo.plugins import load_plugin_file

PLUGIN = """
from zoo.errors import WeightsError

class Inner:
    pass

def double(*, value):
    print("a plugin may print")
    return 2 * value

def refuse():
    raise WeightsError("these do not fit")

def slip():
    raise KeyError("absent")
"""


@pytest.fixture
def plugin(tmp_path: Path) -> tuple[Path, str]:
    """Write a plugin file; return it with the name of its module, in any process."""
    path = tmp_path / "plugin.py"
    path.write_text(PLUGIN)
    return path, load_plugin_file(path).__name__


def test_what_a_function_returns_comes_back(plugin: tuple[Path, str]) -> None:
    path, module = plugin
    assert call_apart(f"{module}:double", {"value": [1, 2]}, [path]) == [1, 2, 1, 2]


def test_an_error_comes_back_as_it_was_and_a_bug_says_which(
    plugin: tuple[Path, str], capfd: pytest.CaptureFixture[str]
) -> None:
    path, module = plugin
    with pytest.raises(WeightsError, match=r"\Athese do not fit\Z"):
        call_apart(f"{module}:refuse", {}, [path])
    told = answer({"target": f"{module}:slip", "arguments": {}, "plugins": []})
    assert told == {"error": "KeyError", "message": "KeyError: 'absent'"}
    assert "Traceback" in capfd.readouterr().err
    told = answer({"target": "", "arguments": {}, "plugins": [str(path.with_name("none.py"))]})
    assert told["error"] == PluginError.__name__


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_crash_is_an_error_that_names_the_signal(tmp_path: Path, number: signal.Signals) -> None:
    path = tmp_path / "crashes.py"
    path.write_text(f"import os\nos.kill(os.getpid(), {int(number)})\n")
    with pytest.raises(CrashError, match=f"its process ended by {number.name}"):
        call_apart("builtins:print", {}, [path])


@pytest.mark.parametrize("code", ["import os; os._exit(3)", "import os; os._exit(0)"])
def test_an_end_without_an_answer_is_one_too(tmp_path: Path, code: str) -> None:
    path = tmp_path / "ends.py"
    path.write_text(code)
    with pytest.raises(CrashError, match=r"its process ended with exit code [03]"):
        call_apart("builtins:print", {}, [path])


def test_a_killed_process_may_have_had_too_little_memory() -> None:
    assert "too little memory" in ending(-signal.SIGKILL)
    assert ending(2) == "with exit code 2"


def test_a_process_that_cannot_be_started_is_the_machines_fault(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(MachineError, match="cannot start a process: Cannot allocate memory"):
        call_apart("builtins:print", {})


def test_only_classes_that_can_be_imported_have_a_reference(plugin: tuple[Path, str]) -> None:
    class Local:
        pass

    _, module = plugin
    inner = found(f"{module}:Inner")
    assert reference(Local) is None
    assert reference(inner) == f"{module}:Inner"
    assert reference(type("Typed", (), {"__module__": "__main__"})) is None
    assert found(str(reference(SRResNet))) is SRResNet
