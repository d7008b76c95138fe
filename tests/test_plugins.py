"""Plugins: single files and installed packages, and that a bad one harms nobody else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from zoo.errors import DuplicateNameError, PluginError
from zoo.plugins import load_plugin_file, require_registered
from zoo.registry import REGISTRIES

GENERATORS = REGISTRIES["generators"]
NET = """
from zoo import Generator, register_generator

{decorator}
class Net(Generator):
    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image):
        return lr_image
"""
Write = Callable[[str], Path]


def net(name: str) -> str:
    return NET.format(decorator=f"@register_generator({name!r})")


@pytest.fixture
def write(tmp_path: Path) -> Iterator[Write]:
    """Return a function that writes a plugin file; all registries are as before afterwards."""
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}

    def write_file(code: str) -> Path:
        path = tmp_path / "my-plugin.py"
        path.write_text(code, encoding="utf-8")
        return path

    yield write_file
    for kind, registry in REGISTRIES.items():
        registry.restore(before[kind])


def test_a_file_registers_its_components(write: Write) -> None:
    path = write(net("from-file"))
    load_plugin_file(path)
    assert GENERATORS.get("from-file").__name__ == "Net"
    assert str(GENERATORS.origin("from-file")) == f"file {path}"


def test_a_file_loaded_twice_is_executed_once(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(net("from-file"))
    first = load_plugin_file(path)
    monkeypatch.chdir(tmp_path)
    assert load_plugin_file(Path(path.name)) is first
    link = tmp_path / "link.py"
    link.symlink_to(path)
    assert load_plugin_file(link) is first


def test_a_file_that_changed_is_executed_again_and_replaces_its_components(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)  # a cache must not be taken for the file
    for gain in (1, 2, 3):  # in less than the second that a cache is exact to, in as many bytes
        load_plugin_file(write(net("changed") + f"    gain = {gain}\n" + net(f"only-{gain}")))
        assert vars(GENERATORS.get("changed"))["gain"] == gain
    assert "only-3" in GENERATORS.names()
    assert not {"only-1", "only-2"} & set(GENERATORS.names())


def test_a_change_that_fails_leaves_what_was_loaded(write: Write) -> None:
    load_plugin_file(write(net("before")))
    component = GENERATORS.get("before")
    with pytest.raises(PluginError):
        load_plugin_file(write(net("after") + "\n1 / 0\n"))
    assert GENERATORS.get("before") is component
    assert "after" not in GENERATORS.names()


@pytest.mark.parametrize(
    ("ending", "line", "cause"),
    [
        ("\n1 / 0\n", 12, "ZeroDivisionError: division by zero"),
        ("\nraise SystemExit(3)\n", 12, "SystemExit: 3"),
        ("\nimport acme_not_installed\n", 12, "ModuleNotFoundError: No module named"),
        ("\n@register_generator('two')\nclass Two: pass\n", 12, "does not derive from Generator"),
        ("\n@register_generator('Bad')\nclass Two(Net): pass\n", 12, "is not in kebab case"),
        ("\n@register_generator('rrdb')\nclass Two(Net): pass\n", 12, "already used by built-in"),
    ],
)
def test_a_file_that_fails_half_way_leaves_everything_as_it_was(
    write: Write, ending: str, line: int, cause: str
) -> None:
    path = write(net("half-way") + ending)
    before = {kind: registry.snapshot() for kind, registry in REGISTRIES.items()}
    modules = set(sys.modules)
    with pytest.raises((PluginError, DuplicateNameError), match=cause) as caught:
        load_plugin_file(path)
    assert str(caught.value).startswith(f"plugin file {path}:{line} failed: ")
    assert {kind: registry.snapshot() for kind, registry in REGISTRIES.items()} == before
    assert not [name for name in set(sys.modules) - modules if name.startswith("zoo_plugin")]


def test_a_file_that_failed_can_be_mended_and_loaded(write: Write) -> None:
    path = write(net("mended") + "\n1 / 0\n")
    with pytest.raises(PluginError):
        load_plugin_file(path)
    write(net("mended"))
    load_plugin_file(path)
    assert "mended" in GENERATORS.names()


def test_a_syntax_error_has_its_line(write: Write) -> None:
    path = write("x = 1\ny = (\n")
    with pytest.raises(PluginError, match=r"my-plugin.py:2 failed: SyntaxError"):
        load_plugin_file(path)


def test_files_that_are_no_plugins(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match="does not exist"):
        load_plugin_file(tmp_path / "none.py")
    with pytest.raises(PluginError, match="it is a folder, not a file"):
        load_plugin_file(tmp_path)
    text = tmp_path / "plugin.txt"
    text.write_text("x = 1\n")
    with pytest.raises(PluginError, match=r"is not a Python file \(.py\)"):
        load_plugin_file(text)


def test_a_name_of_another_file_is_taken(write: Write, tmp_path: Path) -> None:
    load_plugin_file(write(net("mine")))
    other = tmp_path / "other.py"
    other.write_text(net("mine"))
    with pytest.raises(DuplicateNameError, match=r"of file .*other.py is already used by file"):
        load_plugin_file(other)


ENTRY_POINTS = """\
[zoo.generators]
acme-net = acme.nets:Net
acme-passed-on = acme:Shared
acme-exits = acme.exits:Net
acme-missing = acme.nets:Nothing
acme-gone = acme_gone:Net
acme-wrong = acme.nets:NotANet
acme-decorated = acme.decorated:Net
rrdb = acme.nets:Net
Bad_Name = acme.nets:Net
acme-nonsense = !!!
"""

SCRIPT = """
import json, sys
from zoo.errors import ZooError
from zoo.registry import REGISTRIES

