"""`import zoo`: public names, loaded on first use."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

import zoo
from zoo import errors, registry


def test_importing_zoo_and_listing_its_names_imports_no_torch() -> None:
    script = """
import sys, zoo
dir(zoo), zoo.__version__, zoo.ZooError, zoo.register_generator
early = "torch" in sys.modules
zoo.Generator
sys.exit("torch came too early" if early else 0 if "torch" in sys.modules else "no torch")
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("where", ["repository", "elsewhere"])
def test_the_package_is_a_program(tmp_path: Path, where: str) -> None:
    folder = Path(zoo.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-m", "zoo", "--help"],
        cwd=folder if where == "repository" else tmp_path,
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "python -m zoo [OPTIONS] COMMAND" in done.stdout


def test_every_public_name_is_there() -> None:
    for name in zoo.__all__:
        assert getattr(zoo, name) is not None
        assert name in dir(zoo)
    assert zoo.ZooError is errors.ZooError
    assert zoo.register_loss is registry.register_loss


@pytest.mark.slow
def test_the_types_of_every_public_name_are_what_a_user_takes_them_for() -> None:
    repository = Path(zoo.__file__).parents[1]
    command = [sys.executable, "-m", "mypy", "tests/typed_use.py"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    code = (repository / "tests" / "typed_use.py").read_text()
    assert not [name for name in zoo.__all__ if name not in code]


REPOSITORY = Path(zoo.__file__).parents[1]
TABLED = re.findall(
    r"^\| ((?:`zoo[\w.]+`(?:, )?)+) \|", (REPOSITORY / "docs/python.md").read_text(), re.MULTILINE
)
PUBLIC = {"zoo", *re.findall(r"`([\w.]+)`", " ".join(TABLED))}
"""Modules that users may import from, as docs/python.md lists them."""


def test_rooms_without_public_modules_are_marked_internal() -> None:
    for file in sorted((REPOSITORY / "zoo").glob("*/__init__.py")):
        first = (ast.get_docstring(ast.parse(file.read_text())) or "").partition("\n")[0]
        room = f"zoo.{file.parent.name}"
        is_public = any(name == room or name.startswith(f"{room}.") for name in PUBLIC)
        assert is_public == ("(internal)" not in first), room
    for name in PUBLIC:
        file = REPOSITORY / name.replace(".", "/")
        assert file.with_suffix(".py").is_file() or file.is_dir(), name


def test_documentation_and_examples_import_public_modules_only() -> None:
    places = ("README.md", "docs/*.md", "docs/*.ipynb", "examples/**/*.py", "examples/**/*.md")
    templates = "zoo/scaffold/templates/**/*.j2"
    found = {
        (path.name, module)
        for place in (*places, templates)
        for path in REPOSITORY.glob(place)
        for module in re.findall(
            r"(?:^|\"| )from (zoo[\w.]*) import", path.read_text(), re.MULTILINE
        )
    }
    found = {(page, module) for page, module in found if not module.startswith("zoo_")}
    assert len(found) > 20
    assert {(page, module) for page, module in found if module not in PUBLIC} == set()


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'zoo' has no attribute 'generator_of_all'"):
        _ = zoo.generator_of_all


def test_a_checkout_that_is_not_installed_has_a_version(monkeypatch: pytest.MonkeyPatch) -> None:
    def not_installed(_name: str) -> str:
        raise PackageNotFoundError

    monkeypatch.setattr("importlib.metadata.version", not_installed)
    monkeypatch.delitem(vars(zoo), "__version__", raising=False)
    project = Path(zoo.__file__).parents[1] / "pyproject.toml"
    assert zoo.__version__ == tomllib.loads(project.read_text())["project"]["version"]
