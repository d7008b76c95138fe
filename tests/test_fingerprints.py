"""The hash of a component's code: what changes it, and what does not."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo import fingerprints
from zoo.errors import PluginError
from zoo.fingerprints import code_hash, is_of_session, own_code, scoring_hash
from zoo.plugins import load_plugin_file

CELL = """
import math
from dataclasses import dataclass
from functools import wraps

SLOPE = 0.2
WIDTHS = {"small": [8, 16], max: (1, 2)}

def logged(function):
    @wraps(function)
    def wrapper(*arguments):
        return function(*arguments)
    return wrapper

def activate(x):
    return max(x, SLOPE * x)

class Block:
    gain = 2
    def __call__(self, x):
        return self.gain * activate(x)

class Unused:
    pass

class Base:
    @property
    def size(self):
        return 3

@dataclass
class Net(Base):
    width: int = 8

    @logged
    def forward(self, x, power=1):
        steps = [Block()(x) for _ in WIDTHS["small"]]
        return math.sqrt(sum(steps) ** power)

    @staticmethod
    def name():
        return "net" if "x" in {"x", "y", "z"} else ""
"""


def net_of(code: str, home: str = "a_notebook") -> type:
    """Return the class `Net` of code that was typed into a session."""
    names: dict[str, Any] = {"__name__": home}
    module = type(sys)(home)
    sys.modules[home] = module
    try:
        exec(code, names)  # noqa: S102
    finally:
        del sys.modules[home]
    net: type = names["Net"]
    assert is_of_session(net)
    return net


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SLOPE = 0.2", "SLOPE = 0.1"),
        ("[8, 16]", "[8, 17]"),
        ("max(x, SLOPE * x)", "min(x, SLOPE * x)"),
        ("x, SLOPE * x", "x, SLOPE + x"),
        ("gain = 2", "gain = 3"),
        ("self.gain * activate(x)", "self.gain * x"),
        ("return 3", "return 4"),
        ("class Net(Base)", "class Net(Block)"),
        ("width: int = 8", "width: int = 9"),
        ("power=1", "power=2"),
        ("math.sqrt", "math.exp"),
        ("return function(*arguments)", "return 2 * function(*arguments)"),
        ("    @logged\n", ""),
        ('"net" if', '"other" if'),
        ('"z"}', '"w"}'),
    ],
)
def test_of_a_session_any_code_it_uses_counts(old: str, new: str) -> None:
    assert old in CELL
    assert code_hash(net_of(CELL)) != code_hash(net_of(CELL.replace(old, new)))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("class Unused:\n    pass", "class Unused:\n    there = True"),
        ("    gain = 2", "    # a comment, and lines between\n\n    gain = 2"),
        ("import math", "import math, json"),
        ("steps", "results"),
    ],
)
def test_of_a_session_nothing_else_counts(old: str, new: str) -> None:
    assert old in CELL
    assert code_hash(net_of(CELL)) == code_hash(net_of(CELL.replace(old, new)))


def test_of_a_script_it_is_the_same_in_every_process(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(CELL + "\nfrom zoo.fingerprints import code_hash\nprint(code_hash(Net))\n")

    def run(seed: str) -> str:
        variables = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, str(script)]
        done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
        return done.stdout

    assert run("1") == run("2")


def test_a_class_that_names_itself_and_what_is_not_there_yet_has_a_hash() -> None:
    code = """
    def make(known):
        class Net:
            def forward(self):
                return Net, later, missing
        if known:
            later = 1
        return Net
    Net = make({known})
    """
    hashes = {code_hash(net_of(textwrap.dedent(code).format(known=k))) for k in (True, False)}
    assert len(hashes) == 2


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], str | None]]:
    """Return a function that says the hash of a class of a package on the path."""
    home = tmp_path / "hashed_net"
    home.mkdir()
    (home / "__init__.py").write_text("")
    (home / "blocks.py").write_text("GAIN = 2\n")
    (home / "nets.py").write_text("class Net: pass\n")
    monkeypatch.syspath_prepend(tmp_path)
    net = importlib.import_module("hashed_net.nets").Net
    yield lambda: code_hash(net)
    for name in [name for name in sys.modules if name.startswith("hashed_net")]:
        del sys.modules[name]


def test_of_a_package_every_module_counts(
    package: Callable[[], str | None], tmp_path: Path
) -> None:
    before = package()
    home = tmp_path / "hashed_net"
    (home / "weights.bin").write_bytes(b"1")
    (home / ".#nets.py").symlink_to("an editor's lock, which leads nowhere")
    assert package() == before
    (home / "blocks.py").write_text("GAIN = 3\n")
    assert package() not in (before, None)


def test_what_is_zoos_own_has_none() -> None:
    from zoo.generators.bicubic import Bicubic

    assert code_hash(Bicubic) is None


def test_of_a_file_it_is_what_was_executed(tmp_path: Path) -> None:
    path = tmp_path / "hashed.py"
    code = "class Net:\n    gain = {}\n"
    path.write_text(code.format(1))
    first = load_plugin_file(path)
    executed = hashlib.sha256(code.format(1).encode()).hexdigest()
    path.write_text(code.format(2))
    assert code_hash(first.Net) == executed
    second = load_plugin_file(path)
    assert second.Net.gain == 2
    assert code_hash(second.Net) == hashlib.sha256(code.format(2).encode()).hexdigest()
    path.write_text("1 / 0")
    with pytest.raises(PluginError):
        load_plugin_file(path)
    assert sys.modules[second.__name__] is second


def test_scores_depend_on_code_and_not_on_comments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of zoo's own files what is computed counts; of a plugin's file every byte."""
    home = tmp_path / "zoo"
    (home / "generators").mkdir(parents=True)
    monkeypatch.setattr(fingerprints, "_HOME", home)
    file = home / "generators" / "net.py"

    def hashed(text: str) -> str:
        file.write_text(text)
        fingerprints._code_of.cache_clear()
        return own_code("generators/net.py")

    plain = hashed('"""Net."""\ndef f(x):\n    """Double."""\n    return 2 * x\n')
    assert hashed('"""A net."""\n\n\ndef f(x):\n    return 2 * x  # twice\n') == plain
    assert hashed("def f(x):\n    return 3 * x\n") != plain