registry = REGISTRIES["generators"]
listed = {name: str(entry.origin) for name, entry in registry.entries.items()}
imported = sorted(name for name in sys.modules if name.split(".")[0] == "acme" or name == "torch")
results = {}
for name in listed if "load" in sys.argv else ():
    try:
        results[name] = registry.get(name).__module__
    except ZooError as error:
        results[name] = str(error)
print(json.dumps({"listed": listed, "imported": imported, "results": results}))
"""


def acme(folder: Path) -> None:
    """Write an installed distribution `acme 1.2` with entry points."""
    package, info = folder / "acme", folder / "acme-1.2.dist-info"
    package.mkdir()
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    plain = NET.format(decorator="")
    (package / "__init__.py").write_text("from acme.shared import Shared\n")
    shared = net("acme-passed-on").replace("Net(", "Shared(")
    (package / "shared.py").write_text(shared)
    (package / "nets.py").write_text(plain + "\nclass NotANet: pass\n")
    (package / "exits.py").write_text("raise SystemExit(1)\n")
    (package / "decorated.py").write_text(net("acme-decorated"))


def ask(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """Return what a fresh interpreter, for which `folder` is installed, finds."""
    command = [sys.executable, "-c", SCRIPT, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(folder), **environment}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site-packages")
    acme(folder)
    return folder


@pytest.fixture(scope="module")
def answer(installed: Path) -> dict[str, Any]:
    return ask(installed, "load")


def test_installed_plugins_are_listed_without_being_imported(answer: dict[str, Any]) -> None:
    assert answer["imported"] == []
    assert answer["listed"]["acme-net"] == "package acme 1.2"
    assert answer["listed"]["rrdb"] == "built-in"


def test_installed_plugins_load_on_first_use(answer: dict[str, Any]) -> None:
    assert answer["results"]["acme-net"] == "acme.nets"
    assert answer["results"]["rrdb"] == "zoo.generators.rrdb"


def test_a_package_may_decorate_its_class_and_pass_it_on(answer: dict[str, Any]) -> None:
    assert answer["results"]["acme-decorated"] == "acme.decorated"
    assert answer["results"]["acme-passed-on"] == "acme.shared"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("acme-exits", "SystemExit: 1"),
        ("acme-missing", "AttributeError: module 'acme.nets' has no attribute 'Nothing'"),
        ("acme-gone", "ModuleNotFoundError: No module named 'acme_gone'"),
        ("acme-wrong", "does not derive from Generator"),
        ("Bad_Name", "its name is not in kebab case"),
        ("acme-nonsense", "'!!!' does not have the form module:Class"),
        ("rrdb@acme.nets", "'rrdb' of package acme 1.2 is already used by built-in"),
    ],
)
def test_a_broken_plugin_is_listed_and_says_why(
    answer: dict[str, Any], name: str, cause: str
) -> None:
    message = answer["results"][name]
    assert message.startswith(f"generator {name!r} from package acme 1.2 is broken: ")
    assert cause in message


def test_installed_plugins_can_be_kept_out(installed: Path) -> None:
    assert "acme-net" in ask(installed, ZOO_DISABLE_PLUGINS="0")["listed"]
    without = ask(installed, ZOO_DISABLE_PLUGINS="1")["listed"]
    assert set(without.values()) == {"built-in"}


KINDS = {
    "generators": "Generator",
    "discriminators": "Discriminator",
    "adversaries": "Adversary",
    "losses": "Loss",
    "metrics": "Metric",
    "degradations": "Degradation",
}
WHOLE = """
from zoo import {kinds}


class Net(Generator):
    def __init__(self, *, scale: int = 4) -> None:
        super().__init__(scale=scale)

    def forward(self, lr_image):
        return lr_image


class Judge(Discriminator):
    def forward(self, image):
        return image.mean(dim=(1, 2, 3)).unsqueeze(1)


class Duel(Adversary):
    def discriminator_loss(self, discriminator, real, fake):
        return {{"total": discriminator(fake).mean()}}

    def generator_loss(self, discriminator, real, fake):
        return {{"total": discriminator(fake).mean()}}


class Far(Loss):
    def forward(self, sr_image, hr_image):
        return (sr_image - hr_image).abs().mean()


class Near(Metric):
    def __call__(self, sr_image, hr_image, *, scale):
        return 0.0


class Small(Degradation):
    def __call__(self, hr_image, *, scale, rng):
        return hr_image[::scale, ::scale]
"""
CLASSES = dict(zip(KINDS, ("Net", "Judge", "Duel", "Far", "Near", "Small"), strict=True))
RECIPES = """
version: 1
recipes:
  {name}: {{summary: a recipe, generator: {generator}, losses: {{mse: 1}}}}
profiles:
  {name}-short: {{extends: smoke, summary: shorter}}
"""
ALL_KINDS = """
import json, logging, sys
from zoo.components import components
from zoo.errors import ZooError
from zoo.recipes.book import load_book
from zoo.registry import REGISTRIES

messages = []
handler = logging.Handler()
handler.emit = lambda record: messages.append(record.getMessage())
logging.getLogger("zoo").addHandler(handler)
book = load_book()
packages = {package.name: package.error for package in book.packages}
listed = {kind: [c.name for c in components(kind)] for kind in REGISTRIES}
imported = [name for name in sys.modules if name.partition(".")[0] in ("whole", "torch", "shards")]
problems = {
    kind: {c.name: c.problem for c in components(kind, check=True) if "built-in" not in c.origin}
    for kind in (REGISTRIES if "check" in sys.argv else ())
}
print(json.dumps({"listed": listed, "imported": imported, "problems": problems,
    "packages": packages, "messages": messages, "recipes": sorted(book.recipes),
    "profiles": sorted(book.profiles), "place": str(book.recipe("srresnet").place)}))
"""


def install(folder: Path, package: str, code: str, entry_points: str, registry: str = "") -> None:
    """Write an installed distribution with one package."""
    home, info = folder / package, folder / f"{package}-3.1.dist-info"
    home.mkdir()
    info.mkdir()
    (home / "__init__.py").write_text(code)
    if registry:
        (home / "registry.yaml").write_text(registry)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 3.1\n")
    (info / "entry_points.txt").write_text(entry_points)


def groups(package: str, name: str) -> str:
    """Return entry points of every kind, and of recipes."""
    lines = [f"[zoo.{kind}]\n{name} = {package}:{CLASSES[kind]}\n" for kind in KINDS]
    return "".join([*lines, f"[zoo.registries]\n{name} = {package}\n"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a package of every kind, a broken one, and ways to bring no recipes."""
    folder = tmp_path_factory.mktemp("site")
    code = WHOLE.format(kinds=", ".join(KINDS.values()))
    registry = RECIPES.format(name="whole", generator="whole")
    install(folder, "whole", code, groups("whole", "whole"), registry)
    wrong = RECIPES.format(name="srresnet", generator="shards")
    install(folder, "shards", "raise RuntimeError('in pieces')", groups("shards", "shards"), wrong)
    install(folder, "barren", "", "[zoo.registries]\nbarren = barren\n")
    install(folder, "garbled", "", "[zoo.registries]\ngarbled = garbled\n", "recipes: [\n")
    install(folder, "yonder", "", "[zoo.registries]\nyonder = yonder\n", registry)
    more = "version: 1\nrecipes: {more: {extends: whole, summary: needs another package}}\n"
    install(folder, "added", "", "[zoo.registries]\nadded = added\n", more)
    install(folder, "lost", "", "[zoo.registries]\nlost = lost_elsewhere\nin = lost.inner\n")
    return folder