def test_the_code_below_a_component_is_followed() -> None:
    from zoo.generators.rrdb import RRDBNet
    from zoo.generators.srresnet_tanh import TanhSRResNet
    from zoo.metrics.consistency import LRPSNR

    below = {
        cls: fingerprints._followed(Path(str(sys.modules[cls.__module__].__file__)))
        for cls in (RRDBNet, TanhSRResNet, LRPSNR)
    }
    assert {"generators/blocks.py", "generators/base.py"} <= below[RRDBNet]
    assert "generators/srresnet.py" in below[TanhSRResNet]
    assert "generators/srresnet.py" not in below[RRDBNet], "another network is no part of it"
    assert {"data/resize.py", "metrics/protocol.py"} <= below[LRPSNR]
    assert len({scoring_hash(cls) for cls in below}) == 3


def test_a_module_beside_a_plugin_is_part_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "beside_it.py").write_text("GAIN = 1\n")
    plugin = tmp_path / "with_beside.py"
    plugin.write_text("import beside_it\nimport json\n\nclass Net:\n    gain = beside_it.GAIN\n")
    alone = tmp_path / "alone.py"
    alone.write_text("import json\n\nclass Net:\n    gain = 1\n")
    net, lonely = load_plugin_file(plugin).Net, load_plugin_file(alone).Net
    before = code_hash(net)
    assert code_hash(lonely) == hashlib.sha256(alone.read_bytes()).hexdigest()
    (tmp_path / "beside_it.py").write_text("GAIN = 2\n")
    assert code_hash(net) != before
    monkeypatch.delitem(sys.modules, "beside_it")


def test_a_module_beside_that_is_imported_late_is_part_of_a_plugin_from_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "late_one.py").write_text("from late_two import GAIN\n")
    (tmp_path / "late_two").mkdir()
    (tmp_path / "late_two" / "__init__.py").write_text("GAIN = 1\n")
    (tmp_path / "json.py").write_text("GAIN = 1\n")  # not what an import of json finds
    plugin = tmp_path / "late.py"
    plugin.write_text(
        "class Net:\n    def gain(self):\n        import json, late_one\n"
        "        return late_one.GAIN\n"
    )
    net = load_plugin_file(plugin).Net
    before = code_hash(net)
    assert net().gain() == 1
    assert code_hash(net) == before
    (tmp_path / "json.py").write_text("GAIN = 2\n")
    assert code_hash(net) == before
    (tmp_path / "late_two" / "__init__.py").write_text("GAIN = 2\n")
    assert code_hash(net) != before
    for name in ("late_one", "late_two"):
        monkeypatch.delitem(sys.modules, name)