def ask_all(folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """Return what a fresh interpreter finds of every kind, `folder` being installed."""
    command = [sys.executable, "-c", ALL_KINDS, *arguments]
    variables = {**os.environ, "PYTHONPATH": str(folder), **environment}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def everything(site: Path) -> dict[str, Any]:
    return ask_all(site, "check")


@pytest.mark.parametrize("kind", KINDS)
def test_a_package_brings_every_kind_and_a_broken_one_harms_none(
    everything: dict[str, Any], kind: str
) -> None:
    assert everything["imported"] == []
    assert {"whole", "shards"} <= set(everything["listed"][kind])
    problems = everything["problems"][kind]
    assert problems == {"whole": None, "shards": "RuntimeError: in pieces"}


def test_a_package_brings_recipes_and_profiles_without_being_imported(
    everything: dict[str, Any],
) -> None:
    assert {"whole", "more"} <= set(everything["recipes"])
    assert "whole-short" in everything["profiles"]
    assert everything["packages"]["whole"] is None
    assert everything["packages"]["added"] is None, "it may extend what another package brings"


@pytest.mark.parametrize(
    ("name", "cause"),
    [
        ("shards", "shards/registry.yaml:4: recipes.srresnet: recipe 'srresnet' is already "),
        ("barren", "'barren' has no registry.yaml"),
        ("garbled", "garbled/registry.yaml:2: not YAML"),
        ("yonder", "recipe 'whole' is already defined in "),
        ("lost", "the package 'lost_elsewhere' does not exist"),
        ("in", "'lost.inner' is not the name of a top-level package"),
    ],
)
def test_recipes_that_are_wrong_are_left_out_and_say_why(
    everything: dict[str, Any], name: str, cause: str
) -> None:
    assert cause in everything["packages"][name]
    said = [text for text in everything["messages"] if f"the recipes {name!r} of package" in text]
    assert len(said) == 1
    assert cause in said[0]
    assert "shards" not in everything["place"], "the first of a name stays"


def test_a_duplicate_recipe_names_both_files(everything: dict[str, Any], site: Path) -> None:
    message = everything["packages"]["yonder"]
    assert str(site / "yonder" / "registry.yaml") in message
    assert str(site / "whole" / "registry.yaml") in message


def test_nothing_of_packages_is_there_where_they_are_kept_out(site: Path) -> None:
    found = ask_all(site, ZOO_DISABLE_PLUGINS="1")
    assert found["packages"] == {}
    assert "whole" not in found["recipes"]
    assert not [kind for kind in KINDS if "whole" in found["listed"][kind]]
    assert found["messages"] == []


@pytest.mark.parametrize(
    ("origin", "remedy"),
    [
        ("file /home/me/my net.py", "name this file with --plugin '/home/me/my net.py'"),
        ("package zoo-span 0.1", "install it: pip install zoo-span==0.1"),
        ("session __main__", "put it into a file and name this with --plugin"),
    ],
)
def test_what_a_missing_plugin_was_is_said(origin: str, remedy: str) -> None:
    with pytest.raises(PluginError) as caught:
        require_registered("generators", "safmn", origin, "runs/safmn")
    told = (
        f"unknown generator 'safmn': runs/safmn was made with the one from {origin}, which is not"
    )
    assert str(caught.value).startswith(told)
    assert remedy in str(caught.value)
    require_registered("generators", "srresnet", origin, "runs/x")
    require_registered("generators", "safmn", None, "x")
